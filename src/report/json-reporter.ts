/** `run --json`: every event is a line. */
import type { MigrationEvent } from './events.js';
import { eventLine } from './json-lines.js';
import type { Reporter } from './reporter.js';

/**
 * A run tells its migration's id first, but the plan is made before there is one: the plan's line waits for the event
 * after it, and carries that one's id.
 */
export function jsonReporter(write: (line: string) => void): Reporter {
  let held: Extract<MigrationEvent, { event: 'plan:ready' }> | null = null;
  const release = (id: number | null): void => {
    if (held !== null) write(eventLine({ ...held, id: held.id ?? id }));
    held = null;
  };
  return {
    listener(event) {
      if (event.event === 'plan:ready') {
        held = event;
        return;
      }
      release(event.id);
      write(eventLine(event));
    },
    above: (work) => work(),
    close: () => release(null),
  };
}
