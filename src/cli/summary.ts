/** The end of a run for people: what was done, what it cost, where the old table is, what comes next. Pure. */
import type { MigrationResult } from '../migration/types.js';
import type { EventListener } from '../report/events.js';
import { counted, duration, milliseconds } from '../report/format.js';
import type { Look } from '../report/paint.js';

/** What the locks of a run cost the application, as they are told. */
export class LockCost {
  /** Blocked backends x milliseconds. */
  blockedMs = 0;

  readonly listener: EventListener = (event) => {
    if (event.event === 'lock:taken') this.blockedMs += event.blockedMs;
  };
}

/** @param blockedMs what the locks cost; see `LockCost` */
export function summaryLines(result: MigrationResult, { paint, symbols }: Look, blockedMs = 0): string[] {
  const { id, table, native, rows, seconds, holdMs, old } = result;
  const done = `${paint('green', symbols.done)} ${paint('bold', table)}`;
  if (native || id === null) {
    return [`${done} changed by ALTER TABLE in ${duration(seconds)}, lock held ${milliseconds(holdMs)}`];
  }
  return [
    `${done} has its new shape: ${counted(rows, 'row')} in ${duration(seconds)}, lock held ${milliseconds(holdMs)}`,
    `  this change cost the application ${(blockedMs / 1000).toFixed(2)} blocked-backend-seconds`,
    ...(old === null ? [] : [`  the old table is kept as ${paint('bold', old)}`]),
    `  next: ${paint('bold', `pg-ghost finalize ${id}`)} drops it, once nobody needs it any more`,
  ];
}
