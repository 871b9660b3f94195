import pg from 'pg';
import { expect, test } from 'vitest';
import { createDatabase } from './database.js';

test('a database is empty at first, and gone after the test, whatever is on in it', async () => {
  await using other = await createDatabase();
  const db = await createDatabase('create table t (id int primary key)');
  expect((await db.query('select count(*)::int as rows from t')).rows).toEqual([{ rows: 0 }]);

  // Before the transactions: creating a slot waits for every transaction that has written.
  await db.query(`select pg_create_logical_replication_slot($1, 'pgoutput')`, [db.name]);
  const busy = await db.connect();
  await busy.query('begin; insert into t values (1)');
  const prepared = await db.connect();
  await prepared.query(`begin; insert into t values (2); prepare transaction 'it''s ${db.name}'`);
  const role = await db.createRole();
  await db[Symbol.asyncDispose]();

  const left = await other.query(
    `select datname from pg_database where datname = $1
     union all select slot_name from pg_replication_slots where slot_name = $1
     union all select rolname from pg_roles where rolname = $2`,
    [db.name, role.name],
  );
  expect(left.rows).toEqual([]);
});

test('a clone has the same rows and lives by itself', async () => {
  await using db = await createDatabase('create table t as select 1 as one');
  await using copy = await db.clone();
  await db.query('update t set one = 2');
  expect((await copy.query('select one from t')).rows).toEqual([{ one: 1 }]);
  expect((await db.query('select one from t')).rows).toEqual([{ one: 2 }]);
});

test('a clone of a database in use names the sessions, and ends none', async () => {
  await using db = await createDatabase();
  const session = await db.connect();
  await session.query(`set application_name = 'the one'`);
  await expect(db.clone()).rejects.toThrow(/end its sessions first: \d+ the one idle/);
  expect((await session.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
});

test('a role logs in to its database with the attributes given', async () => {
  await using db = await createDatabase();
  const role = await db.createRole('in role pg_monitor');
  const client = await db.connect(role.url);
  const { rows } = await client.query(
    `select current_user::text as name, pg_has_role('pg_monitor', 'usage') as monitor,
            (select rolsuper from pg_roles where rolname = current_user) as super`,
  );
  expect(rows).toEqual([{ name: role.name, monitor: true, super: false }]);
});

test('dispose drops what a role owns in the database', async () => {
  const db = await createDatabase();
  const role = await db.createRole();
  await db.query(`create schema authorization ${role.name}`);
  await db[Symbol.asyncDispose]();
  const client = new pg.Client({ connectionString: db.url });
  await expect(client.connect()).rejects.toMatchObject({ code: '3D000' });
});
