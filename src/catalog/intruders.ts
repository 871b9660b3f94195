/**
 * What hangs on a table that we have just made, and that we did not put there: event triggers add row level security, audit
 * triggers, publications and the like to every new table. Looked for in the catalog whoever made it.
 */
import type { Session } from '../db/session.js';
import { catalogQuery } from './catalog-query.js';
import { isServerError } from '../db/sqlstate.js';

export interface Intruder {
  /** `trigger audit`, `owner other instead of app`. */
  readonly what: string;
  /** What takes it off again; empty where nothing does. */
  readonly remove: readonly string[];
}

export interface OwnTable {
  readonly oid: number;
  /** Must own it. */
  readonly owner: string;
  /** Foreign keys of its own are as they must be, or are compared elsewhere. */
  readonly foreignKeys?: boolean;
}

/** A publication of all tables, or of a schema, is nobody's doing, and has a check of its own. */
export async function readIntruders(
  session: Session,
  { oid, owner, foreignKeys = false }: OwnTable,
): Promise<Intruder[]> {
  return await session.rows<Intruder>(catalogQuery(intrudersSql, [oid, owner, foreignKeys]));
}

/** Taking one off is DDL too, at which an event trigger may put it on again: not for ever. */
const maxRounds = 3;

export interface Removed {
  readonly removed: readonly string[];
  readonly left: readonly Intruder[];
}

/** In the caller's transaction. */
export async function removeIntruders(
  session: Session,
  find: () => Promise<readonly Intruder[]>,
): Promise<Removed> {
  const removed = new Set<string>();
  let left = await find();
  for (let round = 0; left.length > 0 && round < maxRounds; round += 1) {
    for (const { what, remove } of left) {
      if (remove.length > 0 && (await attempt(session, remove))) removed.add(what);
    }
    left = await find();
  }
  const still = new Set(left.map(({ what }) => what));
  return { removed: [...removed].filter((what) => !still.has(what)), left };
}

async function attempt(session: Session, statements: readonly string[]): Promise<boolean> {
  await session.batch(['savepoint intruder']);
  try {
    await session.batch([...statements, 'release savepoint intruder']);
    return true;
  } catch (error) {
    if (!isServerError(error)) throw error;
    await session.batch(['rollback to savepoint intruder']);
    return false;
  }
}

const intrudersSql = `
  with t as (
    select c.*, format('%I.%I', n.nspname, c.relname) as name
    from pg_class as c
    join pg_namespace as n on n.oid = c.relnamespace
    where c.oid = $1
  )
  select found.what, array_remove(array[found.remove], null) as remove
  from t
  cross join lateral (
    select 0, 'owner ' || pg_get_userbyid(t.relowner) || ' instead of ' || $2,
      format('alter table %s owner to %I', t.name, $2)
    where pg_get_userbyid(t.relowner) <> $2
    union all
    select 1, 'row level security', format('alter table %s disable row level security', t.name)
    where t.relrowsecurity
    union all
    select 1, 'forced row level security', format('alter table %s no force row level security', t.name)
    where t.relforcerowsecurity
    union all
    select 2, 'policy ' || quote_ident(p.polname), format('drop policy %I on %s', p.polname, t.name)
    from pg_policy as p
    where p.polrelid = t.oid
    union all
    select 2, 'trigger ' || quote_ident(tg.tgname), format('drop trigger %I on %s', tg.tgname, t.name)
    from pg_trigger as tg
    where tg.tgrelid = t.oid and not tg.tgisinternal
    union all
    select 2, 'rule ' || quote_ident(r.rulename), format('drop rule %I on %s', r.rulename, t.name)
    from pg_rewrite as r
    where r.ev_class = t.oid
    union all
    select 2, 'foreign key ' || quote_ident(con.conname), format('alter table %s drop constraint %I', t.name, con.conname)
    from pg_constraint as con
    where con.conrelid = t.oid and con.contype = 'f' and not $3::boolean
    union all
    select 2, 'membership in publication ' || quote_ident(p.pubname), format('alter publication %I drop table %s', p.pubname, t.name)
    from pg_publication_rel as r
    join pg_publication as p on p.oid = r.prpubid
    where r.prrelid = t.oid
    union all
    select 2, 'inheritance from ' || i.inhparent::regclass, format('alter table %s no inherit %s', t.name, i.inhparent::regclass)
    from pg_inherits as i
    where i.inhrelid = t.oid
    union all
    select 2, 'child table ' || i.inhrelid::regclass, null
    from pg_inherits as i
    where i.inhparent = t.oid
    union all
    select 2, 'foreign key ' || quote_ident(con.conname) || ' of ' || con.conrelid::regclass, null
    from pg_constraint as con
    where con.confrelid = t.oid and con.conrelid <> t.oid and con.contype = 'f' and not $3::boolean
    union all
    select 2, 'security label of ' || l.provider || coalesce(' on column ' || quote_ident(a.attname), ''),
      case when a.attname is null then format('security label for %I on table %s is null', l.provider, t.name)
        else format('security label for %I on column %s.%I is null', l.provider, t.name, a.attname) end
    from pg_seclabel as l
    left join pg_attribute as a on a.attrelid = l.objoid and a.attnum = l.objsubid and a.attnum > 0
    where l.classoid = 'pg_class'::regclass and l.objoid = t.oid
    union all
    select 2, 'view ' || v.oid::regclass, null
    from pg_depend as d
    join pg_rewrite as r on d.classid = 'pg_rewrite'::regclass and r.oid = d.objid
    join pg_class as v on v.oid = r.ev_class
    where d.refclassid = 'pg_class'::regclass and d.refobjid = t.oid and r.ev_class <> t.oid
    group by v.oid
  ) as found (position, what, remove)
  order by found.position, found.what collate "C"`;
