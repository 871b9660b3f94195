/**
 * That no write was lost: the table has what its mirror has, row by row. Of two kinds: by content alone, for whatever was
 * done to the table, and by key, which counts, for a table of millions of rows.
 */
import type pg from 'pg';

export interface MirrorDifference {
  readonly side: 'only in the table' | 'only in the mirror';
  readonly row: string;
}

/** Of each side. */
const shown = 5;

/**
 * Rows of one that the other has not, or has less often; none when every write is there. Compared as text, every digit of
 * it, because not every type can be compared.
 *
 * @param actual select of the table
 * @param expected select of the mirror, with the columns as the table must have them
 */
export async function differences(
  client: Pick<pg.Client, 'query'>,
  actual: string,
  expected: string,
): Promise<MirrorDifference[]> {
  const rows = (select: string): string => `select compared::text as row from (${select}) as compared`;
  const { rows: found } = await client.query<MirrorDifference>(`
    (select 'only in the table' as side, row from (${rows(actual)} except all ${rows(expected)}) as x limit ${shown})
    union all
    (select 'only in the mirror', row from (${rows(expected)} except all ${rows(actual)}) as x limit ${shown})`);
  return found;
}

/** How many rows are only in the mirror (`lost`), only in the table (`extra`), or in both but not the same (`different`). */
export function countDifferencesSql(table: string, mirror: string, key: string): string {
  return `
    select count(*) filter (where t.${key} is null) as lost,
           count(*) filter (where m.${key} is null) as extra,
           count(*) filter (where t.${key} is not null and m.${key} is not null) as different
    from ${table} as t
    full join ${mirror} as m on m.${key} = t.${key}
    where row(t.*) is distinct from row(m.*)`;
}
