/**
 * A cheap answer to "did anybody change the table's definition?", asked in each chunk's transaction (invariant 12).
 *
 * It is made of what the rows say and not of their `xmin` where maintenance rewrites them with the same meaning: TRUNCATE,
 * VACUUM FULL, CLUSTER and REINDEX update pg_class (and ADD COLUMN's stored defaults in pg_attribute), VACUUM and
 * ANALYZE update pg_class in place. None of these changes the fingerprint, nor do REINDEX CONCURRENTLY and an index
 * that is still being built; all DDL on the table, GRANT, COMMENT and new views do. Another file of the heap shows in `filenode`.
 */
import { createHash } from 'node:crypto';
import type { Session } from '../db/session.js';
import { replacedPartsSql } from './definitions-of/defaults-elsewhere.js';
import { literal, type SqlQuery } from '../sql/quote.js';

export interface Fingerprint {
  /** What the table is called now. */
  readonly schema: string;
  readonly name: string;
  readonly fingerprint: string;
  /** `pg_relation_filenode`; null for what has no file. */
  readonly filenode: number | null;
  /** State of what is ours on it: which rows of pg_trigger, and whether enabled. Null when one is missing. */
  readonly own: string | null;
}

/** What capture has put on the table, by name: not part of the fingerprint, but of `own`. */
export interface OwnOnTable {
  readonly triggers: readonly string[];
  readonly publications: readonly string[];
}

/** Null when the table is gone. */
export async function readFingerprint(
  session: Session,
  oid: number,
  own: OwnOnTable,
): Promise<Fingerprint | null> {
  const [found] = await session.rows<Fingerprint>(fingerprintSql(oid, own));
  return found ?? null;
}

/**
 * One row, or none when the table is gone: columns as in `Fingerprint`.
 *
 * Without parameters: PostgreSQL plans a prepared statement with some anew for its first five runs, and the plan of this one costs
 * more than its run (https://www.postgresql.org/docs/current/sql-prepare.html#SQL-PREPARE-NOTES).
 */
function fingerprintSql(oid: number, own: OwnOnTable): SqlQuery {
  const text = fingerprintText(oid, own);
  return { name: nameOf(text), text, values: [] };
}

/** The same, for one message with other statements: in a session that has read it before, and so has it prepared. */
export function executeFingerprintStatement(oid: number, own: OwnOnTable): string {
  return `execute ${nameOf(fingerprintText(oid, own))}`;
}

/** One name means one text in a session. */
function nameOf(text: string): string {
  return `ghost_fingerprint_${createHash('md5').update(text).digest('hex')}`;
}

const columnFacts = `
  a.attnum, a.attname, a.atttypid, a.atttypmod, a.attcollation, a.attnotnull, a.attidentity, a.attgenerated,
  a.attstorage, a.attcompression, a.attstattarget, a.attisdropped, a.attislocal, a.attinhcount, a.attacl, a.attoptions`;

/** REINDEX CONCURRENTLY forgets (before 15) where in the statement's text each part of an expression stood. */
const withoutLocations = (nodeTree: string): string =>
  `regexp_replace(${nodeTree}::text, ' :location -?\\d+', '', 'g')`;

/** Each is a query for one text. `t` is the table's row in pg_class. */
const parts = (ownTriggers: string, ownPublications: string): readonly string[] => [
  `select row(
     t.relname, t.relnamespace, t.relowner, t.relam, t.reltablespace, t.relpersistence, t.relkind, t.relreplident,
     t.relrowsecurity, t.relforcerowsecurity, t.reloftype, t.relispartition, t.relacl, t.reloptions,
     (select toast.reloptions from pg_class as toast where toast.oid = t.reltoastrelid)
   )::text`,
  `select string_agg(row(${columnFacts})::text, '' order by a.attnum)
   from pg_attribute as a
   where a.attrelid = t.oid and a.attnum > 0`,
  `select string_agg(row(d.oid, d.xmin)::text, '' order by d.oid)
   from pg_attrdef as d
   where d.adrelid = t.oid`,
  // Not conindid: REINDEX CONCURRENTLY puts another index behind a constraint.
  `select string_agg(row(
       con.oid, con.conname, con.convalidated, con.condeferrable, con.condeferred, con.connoinherit,
       to_json(con) ->> 'conenforced'
     )::text, '' order by con.oid)
   from pg_constraint as con
   where con.conrelid = t.oid`,
  // Foreign keys that reference it; there is no index on confrelid.
  `select string_agg(distinct row(
       d.objid, con.conname, con.convalidated, con.condeferrable, con.condeferred, to_json(con) ->> 'conenforced',
       obj_description(con.oid, 'pg_constraint')
     )::text, '')
   from pg_depend as d
   join pg_constraint as con on con.oid = d.objid and con.contype = 'f'
   where d.refclassid = 'pg_class'::regclass
     and d.refobjid = t.oid
     and d.classid = 'pg_constraint'::regclass
     and con.conrelid <> t.oid`,
  // By name, not OID, and only those in use.
  `select string_agg(row(
       ic.relname, ic.relam, ic.reltablespace, ic.reloptions,
       i.indisunique, i.indisprimary, i.indisexclusion, i.indimmediate, i.indisclustered, i.indisreplident,
       i.indkey, i.indcollation, i.indclass, i.indoption, ${withoutLocations('i.indexprs')}, ${withoutLocations('i.indpred')},
       (select array_agg(a.attstattarget order by a.attnum) from pg_attribute as a where a.attrelid = ic.oid),
       obj_description(ic.oid, 'pg_class'),
       (select array_agg(d.refobjid order by d.refobjid) from pg_depend as d
         where d.classid = 'pg_class'::regclass and d.objid = ic.oid and d.deptype = 'x')
     )::text, '' order by ic.relname)
   from pg_index as i
   join pg_class as ic on ic.oid = i.indexrelid
   where i.indrelid = t.oid and i.indisvalid`,
  `select string_agg(row(
       tg.oid, tg.tgname, tg.tgenabled, case when tg.tgisinternal then null else tg.xmin end,
       case when not tg.tgisinternal then obj_description(tg.oid, 'pg_trigger') end
     )::text, '' order by tg.oid)
   from pg_trigger as tg
   where tg.tgrelid = t.oid and tg.tgname <> all (${ownTriggers})`,
  `select string_agg(row(p.oid, p.xmin, obj_description(p.oid, 'pg_policy'))::text, '' order by p.oid)
   from pg_policy as p where p.polrelid = t.oid`,
  `select string_agg(row(r.oid, r.xmin, obj_description(r.oid, 'pg_rewrite'))::text, '' order by r.oid)
   from pg_rewrite as r where r.ev_class = t.oid`,
  `select string_agg(row(s.oid, s.xmin, obj_description(s.oid, 'pg_statistic_ext'))::text, '' order by s.oid)
   from pg_statistic_ext as s where s.stxrelid = t.oid`,
  `select string_agg(row(p.oid, p.xmin)::text, '' order by p.oid)
   from pg_publication_rel as p
   join pg_publication as of on of.oid = p.prpubid
   where p.prrelid = t.oid and of.pubname <> all (${ownPublications})`,
  // Views, and functions with an SQL body or the row type in their signature.
  `select string_agg(distinct row(d.classid, d.objid)::text, '')
   from pg_depend as d
   where (
       d.refclassid = 'pg_class'::regclass and d.refobjid = t.oid
       or d.refclassid = 'pg_type'::regclass
         and d.refobjid in (t.reltype, (select rt.typarray from pg_type as rt where rt.oid = t.reltype))
     )
     and d.classid in ('pg_rewrite'::regclass, 'pg_proc'::regclass)`,
  // The definitions of all views over it, and of what reads them: replaced by the swap, so they must not change either.
  `with recursive relation (oid) as (
     select t.oid
     union
     select r.ev_class
     from relation
     join pg_depend as d
       on d.refclassid = 'pg_class'::regclass and d.refobjid = relation.oid and d.classid = 'pg_rewrite'::regclass
     join pg_rewrite as r on r.oid = d.objid and r.rulename = '_RETURN'
   )
   select string_agg(concat_ws(':', relation.oid,
       (select c.xmin from pg_class as c where c.oid = relation.oid and relation.oid <> t.oid),
       (select string_agg(a.xmin::text, ',' order by a.attnum)
         from pg_attribute as a where a.attrelid = relation.oid and relation.oid <> t.oid),
       (select string_agg(d.objsubid || d.description, ',' order by d.objsubid) from pg_description as d
         where d.classoid = 'pg_class'::regclass and d.objoid = relation.oid and relation.oid <> t.oid),
       (select string_agg(tg.oid || ' ' || tg.xmin, ',' order by tg.oid) from pg_trigger as tg
         where tg.tgrelid = relation.oid and relation.oid <> t.oid),
       (select string_agg(distinct concat_ws(' ', d.objid, r.xmin, p.xmin, pol.xmin), ',')
         from pg_depend as d
         left join pg_rewrite as r on d.classid = 'pg_rewrite'::regclass and r.oid = d.objid
         left join pg_proc as p on d.classid = 'pg_proc'::regclass and p.oid = d.objid
         left join pg_policy as pol on d.classid = 'pg_policy'::regclass and pol.oid = d.objid
         where d.refclassid = 'pg_class'::regclass
           and d.refobjid = relation.oid
           and d.classid in ('pg_rewrite'::regclass, 'pg_proc'::regclass, 'pg_policy'::regclass))
     ), '|' order by relation.oid)
   from relation`,
  // Defaults of other tables that mean it: set again in the swap.
  `select string_agg(distinct row(x.oid, x.xmin)::text, '')
   from (${replacedPartsSql('t.oid')}) as part
   join pg_depend as d
     on d.refclassid = part.classid and d.refobjid = part.objid and d.classid = 'pg_attrdef'::regclass
   join pg_attrdef as x on x.oid = d.objid
   where x.adrelid <> t.oid`,
  `select string_agg(p.oid::text, '' order by p.oid) from pg_publication as p where p.puballtables`,
  `select string_agg(row(i.inhrelid, i.inhparent)::text, '' order by i.inhrelid, i.inhparent)
   from pg_inherits as i
   where i.inhrelid = t.oid or i.inhparent = t.oid`,
  // Identity and serial.
  `select string_agg(row(s.relname, s.relowner, s.relacl, q, obj_description(s.oid, 'pg_class'))::text, '' order by d.objid)
   from pg_depend as d
   join pg_class as s on s.oid = d.objid and s.relkind = 'S'
   join pg_sequence as q on q.seqrelid = s.oid
   where d.refclassid = 'pg_class'::regclass and d.refobjid = t.oid and d.classid = 'pg_class'::regclass`,
  `select string_agg(row(d.objsubid, d.description)::text, '' order by d.objsubid)
   from pg_description as d
   where d.classoid = 'pg_class'::regclass and d.objoid = t.oid`,
  `select string_agg(row(d.objoid, d.description)::text, '' order by d.objoid)
   from pg_description as d
   join pg_constraint as con on con.oid = d.objoid and con.conrelid = t.oid
   where d.classoid = 'pg_constraint'::regclass`,
  `select string_agg(row(l.objsubid, l.provider, l.label)::text, '' order by l.provider, l.objsubid)
   from pg_seclabel as l
   where l.classoid = 'pg_class'::regclass and l.objoid = t.oid`,
];

function fingerprintText(oid: number, own: OwnOnTable): string {
  const names = (of: readonly string[]): string => `array[${of.map(literal).join(', ')}]::name[]`;
  const triggers = names(own.triggers);
  const publications = names(own.publications);
  return `
  select
    md5(concat_ws('|', ${parts(triggers, publications)
      .map((part) => `coalesce((${part}), '')`)
      .join(',\n')})) as fingerprint,
    (select n.nspname::text from pg_namespace as n where n.oid = t.relnamespace) as schema,
    t.relname::text as name,
    pg_relation_filenode(t.oid) as filenode,
    (
      select case when count(*) = ${own.triggers.length}
        then coalesce(string_agg(row(tg.oid, tg.xmin, tg.tgenabled)::text, '' order by tg.tgname), '')
      end
      from pg_trigger as tg
      where tg.tgrelid = t.oid and tg.tgname = any (${triggers})
    ) || (
      select case when count(*) = ${own.publications.length}
        then coalesce(string_agg(row(pr.oid, pr.xmin, p.oid, p.xmin)::text, '' order by p.pubname), '')
      end
      from pg_publication_rel as pr
      join pg_publication as p on p.oid = pr.prpubid
      where pr.prrelid = t.oid and p.pubname = any (${publications})
    ) as own
  from pg_class as t
  where t.oid = ${oid}`;
}
