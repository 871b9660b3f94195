/**
 * Which functions and operators the expressions of a table are bound to, apart from their text: `IS DISTINCT FROM`, NULLIF and
 * CASE compare by an operator that their text does not show. Those of PostgreSQL itself are not in pg_depend.
 */
import type { Session } from '../db/session.js';
import { catalogQuery } from './catalog-query.js';
import { sql } from '../sql/quote.js';

export interface Binding {
  /** `CHECK named`, `the default of x`. */
  readonly of: string;
  /** As PostgreSQL describes them, with their schema. */
  readonly uses: readonly string[];
}

/** Run under `ownSettings`. */
export async function readBindings(session: Session, oid: number): Promise<Binding[]> {
  return await session.rows<Binding>(catalogQuery(bindingsSql, [oid]));
}

const bindingsSql = sql`
  with expressions (name, classid, objid) as (
    select
      case when a.attgenerated = '' then 'the default of ' else 'the generation of ' end || quote_ident(a.attname),
      'pg_attrdef'::regclass, d.oid
    from pg_attrdef as d
    join pg_attribute as a on a.attrelid = d.adrelid and a.attnum = d.adnum
    where d.adrelid = $1
    union all
    select 'CHECK ' || quote_ident(conname), 'pg_constraint'::regclass, oid
    from pg_constraint
    where conrelid = $1 and contype = 'c'
    union all
    select 'index ' || quote_ident(c.relname), 'pg_class'::regclass, c.oid
    from pg_index as i
    join pg_class as c on c.oid = i.indexrelid
    where i.indrelid = $1 and i.indisvalid
  )
  select
    e.name as of,
    array(
      select distinct pg_describe_object(d.refclassid, d.refobjid, 0) collate "C" as described
      from pg_depend as d
      where d.classid = e.classid
        and d.objid = e.objid
        and d.refclassid in ('pg_proc'::regclass, 'pg_operator'::regclass)
      order by described
    ) as uses
  from expressions as e
  order by e.name collate "C"`;

/** For people: what the other is bound to instead. Empty when they are bound alike; only what both have is compared. */
export function compareBindings(expected: readonly Binding[], actual: readonly Binding[]): string[] {
  const found = new Map(actual.map(({ of, uses }) => [of, uses]));
  return expected.flatMap(({ of, uses }) => {
    const now = found.get(of);
    if (now === undefined || now.join() === uses.join()) return [];
    const list = (names: readonly string[]): string =>
      names.length === 0 ? 'what PostgreSQL has itself' : names.join(', ');
    return [`${of} uses ${list(uses)}, and read back from its text ${list(now)}`];
  });
}
