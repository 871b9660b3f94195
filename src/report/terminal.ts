/** The live display: `renderProgress` drawn over itself with log-update. */
import { createLogUpdate } from 'log-update';
import type { Look } from './paint.js';
import { initialProgress, reduceProgress } from './progress.js';
import { renderProgress } from './progress-text.js';
import type { Reporter } from './reporter.js';

export interface TerminalOptions {
  readonly stream: NodeJS.WriteStream;
  /** Asked at each drawing: the width changes with the window. */
  readonly look: () => Look;
  /** Lines below the phases, asked at each drawing. */
  readonly footer?: () => readonly string[];
}

/** Often enough that the clock and the bar look alive, seldom enough for a slow ssh connection. */
const redrawMs = 150;

export function terminalReporter({ stream, look, footer = () => [] }: TerminalOptions): Reporter {
  const screen = createLogUpdate(stream);
  let state = initialProgress;
  let closed = false;
  const draw = (): void => screen([...renderProgress(state, look(), Date.now()), ...footer()].join('\n'));
  const timer = setInterval(draw, redrawMs);
  timer.unref();
  return {
    listener(event) {
      state = reduceProgress(state, event);
    },
    above(write) {
      if (closed) return write();
      screen.clear();
      write();
      draw();
    },
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
