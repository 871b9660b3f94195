/** Progress for logs and pipes: a line at each change of phase, and one every few seconds in between. */
import { named, said, words, type SayAction } from '../advice.js';
import type { EventMap, MigrationEvent } from '../model/event.js';
import type { Phase } from '../model/phase.js';
import { clock, counted, duration, milliseconds } from './format.js';
import type { Look } from './paint.js';
import { currentPhase, initialProgress, type ProgressState, reduceProgress } from '../model/progress.js';
import { phaseTexts } from './phase-texts.js';
import { progressLine } from './progress-text.js';
import type { Reporter } from './reporter.js';

export interface PlainLinesOptions {
  readonly write: (line: string) => void;
  readonly look: Look;
  readonly everyMs?: number;
  readonly say?: SayAction;
}

/** Slow enough that a run of an hour leaves a log that people read. */
const defaultEveryMs = 5000;

export function plainLinesReporter({
  write,
  look,
  everyMs = defaultEveryMs,
  say = words,
}: PlainLinesOptions): Reporter {
  let state = initialProgress;
  const stamped = (text: string, at: number): void =>
    write(`[${clock(Math.max(0, at - (state.startedAt ?? at)) / 1000)}] ${text}`);
  // A timer and not events alone: building one large index is a long time without any.
  const timer = setInterval(() => {
    if (currentPhase(state) !== null && !state.finished) stamped(progressLine(state, look), Date.now());
  }, everyMs);
  timer.unref();
  return {
    listener(event) {
      state = reduceProgress(state, event);
      const text = eventText(event, state, say);
      if (text !== null) stamped(text, event.at.getTime());
    },
    above: (work) => work(),
    close: () => clearInterval(timer),
  };
}

/** The events that get a line of their own; null for the others. */
export function eventText(event: MigrationEvent, state: ProgressState, say: SayAction): string | null {
  switch (event.event) {
    case 'migration:started':
      return `migration ${event.id}: ${event.table}, shadow ${event.shadow}${event.fresh ? '' : `, continued at ${event.phase}`}`;
    case 'run:retrying':
      return `without a connection: ${event.message}; trying again for ${duration(event.forSeconds)}`;
    case 'run:resumed':
      return `connected again after ${duration(event.seconds)}; goes on from ${event.phase}`;
    case 'phase:started':
      return `${event.phase} started`;
    case 'phase:done':
      return `${event.phase} done in ${duration(event.seconds)}${doneFacts(event.phase, state)}`;
    case 'copy:restarted':
      return `the copy starts again: ${event.why}`;
    case 'source:followed':
      return `the table was altered, followed in ${duration(event.seconds)}: ${event.changes.join('; ')}`;
    case 'index:done':
      return `index ${event.index} built in ${duration(event.seconds)}`;
    case 'throttle':
      return event.kind === 'go'
        ? 'no longer held up'
        : `held up: ${event.reasons.map(({ text }) => text).join('; ')}`;
    case 'run:asked':
      return `${say(named(event.name))}: ${said(event.said, say)}`;
    case 'cutover:postponed':
      return `not swapped yet: ${said(event.why, say)}`;
    case 'cutover:rehearsed':
      return `rehearsed and taken back at try ${event.attempts}, ${heldFor(event)}`;
    case 'lock:blocker':
      return `pid ${event.pid} was in the way: ${event.how}, ${event.why}`;
    case 'cutover:done':
      return `swapped at try ${event.attempts}, ${heldFor(event)}`;
    default:
      return null;
  }
}

/** How long the lock was held, and for what. */
function heldFor({ holdMs, captureMs, drainedKeys }: EventMap['cutover:done']): string {
  // Below that there was nothing to wait for.
  const waited = captureMs < 0.1 ? '' : ` (${milliseconds(captureMs)} for the last writes to be in the log)`;
  return `lock held ${milliseconds(holdMs)}${waited}, ${counted(drainedKeys, 'key')} drained`;
}

function doneFacts(phase: Phase, state: ProgressState): string {
  const { done, isLogged } = phaseTexts[phase];
  return isLogged
    ? ''
    : done(state)
        .map((fact) => `, ${fact}`)
        .join('');
}
