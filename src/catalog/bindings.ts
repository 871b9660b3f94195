/**
 * Which functions and operators the expressions of a table are bound to, apart from their text: `IS DISTINCT FROM`, NULLIF and
 * CASE compare by an operator that their text does not show. Those of PostgreSQL itself are not in pg_depend.
 */
import type { Session } from '../db/session.js';
import type { NamedObject } from '../model/definitions.js';
import { displayIdent, sql } from '../sql/quote.js';
import { catalogQuery } from './catalog-query.js';
import { namedObjectsSql } from './definitions-of/pieces-sql.js';

export interface Binding {
  readonly kind: 'default' | 'generation' | 'check' | 'index';
  /** Of the column, constraint or index; the same in both tables. */
  readonly name: string;
  readonly uses: readonly NamedObject[];
}

/** Run under `ownSettings`. */
export async function readBindings(session: Session, oid: number): Promise<Binding[]> {
  return await session.rows<Binding>(catalogQuery(bindingsSql, [oid]));
}

const bindingsSql = sql`
  with expressions (kind, name, classid, objid) as (
    select
      case when a.attgenerated = '' then 'default' else 'generation' end, a.attname::text, 'pg_attrdef'::regclass, d.oid
    from pg_attrdef as d
    join pg_attribute as a on a.attrelid = d.adrelid and a.attnum = d.adnum
    where d.adrelid = $1
    union all
    select 'check', conname::text, 'pg_constraint'::regclass, oid
    from pg_constraint
    where conrelid = $1 and contype = 'c'
    union all
    select 'index', c.relname::text, 'pg_class'::regclass, c.oid
    from pg_index as i
    join pg_class as c on c.oid = i.indexrelid
    where i.indrelid = $1 and i.indisvalid
  )
  select
    e.kind,
    e.name,
    ${namedObjectsSql(`
      select distinct d.refclassid::regclass::text, d.refobjid, 0, pg_describe_object(d.refclassid, d.refobjid, 0)
      from pg_depend as d
      where d.classid = e.classid
        and d.objid = e.objid
        and d.refclassid in ('pg_proc'::regclass, 'pg_operator'::regclass)`)} as uses
  from expressions as e
  order by e.name collate "C"`;

/** For people: what the other is bound to instead. Empty when they are bound alike; only what both have is compared. */
export function compareBindings(expected: readonly Binding[], actual: readonly Binding[]): string[] {
  const key = ({ kind, name }: Binding): string => `${kind} ${name}`;
  const identities = ({ uses }: Binding): string =>
    uses.map(({ catalog, oid }) => `${catalog} ${oid}`).join();
  const found = new Map(actual.map((binding) => [key(binding), binding]));
  return expected.flatMap((binding) => {
    const now = found.get(key(binding));
    if (now === undefined || identities(now) === identities(binding)) return [];
    return [`${described(binding)} uses ${list(binding)}, and read back from its text ${list(now)}`];
  });
}

const kinds: Readonly<Record<Binding['kind'], string>> = {
  default: 'the default of',
  generation: 'the generation of',
  check: 'CHECK',
  index: 'index',
};

function described({ kind, name }: Binding): string {
  return `${kinds[kind]} ${displayIdent(name)}`;
}

function list({ uses }: Binding): string {
  return uses.length === 0
    ? 'what PostgreSQL has itself'
    : uses
        .map(({ name }) => name)
        .toSorted()
        .join(', ');
}
