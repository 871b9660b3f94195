import { expect, test } from 'vitest';
import { Session } from '../../src/db/session.js';
import { listMigrations } from '../../src/state/migrations.js';
import { ensureState, findState, openState } from '../../src/state/schema.js';
import { watchState } from '../../src/state/watch-state.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { formerLayouts, insertFormer, versionOne, versionThree, versionTwo } from './former-layouts.js';

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

test.each(formerLayouts)(
  'a state of version %i without anything under way becomes the present one, and keeps its history',
  async (version, made) => {
    await using fresh = await createDatabase();
    await using former = await createDatabase();
    await using first = await open(fresh);
    await ensureState(first);
    await former.query(made);
    await former.query(insertFormer('finalized', { rows_copied: '5', hold_ms: '1.5', fingerprint: `'f'` }));
    await former.query(insertFormer('aborted', { plan: `'{"of": "a table"}'`, blocks_total: '7' }));
    // An abort of the first version left them there.
    await former.query('insert into ghost.chunks values (1, 0, 5, 100), (1, 5, 7, 20)');
    await using second = await open(former);
    const before = await listMigrations(second, version);
    expect(await openState(second)).toBe(true);
    expect(await layout(former)).toEqual(await layout(fresh));
    const after = await listMigrations(second);
    expect(after).toMatchObject([
      {
        id: 1,
        phase: 'finalized',
        runNo: 0,
        holdMs: 1.5,
        server: null,
        request: { table: 't', alter: ['ADD COLUMN c int'] },
        tables: [
          {
            id: 1,
            no: 1,
            table: { schema: 'public', name: 't' },
            sourceOid: 1,
            rowsCopied: 125,
            shadowOid: null,
          },
        ],
      },
      {
        id: 2,
        phase: 'aborted',
        tables: [{ blocksTotal: 7, stored: { plan: { of: 'a table' }, target: null } }],
      },
    ]);
    // Read as it was it was the same, but for what it had not summed up, and for the identities that it gets.
    const [finalized, ...others] = before.map(({ identity: _, ...record }) => record);
    expect(finalized?.tables[0].rowsCopied).toBe(5);
    expect([{ ...finalized, tables: after[0]?.tables }, ...others]).toEqual(
      after.map(({ identity: _, ...record }) => record),
    );
    const { rows } = await former.query('select distinct is_open from ghost.tables');
    expect(rows).toEqual([{ is_open: false }]);
    await ensureState(second);
    expect(await layout(former)).toEqual(await layout(fresh));
  },
);

test('what event triggers add to the tables of an upgrade comes off again, what hung on them before stays', async () => {
  await using former = await createDatabase();
  await former.query(versionOne);
  await former.query(insertFormer('finalized'));
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
    ['chunks', 'commands', 'events', 'locks', 'migrations', 'progress', 'tables', 'windows'].map(
      (relname) => ({
        relname,
        relrowsecurity: false,
        relforcerowsecurity: false,
        triggers: [],
      }),
    ),
  );
  expect((await former.query('select * from watched')).rows).toEqual([{ id: 1, phase: 'finalized' }]);
});

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
    select m.id, t.shadow_oid::regclass::text as shadow, t.old_schema_oid::regnamespace::text as old,
      array(
        select replace(format('%s: %s', n.nspname, obj_description(n.oid, 'pg_namespace')), m.identity::text, 'IDENTITY')
        from pg_namespace as n
        where n.nspname like 'ghost%' || m.id
        order by n.nspname
      ) as marks
    from ghost.migrations as m join ghost.tables as t on t.migration_id = m.id order by m.id`);
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

test.each(formerLayouts)('with a migration of version %i under way nothing is touched', async (_, made) => {
  await using db = await createDatabase();
  await db.query(made);
  await db.query(insertFormer('copy'));
  const before = await layout(db);
  await using session = await open(db);
  await expect(ensureState(session)).rejects.toMatchObject({
    reasons: [
      { code: 'state-of-former-version', message: expect.stringContaining('migration 1 ') as unknown },
    ],
  });
  expect(await layout(db)).toEqual(before);
});

test('a view over what the new layout does not have is named, and nothing is touched', async () => {
  await using db = await createDatabase();
  await db.query(versionThree);
  await db.query(insertFormer('finalized'));
  await db.query('create view watched as select table_name, phase from ghost.migrations');
  const before = await layout(db);
  await using session = await open(db);
  await expect(ensureState(session)).rejects.toMatchObject({
    reasons: [{ code: 'state-in-use', message: expect.stringContaining('view watched') as unknown }],
  });
  expect(await layout(db)).toEqual(before);
  await db.query('drop view watched');
  await ensureState(session);
});

test('a state of a later version is told from one of somebody else, and left alone', async () => {
  await using db = await createDatabase();
  await using session = await open(db);
  await ensureState(session);
  await db.query(`comment on schema ghost is 'pg-ghost state, version 17'`);
  const refused = {
    reasons: [{ code: 'state-of-later-version', message: expect.stringContaining('17') as unknown }],
  };
  await expect(ensureState(session)).rejects.toMatchObject(refused);
  await expect(findState(session)).rejects.toMatchObject(refused);
  await db.query(`comment on schema ghost is 'pg-ghost state, version x'`);
  await expect(findState(session)).rejects.toMatchObject({ reasons: [{ code: 'state-schema-taken' }] });
});

test('nothing of it is open to PUBLIC, whatever the defaults of the role are', async () => {
  await using db = await createDatabase();
  await db.query(`
    alter default privileges grant all on tables to public;
    alter default privileges grant all on sequences to public`);
  await using session = await open(db);
  await ensureState(session);
  const { rows } = await db.query(`
    select c.relname, acl.privilege_type
    from pg_class as c cross join lateral aclexplode(c.relacl) as acl
    where c.relnamespace = 'ghost'::regnamespace and acl.grantee = 0`);
  expect(rows).toEqual([]);
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
