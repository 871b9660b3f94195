/** The schema `ghost`: where every migration keeps its state. Closed to PUBLIC; belongs to who created it. */
import { ident, sql } from '../sql/quote.js';
import { commentStatement } from '../sql/marks.js';

/** Recognises our own schema, and its layout. */
const commentOf = (version: number): string => `pg-ghost state, version ${version}`;
export const stateVersion = 3;
const stateComment = commentOf(stateVersion);

/** The layout that a comment stands for: the present one, or one that can be made so when no migration is under way in it. */
export function layoutOf(comment: string | null): number | null {
  for (let version = 1; version <= stateVersion; version += 1)
    if (comment === commentOf(version)) return version;
  return null;
}

/** The schema of the name, or one of ours that somebody has renamed; the one that has the name first. */
export const readStateSchemaSql = sql`
  select obj_description(n.oid, 'pg_namespace') as comment,
         n.nspname = 'ghost' as "isNamedSo",
         quote_ident(n.nspname) as name,
         has_schema_privilege(n.oid, 'usage') and has_schema_privilege(n.oid, 'create') as usable,
         (select count(*) from pg_class as c
          where c.relnamespace = n.oid and c.relkind = 'r'
            and c.relname in ('migrations', 'chunks', 'progress', 'commands', 'locks'))::int as tables,
         pg_get_userbyid(n.nspowner) as owner
  from pg_namespace n
  where n.nspname = 'ghost' or starts_with(obj_description(n.oid, 'pg_namespace'), 'pg-ghost state, version ')
  order by n.nspname <> 'ghost', n.nspname
  limit 1`;

/** Version 1 had fewer. */
export function tablesOfLayout(version: number): number {
  return version === 1 ? 2 : 5;
}

/**
 * In statements of their own, after what event triggers have added to the tables is off again: CREATE TABLE with a reference
 * reaches event triggers as two commands on the table, and those that do something to each new table would do it twice; and a
 * row security that one of them has switched on forbids the look at the rows.
 */
export const stateKeysSql: readonly string[] = ['chunks', 'progress', 'commands', 'locks'].map(
  belongsToMigration,
);

function belongsToMigration(table: string): string {
  return `alter table ghost.${table} add foreign key (migration_id) references ghost.migrations on delete cascade`;
}

/** The runner's sign of life, and what it is doing: written every second or so, read by `status` and by whoever would take over. */
const createProgressSql = sql`
  create table ghost.progress (
    migration_id integer primary key,
    at timestamptz not null,
    body jsonb not null
  ) with (fillfactor = 50)`;

/** What somebody asks of a run from elsewhere, and what it answered. */
const createCommandsSql = sql`
  create table ghost.commands (
    id bigint generated always as identity primary key,
    migration_id integer not null,
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
    migration_id integer not null,
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
      swap_snapshot text,
      identity uuid not null default gen_random_uuid(),
      shadow_oid oid,
      shadow_schema_oid oid,
      old_schema_oid oid
    )`,
  // A table is in at most one migration at a time.
  sql`
    create unique index migrations_active_key on ghost.migrations (source_oid)
    where phase not in ('swapped', 'finalized', 'aborted')`,
  sql`
    create table ghost.chunks (
      migration_id integer not null,
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

export interface Upgrade {
  readonly tables: readonly string[];
  /** When what event triggers have added to the tables is off again: see `stateKeysSql`. */
  readonly rest: readonly string[];
}

/** What makes each version from the one before it. */
const upgrades: Readonly<Record<number, Upgrade>> = {
  2: {
    tables: [
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
    ],
    rest: ['progress', 'commands', 'locks'].map(belongsToMigration),
  },
  3: {
    tables: [
      sql`
        alter table ghost.migrations
          add column identity uuid not null default gen_random_uuid(),
          add column shadow_oid oid,
          add column shadow_schema_oid oid,
          add column old_schema_oid oid`,
    ],
    // What is kept of swapped ones is recognised by the OID of the old table in it, the last time by names.
    rest: [
      sql`
      update ghost.migrations as m
      set old_schema_oid = old.relnamespace, shadow_oid = (
        select new.oid
        from pg_class as new
        join pg_namespace as home on home.oid = new.relnamespace
        where home.nspname = m.schema_name and new.relname = m.table_name
      )
      from pg_class as old
      join pg_namespace as n on n.oid = old.relnamespace
      where m.phase = 'swapped'
        and old.oid = m.source_oid
        and n.nspname = 'ghost_old_' || m.id
        and obj_description(n.oid, 'pg_namespace') = 'pg-ghost'`,
    ],
  },
};

export function upgradeStatements(from: number): Upgrade {
  const steps = Object.keys(upgrades)
    .map(Number)
    .filter((version) => version > from)
    .flatMap((version) => upgrades[version] ?? []);
  return {
    tables: steps.flatMap(({ tables }) => tables),
    rest: [...steps.flatMap(({ rest }) => rest), `comment on schema ghost is '${stateComment}'`],
  };
}

/** The marks of what versions before 3 have left of their swapped migrations, as statements. */
export const marksOfFormerVersionsSql = sql`
  with
  kept as (
    select m.id, m.identity, m.old_schema_oid from ghost.migrations as m where m.old_schema_oid is not null
  ),
  ours (what, name, role, id, identity) as (
    select 'schema', format('%I', n.nspname), 'old table', kept.id, kept.identity
    from kept join pg_namespace as n on n.oid = kept.old_schema_oid
    union all
    select 'schema', format('%I', n.nspname), 'shadow', kept.id, kept.identity
    from kept join pg_namespace as n on n.nspname = 'ghost_new_' || kept.id
    where obj_description(n.oid, 'pg_namespace') = 'pg-ghost'
    union all
    select 'table', format('ghost.%I', c.relname), 'change log', kept.id, kept.identity
    from kept
    join pg_class as c on c.relname in ('log_' || kept.id, 'log_b_' || kept.id, 'pending_' || kept.id, 'truncations_' || kept.id)
    where c.relnamespace = 'ghost'::regnamespace and c.relkind = 'r'
    union all
    select 'type', format('ghost.%I', t.typname), 'change log', kept.id, kept.identity
    from kept join pg_type as t on t.typname = 'key_' || kept.id
    where t.typnamespace = 'ghost'::regnamespace
    union all
    select 'function', format('ghost.%I()', p.proname), 'capture', kept.id, kept.identity
    from kept join pg_proc as p on p.proname in ('capture_' || kept.id, 'capture_truncate_' || kept.id)
    where p.pronamespace = 'ghost'::regnamespace
  )
  select format('comment on %s %s is %L', what, name, format('pg-ghost: migration %s, %s, %s', id, role, identity)) as statement
  from ours`;

/** A schema of ours, closed to everybody else, and marked. */
export function createSchemaStatements(name: string, mark: string): string[] {
  return [
    `create schema ${ident(name)}`,
    `revoke all on schema ${ident(name)} from public`,
    commentStatement(`schema ${ident(name)}`, mark),
  ];
}

/** Schemas of one migration. */
export function schemasOf(id: number): { readonly shadow: string; readonly old: string } {
  return { shadow: `ghost_new_${id}`, old: `ghost_old_${id}` };
}

/** Numbers of which somebody has one of the names: schemas, triggers, or what lies in the schema `ghost`. */
export const takenIdsSql = sql`
  with
  name (text) as (
    select nspname::text from pg_namespace
    union all
    select tgname::text from pg_trigger where not tgisinternal
    union all
    select 'ghost.' || relname from pg_class where relnamespace = 'ghost'::regnamespace
    union all
    select 'ghost.' || typname from pg_type where typnamespace = 'ghost'::regnamespace
    union all
    select 'ghost.' || proname from pg_proc where pronamespace = 'ghost'::regnamespace
  ),
  taken (id) as (
    select coalesce(
      substring(text from '^ghost_(?:new|old|capture|capture_truncate)_([0-9]{1,9})$'),
      substring(text from '^ghost\\.(?:log|log_b|pending|truncations|key|capture|capture_truncate)_([0-9]{1,9})(?:_key)?$')
    )::int
    from name
  )
  select id from taken where id is not null
  union
  select id from ghost.migrations`;
