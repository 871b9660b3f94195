/** Views and materialized views over a table, directly or through others, each after those that it reads. */
import type { Session } from '../../db/session.js';
import { catalogQuery } from '../catalog-query.js';
import { grantsJsonSql } from '../acl-sql.js';
import type { View } from '../../model/definitions.js';
import { readIndexes } from '../indexes.js';
import { namedObjectsSql, nameJson } from './pieces-sql.js';
import { readRules } from './rules.js';
import { readTriggers } from './triggers.js';

type ViewRow = Omit<View, 'triggers' | 'rules' | 'indexes'>;

export async function readViews(session: Session, tableOid: number): Promise<View[]> {
  const rows = await session.rows<ViewRow>(catalogQuery(viewsSql, [tableOid]));
  if (rows.length === 0) return [];
  const oids = rows.map(({ oid }) => oid);
  const triggers = await readTriggers(session, oids);
  const rules = await readRules(session, oids);
  const onView = <T extends { readonly table: View['name'] }>(list: readonly T[], { name }: ViewRow): T[] =>
    list.filter(({ table }) => table.schema === name.schema && table.name === name.name);
  const views: View[] = [];
  for (const row of inOrder(rows)) {
    const indexes = row.materialized ? await readIndexes(session, row.oid) : [];
    views.push({ ...row, triggers: onView(triggers, row), rules: onView(rules, row), indexes });
  }
  return views;
}

/** Those first that read none of the rest; the given order where there is a choice. */
function inOrder(rows: readonly ViewRow[]): ViewRow[] {
  const done = new Set<number>();
  const ordered: ViewRow[] = [];
  let waiting = [...rows];
  while (waiting.length > 0) {
    const next = waiting.find(({ reads }) => reads.every((oid) => done.has(oid))) ?? waiting[0];
    if (next === undefined) break;
    done.add(next.oid);
    ordered.push(next);
    waiting = waiting.filter((row) => row !== next);
  }
  return ordered;
}

const viewsSql = `
  with recursive tree (oid) as (
    select $1::oid
    union
    select r.ev_class
    from tree
    join pg_depend as d
      on d.refclassid = 'pg_class'::regclass and d.refobjid = tree.oid and d.classid = 'pg_rewrite'::regclass
    join pg_rewrite as r on r.oid = d.objid and r.rulename = '_RETURN'
  )
  select
    c.oid,
    ${nameJson('n', 'c')} as name,
    c.relkind = 'm' as materialized,
    c.relpersistence = 't' as temporary,
    rtrim(pg_get_viewdef(c.oid), E'; \\n') as definition,
    pg_get_userbyid(c.relowner)::text as owner,
    array(select o from unnest(c.reloptions) as o order by 1) as options,
    ${grantsJsonSql('c.relacl', 'r', 'c.relowner')} as grants,
    obj_description(c.oid, 'pg_class') as comment,
    (
      select json_agg(json_build_object(
        'name', a.attname,
        'type', format_type(a.atttypid, a.atttypmod),
        'collation', case when a.attcollation <> 0 and a.attcollation <> t.typcollation
          then quote_ident(cn.nspname) || '.' || quote_ident(co.collname)
        end,
        'default', pg_get_expr(ad.adbin, ad.adrelid),
        'comment', col_description(c.oid, a.attnum),
        'grants', ${grantsJsonSql('a.attacl', 'c', 'c.relowner')},
        'statisticsTarget', case when c.relkind = 'm' then nullif(a.attstattarget, -1) end
      ) order by a.attnum)
      from pg_attribute as a
      join pg_type as t on t.oid = a.atttypid
      left join pg_collation as co on co.oid = a.attcollation
      left join pg_namespace as cn on cn.oid = co.collnamespace
      left join pg_attrdef as ad on ad.adrelid = a.attrelid and ad.adnum = a.attnum
      where a.attrelid = c.oid
        and a.attnum > 0
        and not a.attisdropped
    ) as columns,
    array(
      select distinct d.refobjid
      from pg_rewrite as r
      join pg_depend as d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid
      where r.ev_class = c.oid
        and r.rulename = '_RETURN'
        and d.refclassid = 'pg_class'::regclass
        and d.refobjid in (select tree.oid from tree)
        and d.refobjid not in (c.oid, $1)
      order by 1
    ) as reads,
    ${namedObjectsSql(`
      select distinct d.classid::regclass::text, d.objid, d.objsubid, pg_describe_object(d.classid, d.objid, d.objsubid)
      from pg_depend as d
      left join pg_rewrite as r on d.classid = 'pg_rewrite'::regclass and r.oid = d.objid
      left join pg_trigger as tg on d.classid = 'pg_trigger'::regclass and tg.oid = d.objid
      left join pg_proc as p on d.classid = 'pg_proc'::regclass and p.oid = d.objid
      left join pg_index as i on d.classid = 'pg_class'::regclass and i.indexrelid = d.objid
      join pg_type as own on own.oid = c.reltype
      where (
          d.refclassid = 'pg_class'::regclass and d.refobjid = c.oid
          or d.refclassid = 'pg_type'::regclass and d.refobjid in (own.oid, own.typarray)
        )
        and d.deptype in ('n', 'a')
        and not (d.classid = 'pg_class'::regclass and d.objid = c.oid)
        and d.classid <> 'pg_attrdef'::regclass
        and coalesce(r.ev_class <> c.oid, true)
        and not (coalesce(r.rulename, '') = '_RETURN' and r.ev_class in (select tree.oid from tree))
        and coalesce(tg.tgrelid <> c.oid, true)
        and coalesce(i.indrelid <> c.oid, true)
        and not (p.prosqlbody is not null and d.refclassid = 'pg_class'::regclass)
      union
      -- It would be lost with the view, and needs its provider to be set again.
      select 'pg_seclabel', l.objoid, l.objsubid, 'security label (' || l.provider || ')'
      from pg_seclabel as l
      where l.classoid = 'pg_class'::regclass
        and l.objoid = c.oid`)} as users,
    c.relispopulated as populated,
    am.amname::text as "accessMethod",
    ts.spcname::text as tablespace
  from tree
  join pg_class as c on c.oid = tree.oid
  join pg_namespace as n on n.oid = c.relnamespace
  left join pg_am as am on am.oid = c.relam
  left join pg_tablespace as ts on ts.oid = c.reltablespace
  where c.oid <> $1
  order by n.nspname collate "C", c.relname collate "C"`;
