/** Queries for `readDependents`. */
import type { SqlQuery } from '../sql/quote.js';
import { catalogQuery } from './catalog-query.js';
import { isMarkSql } from '../sql/marks.js';

/**
 * What depends on relations (the table, or views), by pg_depend. An object that is an internal part of another (the
 * rule that makes a view, the triggers of a foreign key, an array type) counts as that other one.
 * https://www.postgresql.org/docs/current/catalog-pg-depend.html
 *
 * @param tableOid among other relations only as what was reached directly
 */
export function dependentsSql(relations: readonly number[], tableOid: number): SqlQuery {
  return { text: dependentsText, values: [relations, tableOid] };
}

const dependentsText = `
  with
  own (classid, objid, relation, sequence) as (
    select 'pg_class'::regclass, c.oid, c.oid, null::oid from pg_class as c where c.oid = any ($1::oid[])
    union all
    select 'pg_type'::regclass, t.oid, c.oid, null
    from pg_class as c
    join pg_type as rt on rt.oid = c.reltype
    join pg_type as t on t.oid in (rt.oid, rt.typarray)
    where c.oid = any ($1::oid[])
    union all
    select 'pg_attrdef'::regclass, d.oid, d.adrelid, null from pg_attrdef as d where d.adrelid = any ($1::oid[])
    union all
    select 'pg_constraint'::regclass, con.oid, con.conrelid, null
    from pg_constraint as con
    where con.conrelid = any ($1::oid[])
    union all
    select 'pg_class'::regclass, i.indexrelid, i.indrelid, null from pg_index as i where i.indrelid = any ($1::oid[])
    union all
    select 'pg_class'::regclass, s.oid, d.refobjid, s.oid
    from pg_depend as d
    join pg_class as s on s.oid = d.objid and s.relkind = 'S'
    where d.classid = 'pg_class'::regclass
      and d.refclassid = 'pg_class'::regclass
      and d.refobjid = any ($1::oid[])
      and d.deptype in ('a', 'i')
  ),
  found as (
    select
      coalesce(whole.refclassid, d.classid) as classid,
      coalesce(whole.refobjid, d.objid) as objid,
      coalesce(whole.refobjsubid, d.objsubid) as objsubid,
      min(own.relation) as relation,
      case when bool_and(own.sequence is not null) then array_agg(distinct own.sequence) end as sequences
    from own
    join pg_depend as d on d.refclassid = own.classid and d.refobjid = own.objid and d.deptype in ('n', 'a', 'i')
    left join pg_depend as whole
      on whole.classid = d.classid
      and whole.objid = d.objid
      and whole.objsubid = d.objsubid
      and whole.deptype = 'i'
    group by 1, 2, 3
  )
  select
    f.classid::regclass::text as catalog,
    f.objid as oid,
    f.objsubid,
    pg_describe_object(f.classid, f.objid, f.objsubid) as name,
    case when f.relation <> $2 then
      json_build_object('oid', f.relation::int8, 'name', pg_describe_object('pg_class'::regclass, f.relation, 0))
    end as via,
    (
      select x.extname::text
      from pg_depend as e
      join pg_extension as x on x.oid = e.refobjid
      where e.classid = f.classid
        and e.objid = f.objid
        and e.refclassid = 'pg_extension'::regclass
        and e.deptype = 'e'
    ) as extension,
    coalesce(con.conrelid, tg.tgrelid, r.ev_class, p.polrelid, pr.prrelid) as home,
    f.sequences,
    c.relkind,
    con.contype,
    tg.tgconstraint <> 0 as "isConstraintTrigger",
    coalesce(
      array[fn.prorettype] || fn.proargtypes::oid[] || fn.proallargtypes
        && array(select own.objid from own where own.classid = 'pg_type'::regclass),
      false
    ) as "usesRowType",
    coalesce(fn.prosqlbody is not null, false) as "hasSqlBody"
  from found as f
  left join pg_class as c on f.classid = 'pg_class'::regclass and c.oid = f.objid
  left join pg_constraint as con on f.classid = 'pg_constraint'::regclass and con.oid = f.objid
  left join pg_trigger as tg on f.classid = 'pg_trigger'::regclass and tg.oid = f.objid
  left join pg_rewrite as r on f.classid = 'pg_rewrite'::regclass and r.oid = f.objid
  left join pg_policy as p on f.classid = 'pg_policy'::regclass and p.oid = f.objid
  left join pg_publication_rel as pr on f.classid = 'pg_publication_rel'::regclass and pr.oid = f.objid
  left join pg_proc as fn on f.classid = 'pg_proc'::regclass and fn.oid = f.objid
  where not exists (select from own where own.classid = f.classid and own.objid = f.objid)
    -- Those of partitions come and go with their parent's.
    and not (coalesce(con.contype, '') = 'f' and con.conparentid <> 0)
    -- The defaults of a shadow or an old table of ours use the sequences that they share with the table.
    and not exists (
      select
      from pg_attrdef as ad
      join pg_class as ac on ac.oid = ad.adrelid
      where f.classid = 'pg_attrdef'::regclass
        and ad.oid = f.objid
        and ${isMarkSql(`obj_description(ac.relnamespace, 'pg_namespace')`)}
    )
    and not ${isMarkSql(`obj_description(tg.tgfoid, 'pg_proc')`)}
    and not ${isMarkSql(`obj_description(pr.prpubid, 'pg_publication')`)}`;

/** What the table is part of, and its own flags: not in pg_depend, or not as a dependency on the table. */
export function membershipsSql(tableOid: number, serverVersion: number): SqlQuery {
  const parts = [...memberships, ...(serverVersion >= schemaPublicationsSince ? [schemaPublications] : [])];
  return catalogQuery(
    `
      select m.kind, m.catalog, m.oid, m.name, null as via, null as extension
      from pg_class as t
      cross join lateral (
      ${parts.join('\nunion all\n')}
      ) as m (kind, catalog, oid, name)
      where t.oid = $1`,
    [tableOid],
  );
}

const schemaPublicationsSince = 150000;

const relationNamed = (oid: string): string => `pg_describe_object('pg_class'::regclass, ${oid}, 0)`;

const memberships: readonly string[] = [
  `select
     case when con.confrelid = con.conrelid then 'foreign-key-self' else 'foreign-key-out' end,
     'pg_constraint', con.oid, pg_describe_object('pg_constraint'::regclass, con.oid, 0)
   from pg_constraint as con
   where con.conrelid = t.oid and con.contype = 'f' and con.conparentid = 0`,
  `select 'row-level-security', 'pg_class', t.oid,
     case when t.relforcerowsecurity then 'forced ' else '' end || 'row level security of ' || ${relationNamed('t.oid')}
   where t.relrowsecurity or t.relforcerowsecurity`,
  `select case when t.relispartition then 'partition-of' else 'inheritance-parent' end,
     'pg_class', i.inhparent, ${relationNamed('i.inhparent')}
   from pg_inherits as i
   where i.inhrelid = t.oid`,
  `select case when t.relkind = 'p' then 'partition' else 'inheritance-child' end,
     'pg_class', i.inhrelid, ${relationNamed('i.inhrelid')}
   from pg_inherits as i
   where i.inhparent = t.oid`,
  `select 'partitioned-table', 'pg_class', t.oid, 'partitioned ' || ${relationNamed('t.oid')}
   where t.relkind = 'p'`,
  `select 'typed-table', 'pg_type', t.reloftype, pg_describe_object('pg_type'::regclass, t.reloftype, 0)
   where t.reloftype <> 0`,
  `select 'publication-all-tables', 'pg_publication', p.oid, pg_describe_object('pg_publication'::regclass, p.oid, 0)
   from pg_publication as p
   where p.puballtables and t.relpersistence = 'p'`,
  `select 'subscription', 'pg_subscription', s.oid, 'subscription ' || quote_ident(s.subname)
   from pg_subscription_rel as r
   join pg_subscription as s on s.oid = r.srsubid
   where r.srrelid = t.oid`,
  `select 'extension-member', 'pg_extension', d.refobjid,
     pg_describe_object(d.classid, d.objid, 0) || ' belongs to '
       || pg_describe_object('pg_extension'::regclass, d.refobjid, 0)
   from pg_depend as d
   where d.classid = 'pg_class'::regclass
     and d.objid = t.oid
     and d.refclassid = 'pg_extension'::regclass
     and d.deptype = 'e'`,
  `select 'depends-on-extension', part.catalog, part.oid,
     pg_describe_object(d.classid, d.objid, 0) || ' depends on '
       || pg_describe_object('pg_extension'::regclass, d.refobjid, 0)
   from (
     select 'pg_class', t.oid
     union all
     select 'pg_class', i.indexrelid from pg_index as i where i.indrelid = t.oid
     union all
     select 'pg_trigger', tg.oid from pg_trigger as tg where tg.tgrelid = t.oid
   ) as part (catalog, oid)
   join pg_depend as d on d.classid = part.catalog::regclass and d.objid = part.oid and d.deptype = 'x'`,
  `select 'security-label', 'pg_class', t.oid,
     'security label (' || l.provider || ') of ' || pg_describe_object('pg_class'::regclass, t.oid, l.objsubid)
   from pg_seclabel as l
   where l.classoid = 'pg_class'::regclass and l.objoid = t.oid`,
];

const schemaPublications = `
  select 'publication-schema', 'pg_publication', p.pnpubid,
    pg_describe_object('pg_publication'::regclass, p.pnpubid, 0)
  from pg_publication_namespace as p
  where p.pnnspid = t.relnamespace`;
