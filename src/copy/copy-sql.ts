/** SQL of the copy. */
import type { RowRange } from '../pieces/row-range.js';
import { withinRows } from '../pieces/row-range-sql.js';
import { fragment, param, toQuery } from '../sql/fragment.js';
import { projectedColumns, projectionFragment } from '../sql/projection-sql.js';
import { ident, identList, qualified, type SqlQuery } from '../sql/quote.js';
import type { CopyStream } from './copy-plan.js';

/**
 * For a chunk's transaction: JIT would compile the projection anew for every chunk, and a role that has TID scans turned
 * off would read the whole table for each.
 */
export const copySettings: Readonly<Record<string, string>> = { jit: 'off', enable_tidscan: 'on' };

/** Rows in a range of the source into the shadow; one statement is one snapshot. */
export function copyRowsSql(plan: CopyStream, range: RowRange): SqlQuery {
  const rows = projectionFragment(plan.projection, {
    from: `only ${qualified(plan.from)}`,
    where: withinRows('ctid', range, '\nand '),
  });
  // OVERRIDING SYSTEM VALUE: GENERATED ALWAYS AS IDENTITY columns get the source's values too.
  return toQuery(fragment`
    insert into ${qualified(plan.to)} (${identList(projectedColumns(plan.projection))})
    overriding system value
    ${rows}`);
}

/** Before the check of the source: what was checked stays so until the chunk is committed (invariant 12). */
export function lockSourceSql(plan: CopyStream): string {
  return `lock table only ${qualified(plan.from)} in access share mode`;
}

/** The key of the row at a position, as text; no row when there is none. */
export function keyAtSql(plan: CopyStream, position: string): SqlQuery {
  const columns = plan.key.columns.map((column, index) => `${ident(column.name)}::text as k${index + 1}`);
  return toQuery(fragment`
    select ${columns.join(', ')}
    from only ${qualified(plan.from)}
    where ctid = ${param(position)}::tid`);
}
