/**
 * What is kept of what a run tells: the few events that somebody needs who asks later what was done. Collected as they are told,
 * over all attempts of the run; written by the pulse on its own session, where no lock on a user's table is ever held.
 */
import type { Session } from '../db/session.js';
import type { EventMap, EventName } from '../model/event.js';
import { appendEvents, type NewEvent } from '../state/events.js';
import { Unsaved } from './unsaved.js';

type Kept = {
  readonly [Name in EventName]?: {
    /** In one run; what comes after them is only told. */
    readonly most: number;
    readonly body: (payload: EventMap[Name]) => Readonly<Record<string, unknown>>;
  };
};

/** A run whose connection comes and goes, or that is altered all the time, writes no book about it. */
const usual = 100;
/** A table may have many indexes. */
const many = 1_000;

/**
 * No row values, no SQL of anybody. The end of a run by an error, an abort and a finalize are appended by whoever stores that
 * (state/migrations.ts), in the same transaction; commands and locks have tables of their own.
 */
const kept: Kept = {
  'migration:started': {
    most: usual,
    body: ({ table, shadow, fresh, phase }) => ({ table, shadow, fresh, phase }),
  },
  'run:retrying': { most: usual, body: ({ message, forSeconds }) => ({ message, forSeconds }) },
  'run:resumed': { most: usual, body: ({ attempts, seconds, phase }) => ({ attempts, seconds, phase }) },
  'phase:done': { most: many, body: ({ phase, seconds }) => ({ phase, seconds }) },
  'copy:restarted': { most: usual, body: ({ why }) => ({ why }) },
  'source:followed': { most: usual, body: ({ changes, seconds }) => ({ changes, seconds }) },
  'purge:done': { most: usual, body: ({ rows }) => ({ rows }) },
  'index:done': { most: many, body: ({ index, seconds }) => ({ index, seconds }) },
  'verify:done': {
    most: usual,
    body: ({ mode, rows, differences, leftOut, seconds }) => ({ mode, rows, differences, leftOut, seconds }),
  },
  // The first ones say who was in the way; `cutover:done` says how many there were.
  'cutover:missed': {
    most: 20,
    body: ({ attempt, waitedMs, why, reason, tried, blockers }) => ({
      attempt,
      waitedMs,
      why,
      reason,
      tried,
      blockers,
    }),
  },
  'cutover:done': {
    most: usual,
    body: ({ attempts, holdMs, captureMs, drainedKeys }) => ({ attempts, holdMs, captureMs, drainedKeys }),
  },
  warning: { most: usual, body: ({ code, message }) => ({ code, message }) },
};

export class EventBook {
  readonly #unsaved = new Unsaved<NewEvent>();
  readonly #noted = new Map<EventName, number>();

  note<Name extends EventName>(event: Name, payload: EventMap[Name]): void {
    const how: Kept[Name] = kept[event];
    if (how === undefined) return;
    const noted = this.#noted.get(event) ?? 0;
    if (noted >= how.most) return;
    this.#noted.set(event, noted + 1);
    this.#unsaved.add({ at: new Date(), event, body: how.body(payload) });
  }

  async save(session: Session, id: number): Promise<void> {
    await this.#unsaved.save((events) => appendEvents(session, id, events));
  }
}
