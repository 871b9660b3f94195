/** By which operator, in which collation, an index that nobody gave a class compares a type: that of its default btree class. */
import type { Session } from '../db/session.js';
import { sql } from '../sql/quote.js';

export interface Equality {
  readonly typeOid: number;
  /** `OPERATOR(schema.=)`; null when the type has no default btree class, and so can have no index of ours. */
  readonly operator: string | null;
  /** Of the type, qualified and quoted; null when it has none. */
  readonly collation: string | null;
}

export async function readEqualities(session: Session, typeOids: readonly number[]): Promise<Equality[]> {
  return await session.rows<Equality>({ text: equalitiesSql, values: [[...new Set(typeOids)]] });
}

/**
 * What `GetDefaultOpClass` does (https://www.postgresql.org/docs/current/indexes-opclass.html): a class for the type itself, of
 * a type with the same bytes (varchar has that of text), or of its whole kind (enums, arrays, ranges, rows). Domains are what
 * they are made of.
 */
const equalitiesSql = sql`
  with recursive base (root, oid) as (
    select oid, oid from pg_type where oid = any ($1::oid[])
    union all
    select b.root, t.typbasetype
    from base as b
    join pg_type as t on t.oid = b.oid and t.typtype = 'd'
  )
  select
    b.root as "typeOid",
    (select 'OPERATOR(' || quote_ident(n.nspname) || '.' || op.oprname || ')'
     from pg_opclass as oc
     join pg_am as am on am.oid = oc.opcmethod and am.amname = 'btree'
     join pg_amop as ao on ao.amopfamily = oc.opcfamily and ao.amoplefttype = oc.opcintype
       and ao.amoprighttype = oc.opcintype and ao.amopstrategy = 3
     join pg_operator as op on op.oid = ao.amopopr
     join pg_namespace as n on n.oid = op.oprnamespace
     left join pg_type as k on k.oid = oc.opcintype
     where oc.opcdefault
       and (
         oc.opcintype = t.oid
         or exists (
           select from pg_cast as c
           where c.castsource = t.oid and c.casttarget = oc.opcintype and c.castmethod = 'b' and c.castcontext = 'i'
         )
         or k.typname = 'anyenum' and t.typtype = 'e'
         or k.typname = 'anyarray' and t.typelem <> 0 and t.typlen = -1
         or k.typname = 'anyrange' and t.typtype = 'r'
         or k.typname = 'anymultirange' and t.typtype = 'm'
         or k.typname = 'record' and t.typtype = 'c'
       )
     order by oc.opcintype = t.oid desc, k.typispreferred desc, oc.oid
     limit 1) as operator,
    (select quote_ident(n.nspname) || '.' || quote_ident(c.collname)
     from pg_collation as c
     join pg_namespace as n on n.oid = c.collnamespace
     where c.oid = (select typcollation from pg_type where oid = b.root)) as collation
  from base as b
  join pg_type as t on t.oid = b.oid and t.typtype <> 'd'`;
