/** The schemas of a migration, and which numbers of migrations are free. */
import type { Direction } from '../model/direction.js';
import { ident, sql } from '../sql/quote.js';
import { commentStatement } from '../sql/marks.js';

/** A schema of ours, closed to everybody else, and marked. */
export function createSchemaStatements(name: string, mark: string): string[] {
  return [
    `create schema ${ident(name)}`,
    `revoke all on schema ${ident(name)} from public`,
    commentStatement(`schema ${ident(name)}`, mark),
  ];
}

/** One table of a migration. */
export interface TableKey {
  /** The migration's. */
  readonly id: number;
  /** 1, 2, ...; a migration of one table has the 1 alone. */
  readonly no: number;
}

/** What the names of a table's objects end with: `7`, and `7_2` for the second one; `7_back` of its capture for the way back. */
export function nameSuffix({ id, no }: TableKey, direction: Direction = 'forward'): string {
  const own = no === 1 ? String(id) : `${id}_${no}`;
  return direction === 'back' ? `${own}_back` : own;
}

/** Schemas of one table of a migration. */
export function schemasOf(key: TableKey): { readonly shadow: string; readonly old: string } {
  const suffix = nameSuffix(key);
  return { shadow: `ghost_new_${suffix}`, old: `ghost_old_${suffix}` };
}

/** Numbers of which somebody has one of the names: schemas, triggers, slots, or what lies in the schema `ghost`. */
export const takenIdsSql = sql`
  with
  name (text) as (
    select nspname::text from pg_namespace
    union all
    select tgname::text from pg_trigger where not tgisinternal
    union all
    select pubname::text from pg_publication
    union all
    select slot_name::text from pg_replication_slots where database = current_database()
    union all
    select 'ghost.' || relname from pg_class where relnamespace = 'ghost'::regnamespace
    union all
    select 'ghost.' || typname from pg_type where typnamespace = 'ghost'::regnamespace
    union all
    select 'ghost.' || proname from pg_proc where pronamespace = 'ghost'::regnamespace
  ),
  taken (id) as (
    select coalesce(
      substring(text from '^ghost_([0-9]{1,9})(?:_[0-9]+)?_[0-9a-f]{32}$'),
      substring(text from '^ghost_(?:new|old|capture|capture_truncate)_([0-9]{1,9})(?:_[0-9]+)?(?:_back)?$'),
      substring(text from '^ghost\\.(?:log|log_b|pending|kept|truncations|key|feed|capture|capture_truncate)_([0-9]{1,9})(?:_[0-9]+)?(?:_back)?(?:_key)?$')
    )::int
    from name
  )
  select id from taken where id is not null
  union
  select id from ghost.migrations`;
