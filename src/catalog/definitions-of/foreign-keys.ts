/** Foreign keys of a table and to it, in all their properties: they are made anew from these, not from their text. */
import type { Session } from '../../db/session.js';
import type { ForeignKey } from '../../model/definitions.js';
import { catalogQuery } from '../catalog-query.js';
import { nameJson } from './pieces-sql.js';

/** To other tables, and to itself. */
export async function readForeignKeysOut(session: Session, tableOid: number): Promise<ForeignKey[]> {
  return await session.rows<ForeignKey>(catalogQuery(foreignKeysSql('con.conrelid = $1'), [tableOid]));
}

/** Of other tables. */
export async function readForeignKeysIn(session: Session, tableOid: number): Promise<ForeignKey[]> {
  return await session.rows<ForeignKey>(
    catalogQuery(foreignKeysSql('con.confrelid = $1 and con.conrelid <> $1'), [tableOid]),
  );
}

const columnsSql = (relation: string, numbers: string, what: string): string => `
  array(
    select ${what}
    from unnest(${numbers}) with ordinality as k (attnum, position)
    join pg_attribute as a on a.attrelid = ${relation} and a.attnum = k.attnum
    order by k.position
  )`;
const nameSql = 'a.attname::text';
const typeSql = 'format_type(a.atttypid, a.atttypmod)';
const collationSql = `
  (
    select quote_ident(cn.nspname) || '.' || quote_ident(co.collname)
    from pg_type as ty, pg_collation as co
    join pg_namespace as cn on cn.oid = co.collnamespace
    where ty.oid = a.atttypid and co.oid = a.attcollation and a.attcollation <> ty.typcollation
  )`;

const actionSql = (column: string): string =>
  `case ${column} when 'r' then 'restrict' when 'c' then 'cascade' when 'n' then 'set null' when 'd' then 'set default'
     else 'no action' end`;

// confdelsetcols exists from 15 on, conenforced and conperiod from 18; a row as JSON has what the server has.
const foreignKeysSql = (condition: string): string => `
  select
    con.oid,
    con.conname::text as name,
    con.conrelid as "tableOid",
    ${nameJson('n', 'c')} as table,
    pg_get_userbyid(c.relowner)::text as "tableOwner",
    c.relkind = 'p' as partitioned,
    ${columnsSql('con.conrelid', 'con.conkey', nameSql)} as columns,
    ${columnsSql('con.conrelid', 'con.conkey', typeSql)} as "columnTypes",
    ${columnsSql('con.conrelid', 'con.conkey', collationSql)} as "columnCollations",
    c.relpersistence = 'u' as "tableUnlogged",
    con.confrelid as "referencesOid",
    ${nameJson('rn', 'rc')} as references,
    rc.relkind = 'p' as "referencesPartitioned",
    ${columnsSql('con.confrelid', 'con.confkey', nameSql)} as "referencedColumns",
    ${columnsSql('con.confrelid', 'con.confkey', typeSql)} as "referencedTypes",
    ${columnsSql('con.confrelid', 'con.confkey', collationSql)} as "referencedCollations",
    rc.relpersistence = 'u' as "referencesUnlogged",
    coalesce((facts ->> 'conperiod')::boolean, false) as period,
    case con.confmatchtype when 'f' then 'full' else 'simple' end as match,
    ${actionSql('con.confupdtype')} as "onUpdate",
    ${actionSql('con.confdeltype')} as "onDelete",
    ${columnsSql(
      'con.conrelid',
      `array(select e::int2 from jsonb_array_elements_text(
         case jsonb_typeof(facts -> 'confdelsetcols') when 'array' then facts -> 'confdelsetcols' else '[]' end
       ) as e)`,
      nameSql,
    )} as "setColumns",
    con.condeferrable as deferrable,
    con.condeferred as "initiallyDeferred",
    con.convalidated as validated,
    coalesce((facts ->> 'conenforced')::boolean, true) as enforced,
    obj_description(con.oid, 'pg_constraint') as comment,
    exists (select from pg_trigger as tg where tg.tgconstraint = con.oid and tg.tgenabled <> 'O') as disabled
  from pg_constraint as con
  cross join lateral to_jsonb(con) as facts
  join pg_class as c on c.oid = con.conrelid
  join pg_namespace as n on n.oid = c.relnamespace
  join pg_class as rc on rc.oid = con.confrelid
  join pg_namespace as rn on rn.oid = rc.relnamespace
  where con.contype = 'f'
    and con.conparentid = 0
    and ${condition}
  order by n.nspname collate "C", c.relname collate "C", con.conname collate "C"`;
