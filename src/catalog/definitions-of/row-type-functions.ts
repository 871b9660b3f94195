/**
 * Functions and procedures with the table's row type in their signature (computed fields, `RETURNS SETOF orders`). They are bound to
 * the type's OID: the new table has another one, so they can only be dropped and made again, with what is bound to them.
 */
import type { Session } from '../../db/session.js';
import { catalogQuery } from '../catalog-query.js';
import { grantsJsonSql } from '../acl-sql.js';
import type { RowTypeFunction } from '../../model/definitions.js';
import { extensionMarksSql, namedObjectsSql, notOfExtension } from './pieces-sql.js';

type Row = RowTypeFunction & { readonly calls: readonly number[] };

/** @param carried OIDs of the views over the table and of the functions with an SQL body, which give way by themselves */
export async function readRowTypeFunctions(
  session: Session,
  tableOid: number,
  carried: { readonly views: readonly number[]; readonly functions: readonly number[] },
): Promise<RowTypeFunction[]> {
  const rows = await session.rows<Row>(
    catalogQuery(rowTypeFunctionsSql, [tableOid, carried.views, carried.functions]),
  );
  return calledFirst(rows).map(({ calls: _, ...fn }) => fn);
}

function calledFirst(rows: readonly Row[]): Row[] {
  const done = new Set<number>();
  const ordered: Row[] = [];
  let waiting = [...rows];
  while (waiting.length > 0) {
    const next = waiting.find(({ calls }) => calls.every((oid) => done.has(oid))) ?? waiting[0];
    if (next === undefined) break;
    done.add(next.oid);
    ordered.push(next);
    waiting = waiting.filter((row) => row !== next);
  }
  return ordered;
}

const rowTypeFunctionsSql = `
  with own (oid) as (
    select t.oid
    from pg_class as c
    join pg_type as rt on rt.oid = c.reltype
    join pg_type as t on t.oid in (rt.oid, rt.typarray)
    where c.oid = $1
  ),
  fn as (
    select p.*
    from pg_proc as p
    where p.prokind in ('f', 'p', 'w')
      and array[p.prorettype] || p.proargtypes::oid[] || coalesce(p.proallargtypes, '{}') && array(select oid from own)
      and ${notOfExtension('pg_proc', 'p.oid')}
  ),
  own_parts (classid, objid) as (
    select 'pg_constraint'::regclass::oid, con.oid from pg_constraint as con where con.conrelid = $1
    union all
    select 'pg_attrdef'::regclass, x.oid from pg_attrdef as x where x.adrelid = $1
    union all
    select 'pg_class'::regclass, i.indexrelid from pg_index as i where i.indrelid = $1
    union all
    select 'pg_statistic_ext'::regclass, s.oid from pg_statistic_ext as s where s.stxrelid = $1
  ),
  used as (
    select d.refobjid as fn, d.classid, d.objid, d.objsubid, r.ev_class, r.rulename
    from pg_depend as d
    left join pg_rewrite as r on d.classid = 'pg_rewrite'::regclass and r.oid = d.objid
    where d.refclassid = 'pg_proc'::regclass
      and d.refobjid in (select oid from fn)
      and d.deptype in ('n', 'a', 'i')
  )
  select
    p.oid,
    json_build_object('schema', n.nspname, 'name', p.proname) as name,
    case p.prokind when 'p' then 'procedure' else 'function' end as kind,
    p.oid::regprocedure::text as signature,
    pg_get_userbyid(p.proowner)::text as owner,
    rtrim(pg_get_functiondef(p.oid), E'; \\n') as definition,
    p.prosqlbody is not null as "hasSqlBody",
    p.proargtypes::oid[] && array(select oid from own) as "takesRow",
    case when p.proacl is not null then ${grantsJsonSql('p.proacl', 'f', 'p.proowner')} end as grants,
    obj_description(p.oid, 'pg_proc') as comment,
    ${extensionMarksSql('pg_proc', 'p.oid')} as extensions,
    coalesce(
      (select json_agg(json_build_object('provider', l.provider, 'label', l.label) order by l.provider)
       from pg_seclabel as l
       where l.classoid = 'pg_proc'::regclass and l.objoid = p.oid),
      '[]'
    ) as labels,
    array(
      select distinct u.ev_class::int8
      from used as u
      where u.fn = p.oid and u.rulename = '_RETURN' and u.ev_class = any ($2::oid[])
      order by 1
    )::oid[] as views,
    ${namedObjectsSql(`
      select distinct part.classid::regclass::text, part.objid, 0, pg_describe_object(part.classid, part.objid, 0)
      from own_parts as part
      join pg_depend as d on d.classid = part.classid and d.objid = part.objid
      left join pg_operator as o on d.refclassid = 'pg_operator'::regclass and o.oid = d.refobjid
      where d.refclassid = 'pg_proc'::regclass and d.refobjid = p.oid or o.oprcode = p.oid`)} as "ownParts",
    ${namedObjectsSql(`
      select distinct u.classid::regclass::text, u.objid, u.objsubid, pg_describe_object(u.classid, u.objid, u.objsubid)
      from used as u
      where u.fn = p.oid
        and not coalesce(u.rulename = '_RETURN' and u.ev_class = any ($2::oid[]), false)
        and not (
          u.classid = 'pg_proc'::regclass
          and (u.objid = any ($3::oid[]) or u.objid in (select oid from fn))
        )`)} as users,
    array(
      select distinct d.refobjid::int8
      from pg_depend as d
      where d.classid = 'pg_proc'::regclass
        and d.objid = p.oid
        and d.refclassid = 'pg_proc'::regclass
        and d.refobjid in (select oid from fn)
        and d.refobjid <> p.oid
      order by 1
    )::oid[] as calls
  from fn as p
  join pg_namespace as n on n.oid = p.pronamespace
  order by p.oid::regprocedure::text collate "C"`;
