/** The live display: `renderProgress` drawn over itself. */
import { words, type SayAction } from '../advice.js';
import type { Look } from './paint.js';
import { eventText } from './plain-lines.js';
import { initialProgress, reduceProgress } from '../model/progress.js';
import { renderProgress } from './progress-text.js';
import type { Reporter } from './reporter.js';
import { createScreen } from './screen.js';

export interface TerminalOptions {
  readonly stream: NodeJS.WriteStream;
  /** Asked at each drawing: the width changes with the window. */
  readonly look: () => Look;
  /** Lines below the phases, asked at each drawing. */
  readonly footer?: () => readonly string[];
  readonly say?: SayAction;
}

/** Often enough that the clock and the bar look alive, seldom enough for a slow ssh connection. */
const redrawMs = 150;

export function terminalReporter({
  stream,
  look,
  footer = () => [],
  say = words,
}: TerminalOptions): Reporter {
  const screen = createScreen(stream);
  let state = initialProgress;
  let closed = false;
  const draw = (): void => screen.draw([...renderProgress(state, look(), Date.now()), ...footer()]);
  const timer = setInterval(draw, redrawMs);
  timer.unref();
  const above = (write: () => void): void => {
    if (closed) return write();
    screen.clear();
    write();
    draw();
  };
  return {
    listener(event) {
      state = reduceProgress(state, event);
      // What others have asked is no state, and would be gone with the next drawing.
      if (event.event === 'run:asked') above(() => void stream.write(`${eventText(event, state, say)}\n`));
    },
    above,
    close() {
      if (closed) return;
      closed = true;
      clearInterval(timer);
      // The last events came after the last tick.
      if (state.id !== null) draw();
      else screen.clear();
      screen.done();
    },
  };
}
