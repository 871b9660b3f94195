import { expect, test } from 'vitest';
import { Session } from '../../src/db/session.js';
import { ensureState, openState } from '../../src/state/schema.js';
import { watchState } from '../../src/run/watch-state.js';
import { createDatabase, type TestDatabase } from '../support/database.js';

/** What version 1 made: tables without the columns and tables that came later. */
const versionOne = `
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

const insert = (phase: string): string => `
  insert into ghost.migrations (schema_name, table_name, source_oid, phase, request, plan)
  values ('public', 't', 1, '${phase}', '{}', '{}')`;

async function open(db: TestDatabase): Promise<Session> {
  return await Session.open({ connection: { url: db.url } });
}

/** Everything about the schema that a query could meet. */
async function layout(db: TestDatabase): Promise<unknown> {
  const { rows } = await db.query(`
    select c.relname, c.relkind, c.relacl::text, c.reloptions,
      obj_description(c.relnamespace, 'pg_namespace') as comment,
      (select array_agg(format('%s %s %s %s', attname, format_type(atttypid, atttypmod), attnotnull,
        (select pg_get_expr(adbin, adrelid) from pg_attrdef where adrelid = attrelid and adnum = attnum)) order by attnum)
       from pg_attribute where attrelid = c.oid and attnum > 0 and not attisdropped) as columns,
      (select array_agg(pg_get_constraintdef(oid) order by conname) from pg_constraint where conrelid = c.oid) as constraints,
      pg_get_indexdef(c.oid) as index
    from pg_class as c
    where c.relnamespace = 'ghost'::regnamespace
    order by c.relname`);
  return rows;
}

test('a state of version 1 without anything under way becomes the present one, and keeps its history', async () => {
  await using fresh = await createDatabase();
  await using former = await createDatabase();
  await using first = await open(fresh);
  await ensureState(first);
  await former.query(versionOne);
  await former.query(insert('finalized'));
  await using second = await open(former);
  expect(await openState(second)).toBe(true);
  expect(await layout(former)).toEqual(await layout(fresh));
  const { rows } = await former.query('select id, phase, run_no from ghost.migrations');
  expect(rows).toEqual([{ id: 1, phase: 'finalized', run_no: 0 }]);
  await ensureState(second);
  expect(await layout(former)).toEqual(await layout(fresh));
});

test('what event triggers add to the tables of an upgrade comes off again, what hung on them before stays', async () => {
  await using former = await createDatabase();
  await former.query(versionOne);
  await former.query(insert('finalized'));
  await former.query(`
    create view watched as select id, phase from ghost.migrations;
    create function audit() returns trigger language plpgsql as 'begin return null; end';
    create function zeal() returns event_trigger language plpgsql as $body$
      declare r record;
      begin
        if current_setting('event.busy', true) = 'yes' then return; end if;
        perform set_config('event.busy', 'yes', true);
        for r in select distinct object_identity, command_tag from pg_event_trigger_ddl_commands() where object_type = 'table' loop
          if r.command_tag = 'CREATE TABLE' then
            execute format('alter table %1$s enable row level security, force row level security', r.object_identity);
          elsif not exists (select from pg_trigger where tgname = 'audit' and tgrelid = r.object_identity::regclass) then
            execute format('create trigger audit after insert on %s for each row execute function public.audit()', r.object_identity);
          end if;
        end loop;
        perform set_config('event.busy', '', true);
      end $body$;
    create event trigger zealous on ddl_command_end when tag in ('CREATE TABLE', 'ALTER TABLE') execute function zeal();`);
  await using session = await open(former);
  expect(await openState(session, watchState)).toBe(true);
  const { rows } = await former.query(`
    select c.relname, c.relrowsecurity, c.relforcerowsecurity,
      array(select tgname::text from pg_trigger where tgrelid = c.oid and not tgisinternal) as triggers
    from pg_class as c where c.relnamespace = 'ghost'::regnamespace and c.relkind = 'r' order by c.relname`);
  expect(rows).toEqual(
    ['chunks', 'commands', 'events', 'locks', 'migrations', 'progress'].map((relname) => ({
      relname,
      relrowsecurity: false,
      relforcerowsecurity: false,
      triggers: [],
    })),
  );
  expect((await former.query('select * from watched')).rows).toEqual([{ id: 1, phase: 'finalized' }]);
});

/** What it made of that. */
const versionTwo = `
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

test('a swapped migration of version 2 is recognised by the OID of its old table, and marked; a schema of that name is not', async () => {
  await using fresh = await createDatabase();
  await using former = await createDatabase();
  await using first = await open(fresh);
  await ensureState(first);
  await former.query(versionTwo);
  await former.query(`
    create table t (id bigint);
    create schema ghost_old_1; comment on schema ghost_old_1 is 'pg-ghost'; create table ghost_old_1.t (id int);
    create schema ghost_new_1; comment on schema ghost_new_1 is 'pg-ghost';
    create table ghost.log_1 (k1 int);
    create schema ghost_old_2; comment on schema ghost_old_2 is 'pg-ghost'; create table ghost_old_2.t (id int);
    insert into ghost.migrations (schema_name, table_name, source_oid, phase, request, plan) values
      ('public', 't', 'ghost_old_1.t'::regclass, 'swapped', '{}', '{}'),
      ('public', 't', 'public.t'::regclass, 'swapped', '{}', '{}')`);
  await using second = await open(former);
  expect(await openState(second)).toBe(true);
  await former.query('drop table ghost.log_1');
  expect(await layout(former)).toEqual(await layout(fresh));
  const { rows } = await former.query(`
    select m.id, m.shadow_oid::regclass::text as shadow, m.old_schema_oid::regnamespace::text as old,
      array(
        select replace(format('%s: %s', n.nspname, obj_description(n.oid, 'pg_namespace')), m.identity::text, 'IDENTITY')
        from pg_namespace as n
        where n.nspname like 'ghost%' || m.id
        order by n.nspname
      ) as marks
    from ghost.migrations as m order by id`);
  expect(rows).toEqual([
    {
      id: 1,
      shadow: 't',
      old: 'ghost_old_1',
      marks: [
        'ghost_new_1: pg-ghost: migration 1, shadow, IDENTITY',
        'ghost_old_1: pg-ghost: migration 1, old table, IDENTITY',
      ],
    },
    { id: 2, shadow: null, old: null, marks: ['ghost_old_2: pg-ghost'] },
  ]);
});

test('a state that was renamed, or whose tables are gone, is refused by name', async () => {
  await using db = await createDatabase();
  await using session = await open(db);
  await ensureState(session);
  await db.query('alter schema ghost rename to "Spook"');
  await expect(ensureState(session)).rejects.toMatchObject({
    reasons: [
      {
        code: 'state-schema-renamed',
        hint: expect.stringContaining('alter schema "Spook" rename to ghost') as unknown,
      },
    ],
  });
  await db.query('alter schema "Spook" rename to ghost; drop table ghost.progress');
  await expect(openState(session)).rejects.toMatchObject({ reasons: [{ code: 'state-incomplete' }] });
});

test('with a migration of version 1 under way nothing is touched', async () => {
  await using db = await createDatabase();
  await db.query(versionOne);
  await db.query(insert('copy'));
  const before = await layout(db);
  await using session = await open(db);
  await expect(ensureState(session)).rejects.toMatchObject({
    reasons: [
      { code: 'state-of-former-version', message: expect.stringContaining('migration 1 ') as unknown },
    ],
  });
  expect(await layout(db)).toEqual(before);
});

test('a schema "ghost" of somebody else is left alone', async () => {
  await using db = await createDatabase();
  await db.query('create schema ghost; create table ghost.migrations (mine int)');
  await using session = await open(db);
  await expect(ensureState(session)).rejects.toMatchObject({ reasons: [{ code: 'state-schema-taken' }] });
  await expect(openState(session)).rejects.toMatchObject({ reasons: [{ code: 'state-schema-taken' }] });
});

test('two first runs at the same moment make one', async () => {
  await using db = await createDatabase();
  await using first = await open(db);
  await using second = await open(db);
  await Promise.all([ensureState(first), ensureState(second)]);
  expect(await openState(first)).toBe(true);
});
