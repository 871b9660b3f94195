/** Tables that the request's own foreign keys reference, and what stands for them beside a clone: nothing of theirs is locked. */
import { withDeparseSettings } from '../../../catalog/deparse-settings.js';
import type { Session } from '../../../db/session.js';
import { RefusedError } from '../../../errors.js';
import { ident, qualified, sql } from '../../../sql/quote.js';
import type { QualifiedName } from '../../../model/name.js';
import type { RelationReference } from '../../../sql/retarget.js';

export interface ReferencedTable {
  readonly oid: number;
  readonly name: QualifiedName;
  readonly partitioned: boolean;
  readonly unlogged: boolean;
  /** Those of its keys; NOT NULL comes with the primary key. */
  readonly columns: readonly { readonly name: string; readonly definition: string }[];
  /** What a foreign key can reference: `PRIMARY KEY (id)`, as PostgreSQL prints it. */
  readonly keys: readonly string[];
}

/** By `referenceKey`; what does not exist, or is no table, is left out: PostgreSQL says so. */
export type ReferencedTables = ReadonlyMap<string, ReferencedTable>;

export function referenceKey({ schema, name }: RelationReference): string {
  return JSON.stringify([schema ?? null, name]);
}

/** @throws RefusedError for a system catalog, as PostgreSQL does */
export async function readReferencedTables(
  session: Session,
  references: readonly RelationReference[],
): Promise<ReferencedTables> {
  if (references.length === 0) return new Map();
  const wanted = references.map(({ schema, name }) => ({ schema: schema ?? null, name }));
  const found = await session.asUser(() =>
    session.rows<{ position: number; oid: number }>({ text: resolveSql, values: [JSON.stringify(wanted)] }),
  );
  const rows = await withDeparseSettings(session, () =>
    session.rows<ReferencedTable & { isCatalog: boolean }>({
      text: tablesSql,
      values: [found.map(({ oid }) => oid)],
    }),
  );
  const catalog = rows.find(({ isCatalog }) => isCatalog);
  if (catalog !== undefined) {
    const message = `permission denied: "${catalog.name.name}" is a system catalog`;
    throw new RefusedError([{ code: 'rejected-by-server', message }]);
  }
  return new Map(
    references.flatMap((reference, index) => {
      const oid = found.find(({ position }) => position === index + 1)?.oid;
      const table = rows.find((row) => row.oid === oid);
      return table === undefined ? [] : [[referenceKey(reference), table] as const];
    }),
  );
}

/** An empty table with its keys, as lasting as it is. */
export function createStandIn(name: QualifiedName, { unlogged, columns, keys }: ReferencedTable): string {
  const parts = [...columns.map((column) => `${ident(column.name)} ${column.definition}`), ...keys];
  return `create ${unlogged ? 'unlogged ' : ''}table ${qualified(name)} (${parts.join(', ')})`;
}

/** Under the user's settings, so with nothing but qualified names. A role need not have USAGE on a schema to be told what it lacks. */
const resolveSql = `
  select t.position::pg_catalog.int4 as position, coalesce(
    case when t.schema is null then pg_catalog.to_regclass(pg_catalog.quote_ident(t.name))::pg_catalog.oid end,
    (
      select c.oid
      from pg_catalog.pg_class as c
      join pg_catalog.pg_namespace as n on n.oid OPERATOR(pg_catalog.=) c.relnamespace
      where n.nspname OPERATOR(pg_catalog.=) t.schema::pg_catalog.name
        and c.relname OPERATOR(pg_catalog.=) t.name::pg_catalog.name
    )
  ) as oid
  from rows from (
    pg_catalog.jsonb_to_recordset($1::pg_catalog.jsonb) as (schema pg_catalog.text, name pg_catalog.text)
  ) with ordinality as t (schema, name, position)`;

const keyIndexes = `
  from pg_index as i
  left join pg_constraint as con on con.conindid = i.indexrelid and con.contype in ('p', 'u')
  where i.indrelid = c.oid
    and i.indisunique
    and i.indisvalid
    and i.indpred is null
    and i.indexprs is null`;

const tablesSql = sql`
  select
    c.oid,
    json_build_object('schema', n.nspname, 'name', c.relname) as name,
    c.relkind = 'p' as partitioned,
    c.relpersistence <> 'p' as unlogged,
    c.oid < 16384 and n.nspname = 'pg_catalog' as "isCatalog",
    (
      select coalesce(json_agg(json_build_object(
        'name', a.attname,
        'definition', format_type(a.atttypid, a.atttypmod) || coalesce(' collate ' || (
          select quote_ident(cn.nspname) || '.' || quote_ident(co.collname)
          from pg_collation as co
          join pg_namespace as cn on cn.oid = co.collnamespace
          where co.oid = a.attcollation and a.attcollation <> ty.typcollation
        ), '')
      ) order by a.attnum), '[]')
      from pg_attribute as a
      join pg_type as ty on ty.oid = a.atttypid
      where a.attrelid = c.oid
        and a.attnum in (select unnest(i.indkey::int2[]) ${keyIndexes})
    ) as columns,
    (
      select coalesce(json_agg(
        case
          when con.oid is not null then pg_get_constraintdef(con.oid)
          else 'UNIQUE (' || (
            select string_agg(quote_ident(a.attname), ', ' order by k.position)
            from unnest(i.indkey::int2[]) with ordinality as k (attnum, position)
            join pg_attribute as a on a.attrelid = c.oid and a.attnum = k.attnum
            where k.position <= i.indnkeyatts
          ) || ')'
        end order by i.indisprimary desc, i.indexrelid
      ), '[]')
      ${keyIndexes}
    ) as keys
  from pg_class as c
  join pg_namespace as n on n.oid = c.relnamespace
  where c.oid = any ($1::oid[])
    and c.relkind in ('r', 'p')`;
