/** The order in which an index keeps a key, with the operators that walk along it. */
import type { Session } from '../db/session.js';
import { qualified, sql } from '../sql/quote.js';
import type { QualifiedName } from '../model/name.js';

export interface KeyOrderColumn {
  readonly column: string;
  /** `pg_catalog.integer_ops`: types of one family are ordered alike. */
  readonly family: string;
  /** `OPERATOR(schema.<)`, `>` and `<=` likewise. */
  readonly less: string;
  readonly greater: string;
  readonly notGreater: string;
  /** Qualified and quoted; null when the type has none. */
  readonly collation: string | null;
  readonly descending: boolean;
  readonly nullsFirst: boolean;
}

/**
 * The columns of a complete unique btree index over exactly these columns, in the index's order; null when there is none.
 * https://www.postgresql.org/docs/current/xindex.html#XINDEX-STRATEGIES
 */
export async function readKeyOrder(
  session: Session,
  table: QualifiedName,
  columns: readonly string[],
): Promise<KeyOrderColumn[] | null> {
  const rows = await session.rows<KeyOrderColumn & { index: number }>({
    text: keyOrderSql,
    values: [qualified(table), columns],
  });
  const [first] = rows;
  if (first === undefined) return null;
  return rows.filter(({ index }) => index === first.index).map(({ index: _, ...column }) => column);
}

const operator = (strategy: number): string => `
  (select 'OPERATOR(' || quote_ident(opn.nspname) || '.' || op.oprname || ')'
   from pg_amop as ao
   join pg_operator as op on op.oid = ao.amopopr
   join pg_namespace as opn on opn.oid = op.oprnamespace
   where ao.amopfamily = oc.opcfamily
     and ao.amoplefttype = oc.opcintype
     and ao.amoprighttype = oc.opcintype
     and ao.amopstrategy = ${strategy})`;

const keyOrderSql = sql`
  select
    i.indexrelid as index,
    a.attname::text as column,
    (select fn.nspname || '.' || f.opfname
     from pg_opfamily as f join pg_namespace as fn on fn.oid = f.opfnamespace
     where f.oid = oc.opcfamily) as family,
    ${operator(1)} as less,
    ${operator(5)} as greater,
    ${operator(2)} as "notGreater",
    (select quote_ident(cn.nspname) || '.' || quote_ident(co.collname)
     from pg_collation as co join pg_namespace as cn on cn.oid = co.collnamespace
     where co.oid = i.indcollation[n - 1]) as collation,
    i.indoption[n - 1] & 1 = 1 as descending,
    i.indoption[n - 1] & 2 = 2 as "nullsFirst"
  from pg_index as i
  join pg_class as c on c.oid = i.indexrelid
  join pg_am as am on am.oid = c.relam and am.amname = 'btree'
  cross join lateral generate_series(1, i.indnkeyatts) as n
  join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = i.indkey[n - 1]
  join pg_opclass as oc on oc.oid = i.indclass[n - 1]
  where i.indrelid = $1::regclass
    and i.indisunique
    and i.indisvalid
    and i.indpred is null
    and i.indexprs is null
    and i.indnkeyatts = cardinality($2::text[])
    and (
      select bool_and(ka.attname = any ($2::text[]))
      from generate_series(1, i.indnkeyatts) as k
      join pg_attribute as ka on ka.attrelid = i.indrelid and ka.attnum = i.indkey[k - 1]
    )
  order by i.indisprimary desc, i.indexrelid, n`;
