/** What domains are made of. */
import type { Session } from '../db/session.js';

/**
 * @param types as `format_type` writes them under an empty `search_path`
 * @returns for each that is a domain the type at its bottom, for any other itself
 */
export async function readBaseTypes(
  session: Session,
  types: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const rows = await session.rows<{ type: string; base: string }>({
    text: `
      with recursive base (type, oid, name) as (
        select given, to_regtype(given)::oid, given
        from unnest($1::text[]) as given
        union all
        select base.type, t.typbasetype, format_type(t.typbasetype, t.typtypmod)
        from base
        join pg_type as t on t.oid = base.oid and t.typtype = 'd'
      )
      select base.type, base.name as base
      from base
      left join pg_type as t on t.oid = base.oid
      where t.typtype is distinct from 'd'`,
    values: [[...new Set(types)]],
  });
  return new Map(rows.map(({ type, base }) => [type, base]));
}
