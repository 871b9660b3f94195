/**
 * The layout of the schema `ghost`, where every migration keeps its state: its tables, in the one list of them that there is. The
 * schema is closed to PUBLIC, and belongs to who created it.
 */
import { literal, sql } from '../sql/quote.js';

/** Recognises our own schema, and its layout. */
const commentPrefix = 'pg-ghost state, version ';
export const stateVersion = 5;

export function commentStateStatement(version: number): string {
  return `comment on schema ghost is ${literal(`${commentPrefix}${version}`)}`;
}

/** The layout that a comment stands for, which may be one that comes after this version; null for any other comment. */
export function layoutOf(comment: string | null): number | null {
  if (comment?.startsWith(commentPrefix) !== true) return null;
  const version = comment.slice(commentPrefix.length);
  return /^[1-9][0-9]{0,3}$/.test(version) ? Number(version) : null;
}

interface StateTable {
  readonly name: string;
  /** The layout that it came with. */
  readonly since: number;
  /** As it is in the present layout, without what refers to others: see `stateKeysSql`. */
  readonly create: string;
  /** What goes when a migration goes. */
  readonly keys: readonly string[];
}

const ofMigration = 'foreign key (migration_id) references ghost.migrations on delete cascade';

/** Each behind those that it refers to. */
const stateTables = [
  {
    name: 'migrations',
    since: 1,
    create: sql`
      create table ghost.migrations (
        id integer generated always as identity primary key,
        created_at timestamptz not null default clock_timestamp(),
        updated_at timestamptz not null default clock_timestamp(),
        phase text not null,
        request jsonb not null,
        hold_ms double precision,
        swapped_at timestamptz,
        error jsonb,
        run_no integer not null default 0,
        run_owner text,
        server jsonb,
        swap_xid text,
        swap_snapshot text,
        identity uuid not null default gen_random_uuid()
      )`,
    keys: [],
  },
  {
    // The tables of a migration, numbered. `is_open`: its migration is under way; with it another end of that is stored.
    name: 'tables',
    since: 4,
    create: sql`
      create table ghost.tables (
        migration_id integer not null,
        no smallint not null,
        is_open boolean not null default true,
        schema_name text not null,
        table_name text not null,
        source_oid oid not null,
        shadow_oid oid,
        shadow_schema_oid oid,
        old_schema_oid oid,
        plan jsonb not null,
        target jsonb,
        fingerprint text,
        filenode oid,
        capture text,
        active_segment smallint not null default 0,
        blocks_total bigint,
        rows_copied bigint not null default 0,
        verification jsonb,
        primary key (migration_id, no)
      )`,
    keys: [ofMigration],
  },
  {
    // What was copied, and is not summed up yet. A unit is a heap that is copied; a plain table has the one, 1.
    name: 'chunks',
    since: 1,
    create: sql`
      create table ghost.chunks (
        migration_id integer not null,
        from_block bigint not null,
        to_block bigint not null,
        rows bigint not null,
        table_no smallint not null,
        unit integer not null,
        primary key (migration_id, table_no, unit, from_block)
      )`,
    keys: ['foreign key (migration_id, table_no) references ghost.tables on delete cascade'],
  },
  {
    // The runner's sign of life, and what it is doing: written every second or so, read by `status` and by whoever would take over.
    name: 'progress',
    since: 2,
    create: sql`
      create table ghost.progress (
        migration_id integer primary key,
        at timestamptz not null,
        body jsonb not null
      ) with (fillfactor = 50)`,
    keys: [ofMigration],
  },
  {
    // What somebody asks of a run from elsewhere, and what it answered.
    name: 'commands',
    since: 2,
    create: sql`
      create table ghost.commands (
        id bigint generated always as identity primary key,
        migration_id integer not null,
        name text not null,
        arguments jsonb not null,
        at timestamptz not null default clock_timestamp(),
        answer jsonb,
        answered_at timestamptz
      )`,
    keys: [ofMigration],
  },
  {
    // The lock ledger: what each lock on a user's table cost.
    name: 'locks',
    since: 2,
    create: sql`
      create table ghost.locks (
        id bigint generated always as identity primary key,
        migration_id integer not null,
        at timestamptz not null default clock_timestamp(),
        entry jsonb not null
      )`,
    keys: [ofMigration],
  },
  {
    // What was done, in the order in which it was: appended to, and never changed.
    name: 'events',
    since: 4,
    create: sql`
      create table ghost.events (
        id bigint generated always as identity primary key,
        migration_id integer not null,
        at timestamptz not null default clock_timestamp(),
        event text not null,
        body jsonb not null
      )`,
    keys: [ofMigration],
  },
  {
    // Open from a swap until it is finalized: the writes since then can go back with the table that is kept. `tables`: what both were right behind
    // the swap.
    name: 'windows',
    since: 5,
    create: sql`
      create table ghost.windows (
        migration_id integer not null,
        table_no smallint not null,
        since timestamptz not null,
        tables jsonb,
        primary key (migration_id, table_no)
      )`,
    keys: ['foreign key (migration_id, table_no) references ghost.tables on delete cascade'],
  },
] as const satisfies readonly StateTable[];

export type StateTableName = (typeof stateTables)[number]['name'];

const stateTableNames: readonly StateTableName[] = stateTables.map(({ name }) => name);

export function tablesOfLayout(layout: number): StateTableName[] {
  return stateTables.filter(({ since }) => since <= layout).map(({ name }) => name);
}

/** Former layouts have fewer. */
export function hasTable(layout: number, name: StateTableName): boolean {
  return tablesOfLayout(layout).includes(name);
}

export function createTable(name: StateTableName): string {
  return tableOf(name).create;
}

export function tableKeys(name: StateTableName): string[] {
  return tableOf(name).keys.map((key) => `alter table ghost.${name} add ${key}`);
}

function tableOf(name: StateTableName): StateTable {
  const found = stateTables.find((table) => table.name === name);
  if (found === undefined) throw new Error(`the state has no table ${name}`);
  return found;
}

/** Tables and sequences alike. */
export const closeTablesSql: readonly string[] = [
  `revoke all on all tables in schema ghost from public`,
  `revoke all on all sequences in schema ghost from public`,
];

/** A table is in at most one migration that is under way. */
export const openTablesIndexSql = `create unique index tables_open_key on ghost.tables (source_oid) where is_open`;

export const createStateSchemaSql: readonly string[] = [
  // Two first runs at the same moment: the second waits here and then finds the schema.
  `create schema ghost`,
  commentStateStatement(stateVersion),
  `revoke all on schema ghost from public`,
  ...stateTables.map(({ create }) => create),
  openTablesIndexSql,
  ...closeTablesSql,
];

/**
 * In statements of their own, after what event triggers have added to the tables is off again: CREATE TABLE with a reference
 * reaches event triggers as two commands on the table, and those that do something to each new table would do it twice; and a
 * row security that one of them has switched on forbids the look at the rows.
 */
export const stateKeysSql: readonly string[] = stateTableNames.flatMap(tableKeys);

export const dropStateSql: readonly string[] = [
  `drop table ${stateTableNames.map((name) => `ghost.${name}`).join(', ')}`,
  `drop schema ghost`,
];

/** As the elements of an array, or of a list behind IN. */
export const stateTableNamesSql = stateTableNames.map(literal).join(', ');

/** The schema of the name, or one of ours that somebody has renamed; the one that has the name first. */
export const readStateSchemaSql = sql`
  select obj_description(n.oid, 'pg_namespace') as comment,
         n.nspname = 'ghost' as "isNamedSo",
         quote_ident(n.nspname) as name,
         has_schema_privilege(n.oid, 'usage') and has_schema_privilege(n.oid, 'create') as usable,
         array(
           select c.relname::text
           from pg_class as c
           where c.relnamespace = n.oid and c.relkind = 'r' and c.relname in (${stateTableNamesSql})
         ) as tables,
         pg_get_userbyid(n.nspowner) as owner
  from pg_namespace n
  where n.nspname = 'ghost' or starts_with(obj_description(n.oid, 'pg_namespace'), '${commentPrefix}')
  order by n.nspname <> 'ghost', n.nspname
  limit 1`;

/** Is there anything in the schema that is not the state's? Whoever put it there keeps it. */
export const hasOthersSql = sql`
  exists (
    select from pg_class
    where relnamespace = 'ghost'::regnamespace and relkind not in ('i', 'S', 't')
      and (relkind <> 'r' or relname not in (${stateTableNamesSql}))
  ) or exists (select from pg_proc where pronamespace = 'ghost'::regnamespace)`;
