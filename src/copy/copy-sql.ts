/** SQL of the copy. */
import { projectedColumns, projectionSql } from '../sql/projection-sql.js';
import { ident, identList, qualified, sql, type SqlQuery } from '../sql/quote.js';
import { tid, type RowRange } from '../pieces/row-range.js';
import type { CopyPlan } from './copy-plan.js';

/**
 * For a chunk's transaction: JIT would compile the projection anew for every chunk, and a role that has TID scans turned
 * off would read the whole table for each.
 */
export const copySettings: Readonly<Record<string, string>> = { jit: 'off', enable_tidscan: 'on' };

/**
 * Rows in a range of the source into the shadow; one statement is one snapshot.
 * A `Tid Range Scan`: https://www.postgresql.org/docs/current/release-14.html
 */
export function copyRowsSql(plan: CopyPlan, range: RowRange): SqlQuery {
  const rows = projectionSql(plan.projection, {
    from: `only ${qualified(plan.from)}`,
    where:
      'ctid OPERATOR(pg_catalog.>=) $1::pg_catalog.tid\nand ctid OPERATOR(pg_catalog.<) $2::pg_catalog.tid',
  });
  return {
    // OVERRIDING SYSTEM VALUE: GENERATED ALWAYS AS IDENTITY columns get the source's values too.
    text: sql`
      insert into ${qualified(plan.to)} (${identList(projectedColumns(plan.projection))})
      overriding system value
      ${rows}`,
    values: [tid(range.from), tid(range.to)],
  };
}

/** Before the check of the source: what was checked stays so until the chunk is committed (invariant 12). */
export function lockSourceSql(plan: CopyPlan): string {
  return `lock table only ${qualified(plan.from)} in access share mode`;
}

/** The key of the row at a position, as text; no row when there is none. */
export function keyAtSql(plan: CopyPlan, position: string): SqlQuery {
  const columns = plan.key.columns.map((column, index) => `${ident(column.name)}::text as k${index + 1}`);
  return {
    text: sql`
      select ${columns.join(', ')}
      from only ${qualified(plan.from)}
      where ctid = $1::tid`,
    values: [position],
  };
}
