/**
 * What refers to a table or to a part of it by identity, as pg_depend has it: constants in expressions, row types, columns. After a
 * swap such a reference means the old table.
 */
import type { Session } from '../db/session.js';
import { catalogQuery } from './catalog-query.js';

export interface Reference {
  readonly catalog: string;
  readonly oid: number;
  /** As PostgreSQL describes it: `default value for column id of table public.orders`. */
  readonly name: string;
  /** The table or the part of it that it refers to, described in the same way. */
  readonly to: string;
}

export interface ReferenceQuestion {
  readonly tableOid: number;
  /** Sequences of it that stay what they are: references to these are none. */
  readonly staying: readonly number[];
}

/** All of them; those by which the table holds its own parts together are among them. */
export async function readReferences(
  session: Session,
  { tableOid, staying }: ReferenceQuestion,
): Promise<Reference[]> {
  return await session.rows<Reference>(catalogQuery(referencesSql('true'), [tableOid, staying]));
}

/** Only those of another table's definition. */
export async function readReferencesFrom(
  session: Session,
  { tableOid, staying, from }: ReferenceQuestion & { readonly from: number },
): Promise<Reference[]> {
  return await session.rows<Reference>(
    catalogQuery(referencesSql(`(d.classid, d.objid) in (${definitionSql('$3')})`), [
      tableOid,
      staying,
      from,
    ]),
  );
}

const referencesSql = (condition: string): string => `
  select distinct
    d.classid::regclass::text as catalog,
    d.objid as oid,
    pg_describe_object(d.classid, d.objid, d.objsubid) as name,
    pg_describe_object(d.refclassid, d.refobjid, 0) as to
  from pg_depend as d
  where (d.refclassid, d.refobjid) in (${partsSql('$1')})
    and not (d.refclassid = 'pg_class'::regclass and d.refobjid = any ($2::oid[]))
    and ${condition}
  order by 3, 4`;

/** What can be referred to. */
function partsSql(table: string): string {
  return `
    select 'pg_class'::regclass::oid, ${table}::oid
    union all
    select 'pg_type'::regclass, t.oid
    from pg_class as c
    join pg_type as rt on rt.oid = c.reltype
    join pg_type as t on t.oid in (rt.oid, rt.typarray)
    where c.oid = ${table}
    union all
    select 'pg_class'::regclass, i.indexrelid from pg_index as i where i.indrelid = ${table}
    union all
    select 'pg_class'::regclass, s.oid
    from pg_depend as o
    join pg_class as s on s.oid = o.objid and s.relkind = 'S'
    where o.classid = 'pg_class'::regclass
      and o.refclassid = 'pg_class'::regclass
      and o.refobjid = ${table}
      and o.deptype in ('a', 'i')`;
}

/** What can refer. */
function definitionSql(table: string): string {
  return `
    ${partsSql(table)}
    union all
    select 'pg_attrdef'::regclass, x.oid from pg_attrdef as x where x.adrelid = ${table}
    union all
    select 'pg_constraint'::regclass, x.oid from pg_constraint as x where x.conrelid = ${table}
    union all
    select 'pg_trigger'::regclass, x.oid from pg_trigger as x where x.tgrelid = ${table}
    union all
    select 'pg_policy'::regclass, x.oid from pg_policy as x where x.polrelid = ${table}
    union all
    select 'pg_rewrite'::regclass, x.oid from pg_rewrite as x where x.ev_class = ${table}
    union all
    select 'pg_statistic_ext'::regclass, x.oid from pg_statistic_ext as x where x.stxrelid = ${table}`;
}
