/** The indexes of a table. */
import type { Session } from '../db/session.js';
import { catalogQuery } from './catalog-query.js';
import { extensionMarksSql } from './definitions-of/pieces-sql.js';
import type { Index } from '../model/table-shape.js';

/** Run under `withDeparseSettings`. In order of creation. */
export async function readIndexes(session: Session, oid: number): Promise<Index[]> {
  return await session.rows<Index>(catalogQuery(indexesSql, [oid]));
}

/**
 * The conflict operator: of an exclusion constraint (WITHOUT OVERLAPS included) it is written down, for a unique btree
 * index it is the member with strategy 3 of the operator class' family.
 * https://www.postgresql.org/docs/current/xindex.html#XINDEX-STRATEGIES
 */
const keysSql = `
  select json_agg(json_build_object(
      'column', a.attname,
      'expression', pg_get_indexdef(i.indexrelid, n, false),
      'collation', case when co.oid is not null
        then quote_ident(cn.nspname) || '.' || quote_ident(co.collname)
      end,
      'conflictOperator', case when op.oid is not null
        then 'OPERATOR(' || quote_ident(opn.nspname) || '.' || op.oprname || ')'
      end,
      'statisticsTarget', nullif(ia.attstattarget, -1)
    ) order by n)
  from generate_series(1, i.indnkeyatts) as n
  join pg_attribute as ia on ia.attrelid = i.indexrelid and ia.attnum = n
  join pg_opclass as oc on oc.oid = i.indclass[n - 1]
  left join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = i.indkey[n - 1] and a.attnum <> 0
  left join pg_collation as co on co.oid = i.indcollation[n - 1]
  left join pg_namespace as cn on cn.oid = co.collnamespace
  left join pg_amop as ao
    on ao.amopfamily = oc.opcfamily
    and ao.amoplefttype = oc.opcintype
    and ao.amoprighttype = oc.opcintype
    and ao.amopstrategy = 3
    and i.indisunique
    and am.amname = 'btree'
  left join pg_operator as op on op.oid = coalesce(con.conexclop[n], ao.amopopr)
  left join pg_namespace as opn on opn.oid = op.oprnamespace`;

const indexesSql = `
  select
    i.indexrelid as oid,
    c.relname::text as name,
    pg_get_indexdef(i.indexrelid) as definition,
    i.indisunique as unique,
    i.indisprimary as primary,
    i.indisexclusion as exclusion,
    i.indimmediate as immediate,
    coalesce((to_json(i) ->> 'indnullsnotdistinct')::boolean, false) as "nullsNotDistinct",
    i.indisvalid and i.indislive as valid,
    pg_get_expr(i.indpred, i.indrelid) as predicate,
    (${keysSql}) as keys,
    array(
      select a.attname::text
      from generate_series(i.indnkeyatts + 1, i.indnatts) as n
      join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = i.indkey[n - 1]
      order by n
    ) as included,
    con.conname::text as constraint,
    array(select o from unnest(c.reloptions) as o order by 1) as options,
    ts.spcname::text as tablespace,
    i.indisclustered as clustered,
    i.indisreplident as "replicaIdentity",
    obj_description(i.indexrelid, 'pg_class') as comment,
    ${extensionMarksSql('pg_class', 'i.indexrelid')} as extensions,
    pg_relation_filenode(i.indexrelid) as filenode
  from pg_index as i
  join pg_class as c on c.oid = i.indexrelid
  join pg_am as am on am.oid = c.relam
  left join pg_constraint as con on con.conindid = i.indexrelid and con.contype in ('p', 'u', 'x')
  left join pg_tablespace as ts on ts.oid = c.reltablespace
  where i.indrelid = $1
  order by i.indexrelid`;
