/** Behind a pooler: in transaction mode nothing is begun and nothing is left; in session mode everything works. */
import { expect, test } from 'vitest';
import { finalize, plan, status } from '../../src/index.js';
import { createDatabase } from '../support/database.js';
import { failure, request, runChange } from '../support/migration.js';
import { TransactionPooler, type PoolerOptions } from '../support/transaction-pooler.js';

const setup = `create table t (id int primary key, v text); insert into t select i, 'v' || i from generate_series(1, 500) as i`;
const change = { table: 't', alter: ['ALTER COLUMN id TYPE bigint'] };

/** What a client that comes next would find in a session. */
const traces = `
  select
    current_setting('row_security') as rls,
    current_setting('statement_timeout') as timeout,
    current_setting('application_name') as name,
    (select count(*)::int from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()) as locks,
    (select count(*)::int from pg_prepared_statements) as prepared,
    (select count(*)::int from pg_listening_channels()) as listens`;
const clean = { rls: 'on', timeout: '0', name: 'the application', locks: 0, prepared: 0, listens: 0 };

const pools: readonly Omit<PoolerOptions, 'mode'>[] = (['newest', 'oldest', 'random'] as const).flatMap(
  (order) =>
    [1, 2, 7].flatMap((size) => (['own', 'of the server'] as const).map((key) => ({ size, order, key }))),
);

test('transaction mode: refused before anything is set, whatever the pool', async () => {
  await using db = await createDatabase(setup);
  for (const pool of pools) {
    await using pooler = await TransactionPooler.open(db.url, { mode: 'transaction', ...pool });
    const connection = { url: pooler.url };
    for (const work of [
      () => runChange(pooler, change),
      () => plan({ connection, request: request(change) }),
      () => status({ connection }),
    ]) {
      const error = await failure(work());
      expect(error, JSON.stringify(pool)).toMatchObject({ code: 'pooled-transactions', exitCode: 3 });
      expect(error['hint']).toContain('session mode');
    }
    await pooler.idle();
    expect(await pooler.ask(traces), JSON.stringify(pool)).toEqual(Array(pool.size).fill(clean));
  }
  expect((await db.query(`select from pg_namespace where nspname = 'ghost'`)).rowCount).toBe(0);
});

test('session mode: a whole run, and the sessions are as they were, also where the pooler resets nothing', async () => {
  await using db = await createDatabase(setup);
  await using pooler = await TransactionPooler.open(db.url, {
    mode: 'session',
    size: 12,
    order: 'oldest',
    key: 'own',
  });
  const { result } = await runChange(pooler, change);
  expect(result).toMatchObject({ id: 1, rows: 500 });
  await finalize({ connection: { url: pooler.url } }, 1);
  await pooler.idle();
  const found = await pooler.ask<{ name: string }>(traces);
  expect(found).toEqual(Array(12).fill(clean));
});

test.each([
  { replication: 'refused', says: 'unsupported startup parameter: replication' },
  { replication: 'ignored', says: 'an ordinary session was given for it' },
] as const)(
  'replication connections are $replication: plan says so, and auto takes triggers',
  async ({ replication, says }) => {
    await using db = await createDatabase(setup);
    await using pooler = await TransactionPooler.open(db.url, {
      mode: 'session',
      size: 4,
      order: 'oldest',
      key: 'own',
      replication,
    });
    const at = { connection: { url: pooler.url }, request: request(change) };
    expect(await plan({ ...at, settings: { capture: 'logical' } })).toMatchObject({
      verdict: 'refused',
      reasons: [{ code: 'no-replication-connection', message: expect.stringContaining(says) as string }],
    });
    expect(await plan({ ...at, settings: { capture: 'auto' } })).toMatchObject({
      verdict: 'copy',
      capture: 'triggers',
      warnings: expect.arrayContaining([
        { code: 'capture-by-triggers', facts: { why: [expect.stringContaining(says)] } },
      ]) as unknown,
    });
    expect(
      (await db.query('select from pg_replication_slots where database = current_database()')).rows,
    ).toEqual([]);
  },
);

test('replication connections are passed on: a whole run with keys from the WAL', async () => {
  await using db = await createDatabase(setup);
  await using pooler = await TransactionPooler.open(db.url, {
    mode: 'session',
    size: 14,
    order: 'oldest',
    key: 'own',
    replication: 'passed on',
  });
  const { result } = await runChange(pooler, change, {
    settings: { capture: 'logical' },
    onPoint: async (point) => {
      if (point === 'caught-up') await db.query(`update t set v = 'late' where id = 7`);
    },
  });
  expect(result).toMatchObject({ id: 1, rows: 500 });
  expect((await db.query('select v from t where id = 7')).rows).toEqual([{ v: 'late' }]);
  await finalize({ connection: { url: pooler.url } }, 1);
  await pooler.idle();
  expect(await pooler.ask(traces)).toEqual(Array(14).fill(clean));
});

test('session mode with a single session: what needs one has it', async () => {
  await using db = await createDatabase(setup);
  await using pooler = await TransactionPooler.open(db.url, {
    mode: 'session',
    size: 1,
    order: 'newest',
    key: 'own',
  });
  expect(await status({ connection: { url: pooler.url } })).toEqual([]);
  expect(await plan({ connection: { url: pooler.url }, request: request(change) })).toMatchObject({
    verdict: 'copy',
  });
});
