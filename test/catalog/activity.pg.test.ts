import { expect, test } from 'vitest';
import { blockersOf, holdersOf, readObstacles } from '../../src/catalog/activity.js';
import { preparedTransactionPid } from '../../src/model/blocker.js';
import { Session } from '../../src/db/session.js';
import { createDatabase, until, type TestDatabase } from '../support/database.js';

async function oidOf(session: Session, table: string): Promise<number> {
  return (await session.row<{ oid: number }>(`select '${table}'::regclass::oid as oid`)).oid;
}

async function holdingSession(db: TestDatabase, application: string, sql: string, url = db.url) {
  const client = await db.connect(url);
  await client.query(`set application_name = '${application}'`);
  await client.query('begin');
  await client.query(sql);
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  return { client, pid: rows[0]?.pid ?? 0 };
}

test('holders of locks on a table: sessions and prepared transactions, but not ourselves', async () => {
  await using db = await createDatabase('create table t (id int primary key); create table other (id int)');
  await using session = await Session.open({ connection: { url: db.url } });
  const oid = await oidOf(session, 't');
  const reader = await holdingSession(db, 'reader', 'select * from t');
  const writer = await holdingSession(db, '', 'insert into t values (1)');
  await holdingSession(db, 'elsewhere', 'select * from other');
  const prepared = await holdingSession(db, 'prepared', 'insert into t values (2)');
  await prepared.client.query(`prepare transaction 'gid of ${db.name}'`);
  await session.batch(['begin', 'select * from t']);

  const holders = await holdersOf(session, oid);
  expect(holders).toHaveLength(3);
  const common = { user: 'postgres', transactionSeconds: expect.any(Number) as unknown };
  expect(holders).toEqual(
    expect.arrayContaining([
      {
        ...common,
        pid: reader.pid,
        backendType: 'client backend',
        application: 'reader',
        state: 'idle in transaction',
        lockModes: ['ACCESS SHARE'],
      },
      {
        ...common,
        pid: writer.pid,
        backendType: 'client backend',
        application: null,
        state: 'idle in transaction',
        lockModes: ['ROW EXCLUSIVE'],
      },
      {
        ...common,
        pid: 0,
        backendType: 'prepared transaction',
        application: `gid of ${db.name}`,
        state: null,
        lockModes: ['ROW EXCLUSIVE'],
      },
    ]),
  );
});

test('blockers of a waiting session, with what they hold of what it waits for', async () => {
  await using db = await createDatabase('create table t (id int primary key); create table other (id int)');
  await using session = await Session.open({ connection: { url: db.url } });
  const holder = await holdingSession(
    db,
    'holder',
    'lock table t in row exclusive mode; lock table other in share mode',
  );
  // Shares nothing with the waiter but the table: SHARE UPDATE EXCLUSIVE conflicts, ACCESS SHARE does not.
  await holdingSession(db, 'harmless', 'select * from t');
  const waiter = await db.connect();
  const { rows } = await waiter.query<{ pid: number }>('select pg_backend_pid() as pid');
  const pid = rows[0]?.pid ?? 0;
  expect(await blockersOf(session, pid)).toEqual([]);
  // What both hold is not what one waits for.
  await waiter.query('begin; select * from other');
  const waiting = waiter.query('create index on t (id)');
  const blockers = await until(
    async () => {
      const found = await blockersOf(session, pid);
      return found.length > 0 && found;
    },
    { what: 'the blocker' },
  );
  expect(blockers).toMatchObject([{ pid: holder.pid, application: 'holder', lockModes: ['ROW EXCLUSIVE'] }]);
  await holder.client.query(`prepare transaction 'gid of ${db.name}'`);
  const prepared = await until(
    async () => {
      const found = await blockersOf(session, pid);
      return found.length > 0 && found;
    },
    { what: 'the prepared transaction as blocker' },
  );
  expect(prepared).toMatchObject([
    { pid: 0, backendType: 'prepared transaction', lockModes: ['ROW EXCLUSIVE'] },
  ]);
  await db.query(`rollback prepared 'gid of ${db.name}'`);
  await waiting;
});

test('obstacles are the holders, and all old transactions of this database', async () => {
  await using db = await createDatabase('create table t (id int primary key); create table other (id int)');
  await using session = await Session.open({ connection: { url: db.url } });
  const oid = await oidOf(session, 't');
  const holder = await holdingSession(db, 'holder', 'select * from t');
  const old = await holdingSession(db, 'old', 'select * from other');
  const prepared = await holdingSession(db, 'p', 'insert into other values (1)');
  await prepared.client.query(`prepare transaction 'gid of ${db.name}'`);
  const pids = async (olderThanSeconds: number): Promise<number[]> =>
    (await readObstacles(session, oid, { olderThanSeconds })).map(({ pid }) => pid);
  expect(await pids(3600)).toEqual([holder.pid]);
  expect(await pids(0)).toEqual([holder.pid, old.pid, preparedTransactionPid]);
  expect((await readObstacles(session, oid, { olderThanSeconds: 0 }))[1]).toMatchObject({
    application: 'old',
    lockModes: [],
  });
});

test('a role that may not see other sessions gets what is visible, and no guess', async () => {
  await using db = await createDatabase('create table t (id int primary key); grant select on t to public');
  const [viewer, other] = [await db.createRole(), await db.createRole()];
  await using session = await Session.open({ connection: { url: viewer.url } });
  const holder = await holdingSession(db, 'holder', 'select * from t', other.url);
  expect(await holdersOf(session, await oidOf(session, 't'))).toEqual([
    {
      pid: holder.pid,
      backendType: 'unknown',
      user: other.name,
      application: 'holder',
      state: null,
      transactionSeconds: null,
      lockModes: ['ACCESS SHARE'],
    },
  ]);
});
