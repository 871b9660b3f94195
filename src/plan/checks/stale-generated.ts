/**
 * Stored generated columns whose function was replaced since: ALTER TABLE keeps the values that are stored, and a copy computes
 * them anew, since nothing can be inserted into a generated column. A part of the rows is looked at here, and all of
 * them when the tables are compared.
 */
import type { TableShape } from '../../model/table-shape.js';
import type { Session } from '../../db/session.js';
import type { Refusal } from '../../errors.js';
import { onAnyPath } from '../../sql/any-path.js';
import { displayName, ident, qualified, sql, type SqlQuery } from '../../sql/quote.js';
import type { ColumnMapping } from '../../model/column-mapping.js';
import { isSampledSql, sampleEnds, tryLook } from './sample.js';

/** Names of the source's stored generated columns in which a row holds something else than its expression gives now. */
export async function findStaleGenerated(
  session: Session,
  source: TableShape,
  blocks: number,
): Promise<string[]> {
  const stale: string[] = [];
  for (const { name, generated, default: expression } of source.columns) {
    if (generated !== 'stored' || expression === null) continue;
    if (await isStale(session, staleRowSql(source, { name, expression }, blocks))) stale.push(name);
  }
  return stale;
}

async function isStale(session: Session, query: SqlQuery): Promise<boolean> {
  // Where the look fails, what the copy and the comparison will say is more than this.
  const rows = await tryLook(session, () => session.asUser(() => session.rows(query)));
  return rows !== null && rows.length > 0;
}

function staleRowSql(
  source: TableShape,
  { name, expression }: { readonly name: string; readonly expression: string },
  blocks: number,
): SqlQuery {
  return {
    text: sql`
      select
      from (
        select ${ident(name)}::pg_catalog.text as stored, (${onAnyPath(expression)})::pg_catalog.text as computed
        from only ${qualified(source.name)}
        where ${isSampledSql}
      ) as sample
      where not coalesce(stored operator(pg_catalog.=) computed, stored is null and computed is null)
      limit 1`,
    values: sampleEnds(blocks),
  };
}

export function checkStaleGenerated(
  source: TableShape,
  stale: readonly string[],
  columns: readonly ColumnMapping[],
): Refusal[] {
  return columns.flatMap(({ source: name, keepsValues }) =>
    keepsValues === true && name !== null && stale.includes(name)
      ? [
          {
            code: 'generated-stale',
            message: `generated column ${name} holds values in ${displayName(source.name)} that its expression does not give any more (a function in it was replaced): ALTER TABLE would keep them, and a copy computes them anew`,
            hint: `bring the stored values up to date first, batch by batch (any UPDATE of a row computes them anew), or make it a plain column: ALTER COLUMN ${ident(name)} DROP EXPRESSION`,
          },
        ]
      : [],
  );
}
