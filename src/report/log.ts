/** Events as log records (pino). The messages are for grep, the fields for machines. */
import type { Logger } from 'pino';
import type { EventListener, MigrationEvent } from '../model/event.js';

type Level = 'debug' | 'info' | 'warn';

/** What every run has is debug, what happens once is info, what somebody should look at is warn. */
function levelOf(event: MigrationEvent): Level {
  switch (event.event) {
    case 'warning':
    case 'copy:restarted':
    case 'source:followed':
    case 'run:retrying':
    case 'lock:blocker':
      return 'warn';
    case 'copy:progress':
    case 'apply:progress':
    case 'index:progress':
    case 'verify:progress':
    case 'slot:progress':
    case 'cutover:try':
    case 'lock:taken':
      return 'debug';
    default:
      return 'info';
  }
}

export function logReporter(logger: Logger): EventListener {
  return (event) =>
    logger[levelOf(event)](fieldsOf(event), event.event === 'warning' ? event.message : event.event);
}

function fieldsOf(event: MigrationEvent): Record<string, unknown> {
  if (event.event === 'plan:ready') return { event: event.event, id: event.id, verdict: event.plan.verdict };
  if (event.event === 'warning') return { event: event.event, id: event.id, code: event.code };
  const { at: _, ...fields } = event;
  return fields;
}
