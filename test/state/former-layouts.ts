/** The state as former versions have made it. */

/** What version 1 made: tables without the columns and tables that came later. */
export const versionOne = `
  create schema ghost;
  comment on schema ghost is 'pg-ghost state, version 1';
  revoke all on schema ghost from public;
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
    error jsonb
  );
  create unique index migrations_active_key on ghost.migrations (source_oid)
  where phase not in ('swapped', 'finalized', 'aborted');
  create table ghost.chunks (
    migration_id integer not null references ghost.migrations on delete cascade,
    from_block bigint not null,
    to_block bigint not null,
    rows bigint not null,
    primary key (migration_id, from_block)
  );
  revoke all on all tables in schema ghost from public;`;

/** What the second version made of that. */
export const versionTwo = `
  ${versionOne}
  alter table ghost.migrations
    add column run_no integer not null default 0,
    add column run_owner text,
    add column server jsonb,
    add column active_segment smallint not null default 0,
    add column verification jsonb,
    add column swap_xid text,
    add column swap_snapshot text;
  create table ghost.progress (
    migration_id integer primary key references ghost.migrations on delete cascade,
    at timestamptz not null,
    body jsonb not null
  ) with (fillfactor = 50);
  create table ghost.commands (
    id bigint generated always as identity primary key,
    migration_id integer not null references ghost.migrations on delete cascade,
    name text not null,
    arguments jsonb not null,
    at timestamptz not null default clock_timestamp(),
    answer jsonb,
    answered_at timestamptz
  );
  create table ghost.locks (
    id bigint generated always as identity primary key,
    migration_id integer not null references ghost.migrations on delete cascade,
    at timestamptz not null default clock_timestamp(),
    entry jsonb not null
  );
  revoke all on all tables in schema ghost from public;
  comment on schema ghost is 'pg-ghost state, version 2';`;

/** What the third version made of that: the same, with an identity for each migration and the OIDs of what it has made. */
export const versionThree = `
  ${versionTwo}
  alter table ghost.migrations
    add column identity uuid not null default gen_random_uuid(),
    add column shadow_oid oid,
    add column shadow_schema_oid oid,
    add column old_schema_oid oid;
  comment on schema ghost is 'pg-ghost state, version 3';`;

export const formerLayouts: readonly (readonly [number, string])[] = [
  [1, versionOne],
  [2, versionTwo],
  [3, versionThree],
];

/** A request that every version took. */
const formerRequest = `{"table": "t", "alter": ["ADD COLUMN c int"], "statements": [], "set": [], "rewrite": false}`;

/** @param more columns and their values as SQL, of the layout */
export function insertFormer(phase: string, more: Readonly<Record<string, string>> = {}): string {
  const row = {
    schema_name: `'public'`,
    table_name: `'t'`,
    source_oid: '1',
    phase: `'${phase}'`,
    request: `'${formerRequest}'`,
    plan: `'{}'`,
    ...more,
  };
  return `insert into ghost.migrations (${Object.keys(row).join(', ')}) values (${Object.values(row).join(', ')});`;
}

/** For a state that is to be as one of the fourth version. */
export const asVersionFour = `
  drop table ghost.windows;
  comment on schema ghost is 'pg-ghost state, version 4';`;

/** What version 4 has in other tables than those before it: for a state that is to be as one of the third version. */
export const asVersionThree = `
  ${asVersionFour}
  drop table ghost.events;
  alter table ghost.migrations
    add column schema_name text, add column table_name text, add column source_oid oid, add column plan jsonb,
    add column target jsonb, add column fingerprint text, add column filenode oid, add column capture text,
    add column blocks_total bigint, add column rows_copied bigint not null default 0,
    add column active_segment smallint not null default 0, add column verification jsonb,
    add column shadow_oid oid, add column shadow_schema_oid oid, add column old_schema_oid oid;
  update ghost.migrations as m set
    schema_name = t.schema_name, table_name = t.table_name, source_oid = t.source_oid, plan = t.plan, target = t.target,
    fingerprint = t.fingerprint, filenode = t.filenode, capture = t.capture, blocks_total = t.blocks_total,
    rows_copied = t.rows_copied, active_segment = t.active_segment, verification = t.verification,
    shadow_oid = t.shadow_oid, shadow_schema_oid = t.shadow_schema_oid, old_schema_oid = t.old_schema_oid
  from ghost.tables as t
  where t.migration_id = m.id;
  alter table ghost.migrations
    alter column schema_name set not null, alter column table_name set not null, alter column source_oid set not null,
    alter column plan set not null;
  alter table ghost.chunks
    drop constraint chunks_pkey, drop column table_no, drop column unit, add primary key (migration_id, from_block),
    add foreign key (migration_id) references ghost.migrations on delete cascade;
  create unique index migrations_active_key on ghost.migrations (source_oid)
  where phase not in ('swapped', 'finalized', 'aborted');
  drop table ghost.tables;
  comment on schema ghost is 'pg-ghost state, version 3';`;

/** And as one of the first, which knew nothing of its objects but their names and one comment for all. */
export const asVersionOne = `
  ${asVersionThree}
  do $marks$
  declare
    name name;
  begin
    for name in select nspname from pg_namespace where nspname like 'ghost\\_%' loop
      execute format('comment on schema %I is %L', name, 'pg-ghost');
    end loop;
  end
  $marks$;
  drop table ghost.progress, ghost.commands, ghost.locks;
  alter table ghost.migrations
    drop column run_no, drop column run_owner, drop column server, drop column active_segment, drop column verification,
    drop column swap_xid, drop column swap_snapshot, drop column identity, drop column shadow_oid,
    drop column shadow_schema_oid, drop column old_schema_oid;
  comment on schema ghost is 'pg-ghost state, version 1';`;
