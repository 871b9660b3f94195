/** The end of a run for people: what was done, what it cost, where the old table is, what comes next. Pure. */
import type { MigrationResult } from '../migration/types.js';
import { counted, duration, milliseconds } from '../report/format.js';
import type { Look } from '../report/paint.js';

export function summaryLines(result: MigrationResult, { paint, symbols }: Look): string[] {
  const { id, table, native, rows, seconds, holdMs, old } = result;
  const done = `${paint('green', symbols.done)} ${paint('bold', table)}`;
  if (native || id === null) {
    return [`${done} changed by ALTER TABLE in ${duration(seconds)}, lock held ${milliseconds(holdMs)}`];
  }
  return [
    `${done} has its new shape: ${counted(rows, 'row')} in ${duration(seconds)}, lock held ${milliseconds(holdMs)}`,
    ...(old === null ? [] : [`  the old table is kept as ${paint('bold', old)}`]),
    `  next: ${paint('bold', `pg-ghost finalize ${id}`)} drops it, once nobody needs it any more`,
  ];
}
