/** The end of a run for people: what was done, what it cost, where the old table is, what comes next. Pure. */
import { summarizeLedger } from '../locks/ledger.js';
import type { CommonOptions } from '../run/run-options.js';
import type { MigrationResult } from '../api/migrate.js';
import type { EventListener } from '../model/event.js';
import { counted, duration, milliseconds } from '../report/format.js';
import type { Look } from '../report/paint.js';
import type { Library } from './invocation.js';

/** What the locks of a run cost the application, as they are told. */
export class LockCost {
  /** Blocked backends x milliseconds. */
  blockedMs = 0;

  readonly listener: EventListener = (event) => {
    if (event.event === 'lock:taken') this.blockedMs += event.blockedMs;
  };
}

/** Of all runs of the migration: an earlier one, which did not come to its end, may have cost more than this one. */
export async function wholeCostMs(
  library: Library,
  options: CommonOptions,
  id: number | null,
  own: LockCost,
): Promise<number> {
  if (id === null) return own.blockedMs;
  try {
    const [migration] = await library.status(options, id);
    const { blockedBackendSeconds } = summarizeLedger(migration?.locks ?? []);
    return Math.max(own.blockedMs, blockedBackendSeconds * 1000);
  } catch {
    // The change is made: what it cost is not worth a failure.
    return own.blockedMs;
  }
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
    ...(result.plan.verdict === 'copy' && result.plan.back?.way != null
      ? [`  what is written from now on comes back with it: ${paint('bold', `pg-ghost rollback ${id}`)}`]
      : []),
    `  next: ${paint('bold', `pg-ghost finalize ${id}`)} drops it, once nobody needs it any more`,
  ];
}
