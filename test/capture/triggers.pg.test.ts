/** Every write that commits leaves its key in the log, and no writer ever notices (invariant 2). */
import type pg from 'pg';
import { expect, test } from 'vitest';
import { backlogSql } from '../../src/capture/backlog.js';
import { captureStatements, dropCaptureStatements } from '../../src/capture/triggers/trigger-sql.js';
import { createDatabase } from '../support/database.js';
import { id, SmallMigration, source, type SmallMigrationOptions } from '../apply/small-migration.js';

const plain: SmallMigrationOptions = {
  source: 'id int primary key, v text',
  seed: `insert into public.t values (1, 'a'), (2, 'b'), (3, 'c')`,
};

const writes: [string, string, string[]][] = [
  ['INSERT', `insert into public.t values (4, 'd'), (5, null)`, ['4', '5']],
  ['UPDATE', `update public.t set v = 'x' where id = 1`, ['1']],
  ['an UPDATE that changes nothing', 'update public.t set id = id where id = 1', ['1']],
  ['an UPDATE of the key: both', 'update public.t set id = 9 where id = 1', ['1', '9']],
  ['DELETE', 'delete from public.t where id <= 2', ['1', '2']],
  [
    'ON CONFLICT DO UPDATE',
    `insert into public.t values (1, 'n'), (7, 'n') on conflict (id) do update set v = excluded.v`,
    ['1', '7'],
  ],
  ['ON CONFLICT DO NOTHING', `insert into public.t values (1, 'n') on conflict do nothing`, []],
  [
    'a CTE that writes',
    `with gone as (delete from public.t where id = 1 returning *) insert into public.t select id + 10, v from gone`,
    ['1', '11'],
  ],
  [
    'a rolled back savepoint',
    `begin; savepoint s; update public.t set v = 'x' where id = 1; rollback to s; delete from public.t where id = 2; commit`,
    ['2'],
  ],
  ['a rolled back transaction', `begin; delete from public.t; rollback`, []],
  [
    'session_replication_role = replica',
    `set session_replication_role = replica; delete from public.t where id = 3; reset session_replication_role`,
    ['3'],
  ],
  ['COPY ... FROM', `copy public.t from program 'printf "20,x\\n21,y\\n"' with (format csv)`, ['20', '21']],
];

test('every kind of write', async () => {
  await using m = await SmallMigration.start(plain);
  for (const [what, write, keys] of writes) {
    await m.write(`truncate public.t; ${plain.seed}; truncate ghost.log_1`);
    await m.write(write);
    expect([what, await m.logged()]).toEqual([what, keys]);
    expect((await m.session.row<{ backlog: number }>(backlogSql(String(id)))).backlog).toBe(keys.length);
  }
});

test('MERGE', async ({ skip }) => {
  await using m = await SmallMigration.start(plain);
  if (m.db.major < 15) skip('MERGE came with 15');
  await m.write(`
    merge into public.t using (values (1), (2), (8)) as n (id) on t.id = n.id
    when matched and n.id = 1 then delete
    when matched then update set v = 'm'
    when not matched then insert values (n.id, 'm')`);
  expect(await m.logged()).toEqual(['1', '2', '8']);
});

test('a prepared transaction: nothing before COMMIT PREPARED', async () => {
  await using m = await SmallMigration.start(plain);
  const gid = `capture_${m.db.name}`;
  await m.write(`begin; update public.t set v = 'p' where id = 2; prepare transaction '${gid}'`);
  expect(await m.logged()).toEqual([]);
  await m.write(`commit prepared '${gid}'`);
  expect(await m.logged()).toEqual(['2']);
});

test('cascades and rows changed by BEFORE triggers', async () => {
  await using m = await SmallMigration.start({
    ...plain,
    before: `
      create table public.parent (id int primary key);
      insert into public.parent values (1), (2);
      create function public.shift() returns trigger language plpgsql as 'begin new.id := new.id + 100; return new; end'`,
    source: 'id int primary key, v text, parent int references public.parent on delete cascade',
    seed: `
      insert into public.t values (1, 'a', 1), (2, 'b', 2);
      create trigger shift before insert on public.t for each row execute function public.shift()`,
  });
  await m.write('delete from public.parent where id = 1; insert into public.t values (5)');
  expect(await m.logged()).toEqual(['1', '105']);
});

test('TRUNCATE leaves a marker, unless it is rolled back', async () => {
  await using m = await SmallMigration.start(plain);
  await m.write('begin; truncate public.t; rollback');
  expect(await m.count('ghost.truncations_1')).toBe(0);
  await m.write('set session_replication_role = replica; truncate public.t; reset session_replication_role');
  expect(await m.count('ghost.truncations_1')).toBe(1);
});

test('equal keys of another look are logged in both', async () => {
  await using m = await SmallMigration.start({
    before: 'create schema ext; create extension citext schema ext',
    source: 'a ext.citext, b numeric, primary key (a, b)',
    seed: `insert into public.t values ('x', 1.0)`,
  });
  await m.write(`update public.t set a = 'X'`);
  await m.write('update public.t set b = 1.00');
  expect(await m.logged()).toEqual([
    ['X', '1.0'],
    ['X', '1.0'],
    ['X', '1.00'],
    ['x', '1.0'],
  ]);
});

/** A role that may write to the table and do nothing else. */
async function writer(m: SmallMigration, settings: readonly string[] = []): Promise<pg.Client> {
  const role = await m.db.createRole();
  await m.write(`grant insert, update, delete, select, truncate on public.t to ${role.name}`);
  for (const setting of settings) await m.write(`alter role ${role.name} set ${setting}`);
  return await m.db.connect(role.url);
}

test('a role without any right on our schema writes, under whatever settings', async () => {
  await using m = await SmallMigration.start(plain);
  // Only a superuser can give a role the first of these.
  const app = await writer(m, [`plpgsql.variable_conflict = 'use_variable'`, `plpgsql.extra_errors = 'all'`]);
  await expect(app.query('select from ghost.log_1')).rejects.toMatchObject({ code: '42501' });
  await expect(app.query('select ghost.capture_1()')).rejects.toMatchObject({ code: '42501' });
  const settings = [
    `search_path = ''`,
    'search_path = pg_temp',
    'row_security = off',
    'check_function_bodies = off',
    'default_transaction_isolation = serializable',
    'transform_null_equals = on',
    'quote_all_identifiers = on',
    'default_transaction_deferrable = on',
  ];
  for (const [index, setting] of settings.entries()) {
    await app.query(`set ${setting}`);
    await app.query(`insert into public.t values (${100 + index}, 'x')`);
    await app.query(`update public.t set id = ${200 + index} where id = ${100 + index}`);
  }
  await app.query('delete from public.t where id = 1');
  await app.query('truncate public.t');
  expect(await m.backlog()).toBe(settings.length * 3 + 1);
  expect(await m.count('ghost.truncations_1')).toBe(1);
});

test('a writer cannot put operators, types or functions of its own in our way', async () => {
  await using m = await SmallMigration.start(plain);
  const app = await writer(m);
  await m.write('create schema evil; grant all on schema evil to public');
  await app.query(`
    create function evil.eq(text, text) returns bool language plpgsql as 'begin raise exception ''evil''; end';
    create function evil.differ(record, record) returns bool language plpgsql as 'begin raise exception ''evil''; end';
    create function evil.differ(anyelement, anyelement) returns bool language plpgsql as 'begin raise exception ''evil''; end';
    create function evil.clock_timestamp() returns timestamptz language plpgsql as 'begin raise exception ''evil''; end';
    create operator evil.= (leftarg = text, rightarg = text, function = evil.eq);
    create operator evil.*<> (leftarg = record, rightarg = record, function = evil.differ);
    create operator evil.*<> (leftarg = anyelement, rightarg = anyelement, function = evil.differ);
    create type evil.record as (evil int, more int);
    create type evil.text as (evil int);
    create type evil.trigger as (evil int);
    create type evil.timestamptz as (evil int);
    set search_path = evil, pg_catalog`);
  await expect(app.query(`select 'a'::pg_catalog.text = 'a'::pg_catalog.text`)).rejects.toThrow('evil');
  await expect(app.query('select row(1)::pg_catalog.record *<> row(2)::pg_catalog.record')).rejects.toThrow(
    'evil',
  );
  await expect(app.query('select row(1)::record')).rejects.toMatchObject({ code: '42846' });
  const one = 'operator(pg_catalog.=) 1';
  await app.query(`
    insert into public.t values (7, 'x');
    update public.t set v = 'x' where id operator(pg_catalog.=) 2;
    update public.t set id = 9 where id ${one};
    delete from public.t where id operator(pg_catalog.=) 9`);
  expect(await m.logged()).toEqual(['1', '2', '7', '9', '9']);
  await app.query('truncate public.t');
  expect(await m.count('ghost.truncations_1')).toBe(1);
});

test('domains, which may refuse NULL, and keys under odd names', async () => {
  await using m = await SmallMigration.start({
    before: `create domain public.positive as int not null check (value > 0)`,
    source: `"new" public.positive, "k1 $ghost$ 'x" text collate "C", v int, primary key ("k1 $ghost$ 'x", "new")`,
    seed: `insert into public.t values (1, 'one', 1)`,
  });
  await m.write(`update public.t set v = 2; truncate public.t; insert into public.t values (2, 'two', 2)`);
  expect(await m.logged()).toEqual([
    ['one', '1'],
    ['two', '2'],
  ]);
  expect(await m.count('ghost.truncations_1')).toBe(1);
});

test('two migrations of two tables at once do not meet', async () => {
  await using m = await SmallMigration.start(plain);
  await m.write('create table public.other (like public.t including all)');
  const other = { suffix: '2', table: { schema: 'public', name: 'other' }, key: m.key };
  await m.session.batch(captureStatements(other));
  await m.write(`delete from public.t where id = 1; insert into public.other values (7, 'x')`);
  expect(await m.logged()).toEqual(['1']);
  await m.session.batch(dropCaptureStatements(other));
  await m.write(`insert into public.other values (8, 'x'); delete from public.t where id = 2`);
  expect(await m.logged()).toEqual(['1', '2']);
});

test('dropping leaves nothing behind, and may be done again', async () => {
  await using db = await createDatabase('create schema ghost; create table public.t (id int primary key)');
  const catalog = async (): Promise<unknown> =>
    (
      await db.query(`
        select 'trigger' as kind, tgname::text as name from pg_trigger
        union all select 'relation', relname::text from pg_class where relnamespace <> all (
          array['pg_catalog', 'pg_toast', 'information_schema']::regnamespace[])
        union all select 'function', proname::text from pg_proc where pronamespace = 'ghost'::regnamespace
        order by 1, 2`)
    ).rows;
  const before = await catalog();
  const key = {
    index: 't_pkey',
    columns: [{ name: 'id', type: 'integer', collation: null, targetName: 'id', targetType: 'integer' }],
    projection: { alias: 't', layers: [[{ name: 'id', expression: '"id"' }]] },
    needsHelperIndex: false,
  };
  await db.query(captureStatements({ suffix: String(id), table: source, key }).join(';'));
  expect(await catalog()).not.toEqual(before);
  await db.query(dropCaptureStatements({ suffix: String(id), table: source }).join(';'));
  await db.query(dropCaptureStatements({ suffix: String(id), table: source }).join(';'));
  expect(await catalog()).toEqual(before);
});
