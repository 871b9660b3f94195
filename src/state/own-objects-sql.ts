/** Queries for `readOwnObjects`. */
import { sql, type SqlQuery } from '../sql/quote.js';
import { isMarkSql, isSlotOfSql, markPartsSql, slotPartsSql } from '../sql/marks.js';

/**
 * Every object that carries a mark: what it is, the OID, and the parts of the mark. By the index those of PostgreSQL's own objects
 * are left out, thousands of which have a comment: only these have OIDs below. The comparison with its beginning leaves few of the
 * others for the regular expression.
 */
const marked = sql`
  select d.classoid, d.objoid, part[1]::int as id, part[2] as role, part[3] as identity
  from pg_description as d
  cross join lateral ${markPartsSql('d.description')} as part
  where d.objoid >= 16384
    and d.objsubid = 0
    and ${isMarkSql('d.description')}
    and d.classoid in (
      'pg_namespace'::regclass, 'pg_class'::regclass, 'pg_type'::regclass, 'pg_proc'::regclass, 'pg_publication'::regclass
    )
    and part is not null`;

/**
 * What carries the mark of one migration, schemas also by their recorded OIDs, and the triggers that run its functions,
 * whatever they are called and wherever they are.
 */
export function ownObjectsSql(
  identity: string,
  schemaOids: { readonly shadow: readonly number[]; readonly old: readonly number[] },
): SqlQuery {
  return {
    text: sql`
      with mark as (
        ${marked}
      )
      select 'schema' as kind, n.oid, null as schema, n.nspname::text as name,
        case when n.oid = any ($2::oid[]) or mark.role = 'shadow' then 'shadow' else 'old table' end as role,
        null::oid as "tableOid", null as "tableSchema", null as "tableName"
      from pg_namespace as n
      left join mark
        on mark.classoid = 'pg_namespace'::regclass and mark.objoid = n.oid and mark.identity = $1
      where mark.objoid is not null or n.oid = any ($2::oid[] || $3::oid[])
      union all
      select 'function', p.oid, n.nspname, p.proname, mark.role, null, null, null
      from mark
      join pg_proc as p on mark.classoid = 'pg_proc'::regclass and p.oid = mark.objoid
      join pg_namespace as n on n.oid = p.pronamespace
      where mark.identity = $1
      union all
      select 'table', c.oid, n.nspname, c.relname, mark.role, null, null, null
      from mark
      join pg_class as c on mark.classoid = 'pg_class'::regclass and c.oid = mark.objoid and c.relkind = 'r'
      join pg_namespace as n on n.oid = c.relnamespace
      where mark.identity = $1
      union all
      select 'type', t.oid, n.nspname, t.typname, mark.role, null, null, null
      from mark
      join pg_type as t on mark.classoid = 'pg_type'::regclass and t.oid = mark.objoid
      join pg_namespace as n on n.oid = t.typnamespace
      where mark.identity = $1
      union all
      select 'trigger', tg.oid, null, tg.tgname, mark.role, c.oid, n.nspname, c.relname
      from mark
      join pg_trigger as tg on mark.classoid = 'pg_proc'::regclass and tg.tgfoid = mark.objoid
      join pg_class as c on c.oid = tg.tgrelid
      join pg_namespace as n on n.oid = c.relnamespace
      where mark.identity = $1 and tg.tgparentid = 0
      union all
      select 'publication', p.oid, null, p.pubname, 'capture', c.oid, n.nspname, c.relname
      from mark
      join pg_publication as p on mark.classoid = 'pg_publication'::regclass and p.oid = mark.objoid
      left join pg_publication_rel as pr on pr.prpubid = p.oid
      left join pg_class as c on c.oid = pr.prrelid
      left join pg_namespace as n on n.oid = c.relnamespace
      where mark.identity = $1
      union all
      select 'slot', null, null, s.slot_name, 'capture', null, null, null
      from pg_replication_slots as s
      where s.database = current_database() and ${isSlotOfSql('s.slot_name::text', '$1')}
      order by kind, name`,
    values: [identity, schemaOids.shadow, schemaOids.old],
  };
}

/** Migrations by the marks that are there, whether or not the state knows of them. */
export const markedMigrationsSql = sql`
  with mark as (
    ${marked}
  )
  select distinct id, identity from mark order by id, identity`;

/** The same by the names of slots of this database. */
export const slotMigrationsSql = sql`
  select s.slot_name::text as slot, s.active, part[1]::int as id, part[2] as identity
  from pg_replication_slots as s
  cross join lateral ${slotPartsSql('s.slot_name::text')} as slot_part (part)
  where s.database = current_database() and s.slot_type = 'logical' and part is not null
  order by s.slot_name`;

/** Which migrations capture writes to a table, by the marks of the functions that its triggers run, and of its publications. */
export function capturesOfSql(tableOid: number): SqlQuery {
  return {
    text: sql`
      with part as (
        select ${markPartsSql(`obj_description(tg.tgfoid, 'pg_proc')`)} as mark, tg.tgname::text as trigger, null as publication
        from pg_trigger as tg
        where tg.tgrelid = $1 and not tg.tgisinternal
        union all
        select ${markPartsSql(`obj_description(p.oid, 'pg_publication')`)}, null, p.pubname::text
        from pg_publication_rel as pr
        join pg_publication as p on p.oid = pr.prpubid
        where pr.prrelid = $1
      )
      select mark[1]::int as id, mark[3] as identity,
        coalesce(array_agg(trigger order by trigger) filter (where trigger is not null), '{}') as triggers,
        coalesce(array_agg(publication order by publication) filter (where publication is not null), '{}') as publications
      from part
      where mark is not null
      group by 1, 2
      order by 1, 2`,
    values: [tableOid],
  };
}
