/** Whose snapshot keeps a swap waiting, and whose can never read the table. */
import pg from 'pg';
import { expect, test } from 'vitest';
import { readSnapshots } from '../../src/catalog/snapshots.js';
import { Session } from '../../src/db/session.js';
import { createDatabase, until, type TestDatabase } from '../support/database.js';

const setup = `
  create table t (id int primary key, v text);
  create table "Ö ther" (id int primary key, v text, n int);
  create table mine (id int primary key, v text, n int);
  create domain positive as int check (value > 0);
  create function f(text) returns int language plpgsql immutable as 'begin return (select count(*) from t); end';
  create index on "Ö ther" (lower(v)) where n > 1;
  create statistics s1 on (n + 1), (n * 2) from "Ö ther";
  create index on mine (f(v))`;

/** All of them wait for a lock on their own table, each with a snapshot. */
const harmless = [
  'vacuum "Ö ther"',
  'vacuum (analyze) "Ö ther"',
  '/* app */ analyze "Ö ther"',
  'vacuum mine',
  'vacuum full "Ö ther"',
  'create index concurrently on "Ö ther" (n)',
  'create index on "Ö ther" (v)',
  'reindex table concurrently "Ö ther"',
  'reindex table "Ö ther"',
  'cluster "Ö ther" using "Ö ther_pkey"',
];

const counted = [
  'analyze mine',
  'vacuum (analyze, full) mine',
  'reindex table concurrently mine',
  'create index concurrently on "Ö ther" (f(v))',
  // What it will call is not in the catalog while it waits.
  'create index concurrently on "Ö ther" (upper(v))',
  'select count(*) from "Ö ther"',
  'copy "Ö ther" to stdout',
  'do $$ begin execute \'analyze "Ö ther"\'; end $$',
];

async function waiting(db: TestDatabase, sqlText: string): Promise<number> {
  const client = await db.connect();
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  const pid = rows[0]?.pid ?? 0;
  client.query(sqlText).catch(() => {});
  await until(
    async () =>
      (
        await db.query(
          `select from pg_stat_activity where pid = $1 and wait_event_type = 'Lock' and backend_xmin is not null`,
          [pid],
        )
      ).rowCount === 1,
    { what: `${sqlText} to wait with a snapshot` },
  );
  return pid;
}

test("upkeep of another table does not count, whatever could run a user's function does", async () => {
  await using db = await createDatabase(setup);
  await using session = await Session.open({ connection: { url: db.url } });
  const locker = await db.connect();
  await locker.query('begin; lock "Ö ther", mine');
  const seen = new Map<number, string>();
  for (const text of [...harmless, ...counted]) seen.set(await waiting(db, text), text);
  const view = await readSnapshots(session);
  expect(view.unseen).toBe(0);
  expect(new Set(view.holders.map(({ pid }) => seen.get(pid)))).toEqual(new Set(counted));
  expect(JSON.stringify(view)).not.toContain('analyze');
  await locker.query('rollback');
});

test('a transaction block and the copy for a subscription count; other databases and prepared transactions do not', async () => {
  await using db = await createDatabase(setup);
  await using other = await createDatabase();
  await using session = await Session.open({ connection: { url: db.url } });
  const pidOf = async (client: pg.Client): Promise<number> =>
    (await client.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]?.pid ?? 0;
  // ANALYZE in a block: what comes after it may read the table under the same snapshot.
  const block = await db.connect();
  await block.query('begin isolation level repeatable read');
  await block.query('analyze "Ö ther"');
  const away = await other.connect();
  await away.query('begin isolation level repeatable read; select 1');
  const prepared = await db.connect();
  await prepared.query(`begin; insert into "Ö ther" values (1); prepare transaction '${db.name}'`);
  const holders = async (): Promise<unknown[]> =>
    (await readSnapshots(session)).holders.map(({ pid, backendType }) => [pid, backendType]);
  expect(await holders()).toEqual([[await pidOf(block), 'client backend']]);
  await db.query(`rollback prepared '${db.name}'`);
  const walsender = new pg.Client({
    connectionString: db.url,
    ...({ replication: 'database' } as object),
  });
  await walsender.connect();
  try {
    await walsender.query('begin read only isolation level repeatable read');
    await walsender.query(`CREATE_REPLICATION_SLOT ${db.name} TEMPORARY LOGICAL pgoutput USE_SNAPSHOT`);
    const { rows } = await walsender.query<{ pid: number }>('select pg_backend_pid() as pid');
    expect(await holders()).toEqual([
      [await pidOf(block), 'client backend'],
      [rows[0]?.pid, 'walsender'],
    ]);
  } finally {
    await walsender.end();
  }
});
