/** The schema `ghost`: where every migration keeps its state. Closed to PUBLIC; belongs to who created it. */
import { sql } from '../sql/quote.js';

/** Recognises our own schema, and its layout. */
export const stateComment = 'pg-ghost state, version 2';
/** Layouts that can be made the present one when no migration is under way in them. */
export const formerStateComment = 'pg-ghost state, version 1';

export const readStateSchemaSql = sql`
  select obj_description(n.oid, 'pg_namespace') as comment,
         has_schema_privilege(n.oid, 'usage') and has_schema_privilege(n.oid, 'create') as usable,
         pg_get_userbyid(n.nspowner) as owner
  from pg_namespace n
  where n.nspname = 'ghost'`;

/** The runner's sign of life, and what it is doing: written every second or so, read by `status` and by whoever would take over. */
const createProgressSql = sql`
  create table ghost.progress (
    migration_id integer primary key references ghost.migrations on delete cascade,
    at timestamptz not null,
    body jsonb not null
  ) with (fillfactor = 50)`;

/** What somebody asks of a run from elsewhere, and what it answered. */
const createCommandsSql = sql`
  create table ghost.commands (
    id bigint generated always as identity primary key,
    migration_id integer not null references ghost.migrations on delete cascade,
    name text not null,
    arguments jsonb not null,
    at timestamptz not null default clock_timestamp(),
    answer jsonb,
    answered_at timestamptz
  )`;

/** The lock ledger: what each lock on a user's table cost. */
const createLocksSql = sql`
  create table ghost.locks (
    id bigint generated always as identity primary key,
    migration_id integer not null references ghost.migrations on delete cascade,
    at timestamptz not null default clock_timestamp(),
    entry jsonb not null
  )`;

export const createStateSchemaSql: readonly string[] = [
  // Two first runs at the same moment: the second waits here and then finds the schema.
  `create schema ghost`,
  `comment on schema ghost is '${stateComment}'`,
  `revoke all on schema ghost from public`,
  sql`
    create table ghost.migrations (
      id integer generated always as identity primary key,
      created_at timestamptz not null default clock_timestamp(),
      updated_at timestamptz not null default clock_timestamp(),
      schema_name text not null,
      table_name text not null,
      source_oid oid not null,
      phase text not null,
      request jsonb not null,
      plan jsonb not null,
      target jsonb,
      fingerprint text,
      filenode oid,
      capture text,
      blocks_total bigint,
      rows_copied bigint not null default 0,
      hold_ms double precision,
      swapped_at timestamptz,
      error jsonb,
      run_no integer not null default 0,
      run_owner text,
      server jsonb,
      active_segment smallint not null default 0,
      verification jsonb,
      swap_xid text,
      swap_snapshot text
    )`,
  // A table is in at most one migration at a time.
  sql`
    create unique index migrations_active_key on ghost.migrations (source_oid)
    where phase not in ('swapped', 'finalized', 'aborted')`,
  sql`
    create table ghost.chunks (
      migration_id integer not null references ghost.migrations on delete cascade,
      from_block bigint not null,
      to_block bigint not null,
      rows bigint not null,
      primary key (migration_id, from_block)
    )`,
  createProgressSql,
  createCommandsSql,
  createLocksSql,
  `revoke all on all tables in schema ghost from public`,
];

/** From version 1. */
export const upgradeStateSchemaSql: readonly string[] = [
  sql`
    alter table ghost.migrations
      add column run_no integer not null default 0,
      add column run_owner text,
      add column server jsonb,
      add column active_segment smallint not null default 0,
      add column verification jsonb,
      add column swap_xid text,
      add column swap_snapshot text`,
  createProgressSql,
  createCommandsSql,
  createLocksSql,
  `revoke all on all tables in schema ghost from public`,
  `comment on schema ghost is '${stateComment}'`,
];

/** Schemas of one migration. */
export function schemasOf(id: number): { readonly shadow: string; readonly old: string } {
  return { shadow: `ghost_new_${id}`, old: `ghost_old_${id}` };
}
