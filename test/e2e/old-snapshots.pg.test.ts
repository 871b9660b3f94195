/** A transaction from before the new table was complete must not see rows missing in it, unless the user chose so. */
import { expect, test } from 'vitest';
import { createDatabase, type TestDatabase, until } from '../support/database.js';
import { failure, runChange } from '../support/migration.js';
import type pg from 'pg';

const setup = `create table t (id int primary key, v text); insert into t select i, 'v' || i from generate_series(1, 2000) as i;
  create table other (id int)`;
const change = { table: 't', alter: ['ALTER COLUMN id TYPE bigint'] };

/** Has a snapshot, and no lock on the table. */
async function reader(db: TestDatabase): Promise<pg.Client> {
  const client = await db.connect();
  await client.query('begin isolation level repeatable read; select * from other');
  return client;
}

test('wait: the swap waits until it has ended', async () => {
  await using db = await createDatabase(setup);
  const old = await reader(db);
  let seen: unknown = null;
  const { events } = await runChange(db, change, {
    onEvent: (event) => {
      if (event.event !== 'lock:missed' || seen !== null) return;
      // Still all there, in the old table, which is still the one of that name.
      seen = old.query('select count(*)::int as n from t').then(async ({ rows }) => {
        await old.query('commit');
        return rows;
      });
    },
  });
  expect(await seen).toEqual([{ n: 2000 }]);
  expect(events.find(({ event }) => event === 'lock:missed')).toMatchObject({
    what: 'the end of old snapshots',
  });
});

test('a transaction that begins while it waits is not waited for, one that comes and goes neither', async () => {
  await using db = await createDatabase(setup);
  const old = await reader(db);
  const young: pg.Client[] = [];
  await runChange(db, change, {
    onEvent: (event) => {
      if (event.event !== 'lock:missed' || young.length > 0) return;
      void reader(db).then(async (client) => {
        young.push(client);
        await old.query('commit');
      });
      young.push(old);
    },
  });
  await until(() => young.length === 2, { what: 'the young reader' });
  const { rows } = await (young[1] as pg.Client).query('select count(*)::int as n from t');
  expect(rows).toEqual([{ n: 2000 }]);
});

test('wait, but not for ever: exit 5 with who it is, and later it works', async () => {
  await using db = await createDatabase(setup);
  const old = await reader(db);
  const error = await failure(runChange(db, change, { settings: { cutoverDeadlineMs: 1500 } }));
  expect(error).toMatchObject({ code: 'old-snapshot', exitCode: 5 });
  expect(error.message).toMatch(/in the way: pid \d+/);
  await old.query('commit');
  await runChange(db, change);
});

test('abort gives up at once, warn swaps and says so', async () => {
  await using db = await createDatabase(setup);
  const old = await reader(db);
  const error = await failure(runChange(db, change, { settings: { oldSnapshot: 'abort' } }));
  expect(error).toMatchObject({ code: 'old-snapshot', exitCode: 5 });
  const { events } = await runChange(db, change, { settings: { oldSnapshot: 'warn' } });
  expect(events.filter(({ event }) => event === 'warning')).toMatchObject([{ code: 'old-snapshot' }]);
  // What it was warned of.
  const { rows } = await old.query('select count(*)::int as n from t');
  expect(rows).toEqual([{ n: 0 }]);
});

test('upkeep of another table is not waited for', async () => {
  await using db = await createDatabase(`${setup}; create index on other ((id + 1))`);
  const locker = await db.connect();
  await locker.query('begin; lock other in share update exclusive mode');
  const upkeep = [
    'vacuum other',
    'analyze other',
    'create index concurrently on other (id)',
    'reindex table concurrently other',
  ];
  for (const text of upkeep) (await db.connect()).query(text).catch(() => {});
  await until(
    async () =>
      (
        await db.query(
          `select from pg_stat_activity
           where datname = current_database() and wait_event_type = 'Lock' and backend_xmin is not null`,
        )
      ).rowCount === upkeep.length,
    { what: 'all of them to wait' },
  );
  const { events } = await runChange(db, change, { settings: { oldSnapshot: 'abort' } });
  expect(events.filter(({ event }) => event === 'warning' || event === 'lock:missed')).toEqual([]);
  await locker.query('rollback');
});
