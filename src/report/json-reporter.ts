/** `run --json`: every event is a line, progress no more than one a second. */
import type { EventName, MigrationEvent } from '../model/event.js';
import { eventLine } from './json-lines.js';
import type { Reporter } from './reporter.js';

/** A chunk may take 10 ms and a run a day; nobody reads progress by the millisecond. */
const progressEveryMs = 1000;

const progressEvents: ReadonlySet<EventName> = new Set([
  'copy:progress',
  'index:progress',
  'apply:progress',
  'verify:progress',
]);

/**
 * Progress that was left out is told before the next event of another kind, so that the last figures of a phase are
 * there.
 *
 * A run tells its migration's id first, but the plan is made before there is one: the plan's line waits for the event
 * after it, and carries that one's id.
 */
export function jsonReporter(write: (line: string) => void): Reporter {
  let plan: MigrationEvent | null = null;
  let progress: MigrationEvent | null = null;
  let toldAt = -Infinity;
  const release = (id: number | null): void => {
    if (plan !== null) write(eventLine({ ...plan, id: plan.id ?? id }));
    if (progress !== null) write(eventLine(progress));
    plan = null;
    progress = null;
  };
  return {
    listener(event) {
      if (event.event === 'plan:ready') {
        plan = event;
        return;
      }
      const now = event.at.getTime();
      if (progressEvents.has(event.event)) {
        if (progress !== null && progress.event !== event.event) release(event.id);
        if (now - toldAt < progressEveryMs) {
          progress = event;
          return;
        }
        // What was left out before is older than this.
        progress = null;
        toldAt = now;
      }
      release(event.id);
      write(eventLine(event));
    },
    above: (work) => work(),
    close: () => release(null),
  };
}
