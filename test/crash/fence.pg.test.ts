/**
 * The promise of invariant 8: one runner at a time, and one that is not the runner any more writes nothing. A process that
 * is frozen (SIGSTOP; a machine that was suspended, a network that was cut in two) still believes that it is the runner when
 * it wakes up.
 */
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import type { Point } from '../../src/run/points.js';
import { type TestDatabase, until } from '../support/database.js';
import { failure, runChange } from '../support/migration.js';
import { Runner } from './runner.js';
import { change, expectSwapped, settings, Shop, snapshot, Writer } from './shop.js';

let shop: Shop;
beforeAll(async () => {
  shop = await Shop.open();
});
afterAll(async () => {
  await shop[Symbol.asyncDispose]();
});

/** Everything that a run may write to, and how often it was written to. */
async function everything(client: pg.Client): Promise<unknown> {
  await statisticsAreIn(client);
  const one = async (sql: string): Promise<unknown> => (await client.query(sql)).rows;
  return {
    migrations: await one('select t::text from ghost.migrations as t'),
    recorded: await one('select t::text from ghost.tables as t'),
    chunks: await one('select t::text from ghost.chunks as t'),
    progress: await one('select migration_id, at from ghost.progress'),
    writes: await one(
      `select schemaname, relname, n_tup_ins, n_tup_upd, n_tup_del from pg_stat_user_tables
       where schemaname <> 'ghost' order by 1, 2`,
    ),
    rows: await one(`select count(*), sum(hashtext(t::text)::bigint) from orders as t`),
    tables: await one(
      `select oid::regclass::text, relfilenode, xmin::text from pg_class where relnamespace::regnamespace::text ~ '^(ghost|public)' order by oid`,
    ),
    public: await snapshot(client),
  };
}

/** Before 15 a process beside the others counts: it is asked for what it knew half a second ago, unless it was asked since. */
async function statisticsAreIn(client: pg.Client): Promise<void> {
  if (inject('serverMajor') >= 15) return;
  const { rows } = await client.query('select clock_timestamp() as now');
  await until(
    async () => {
      const sql = 'select pg_stat_get_snapshot_timestamp() > $1 as new';
      return (await client.query(sql, [rows[0]?.now])).rows[0]?.new as boolean;
    },
    { what: 'statistics of now' },
  );
}

async function runnersOf(db: TestDatabase): Promise<number[]> {
  const { rows } = await db.query<{ pid: number }>(
    `select pid from pg_stat_activity where datname = current_database() and application_name like 'pg-ghost%'`,
  );
  return rows.map(({ pid }) => pid);
}

const takeOvers = [
  {
    how: 'somebody ends its backends',
    prepare: async (db: TestDatabase): Promise<void> => {
      await db.query('select pg_terminate_backend(pid) from unnest($1::int[]) as pid', [await runnersOf(db)]);
      await until(async () => (await runnersOf(db)).length === 0, { what: 'the end of the backends' });
    },
  },
  {
    how: 'nothing was heard of it for two minutes',
    prepare: async (db: TestDatabase): Promise<void> => {
      const { rowCount } = await db.query(`update ghost.progress set at = at - interval '2 minutes'`);
      expect(rowCount).toBe(1);
    },
  },
];

describe('a frozen runner', { timeout: 120_000 }, () => {
  for (const { how, prepare } of takeOvers) {
    // Before a session is opened, which joins; in a chunk's transaction; all but the swap done; under the swap's locks.
    for (const point of [
      'target-stored',
      'chunk-read',
      'cutover-ready',
      'cutover-locked',
    ] satisfies Point[]) {
      for (const wakesUp of ['while the next one copies', 'when the next one has swapped'] as const) {
        if (wakesUp === 'while the next one copies' && point.startsWith('cutover')) continue;
        if (wakesUp === 'when the next one has swapped' && point === 'target-stored') continue;
        test(`at ${point}, ${how}, and it wakes up ${wakesUp}`, async () => {
          await using db = await shop.database();
          const client = await db.connect();
          await using writer = new Writer(db, 70_000);
          await writer.writes(20);
          await using frozen = new Runner({
            url: db.url,
            change,
            settings,
            actions: [{ point, action: 'freeze' }],
          });
          await frozen.reached(point);

          const refused = await failure(runChange(db, change, { settings }));
          expect(refused).toMatchObject({ code: 'already-running', exitCode: 3 });
          expect(frozen.hasEnded).toBe(false);
          await prepare(db);

          let woken: unknown;
          const wake = async (): Promise<void> => {
            frozen.kill('SIGCONT');
            woken = await frozen.ended();
          };
          const { result } = await runChange(db, change, {
            settings,
            onPoint: async (reached) => {
              if (
                wakesUp === 'while the next one copies' &&
                reached === 'chunk-copied' &&
                woken === undefined
              )
                await wake();
            },
          });
          expectSwapped(result);
          await writer.writes(20);
          await writer.stop();
          if (wakesUp === 'when the next one has swapped') {
            await until(async () => (await runnersOf(db)).length === 0, { what: 'the end of the sessions' });
            const before = await everything(client);
            await wake();
            expect(await everything(client)).toEqual(before);
          }

          expect(woken).toMatchObject({ signal: null, error: { code: 'taken-over', exitCode: 1 } });
          await shop.expectMigrated(db);
        });
      }
    }
  }
});

/**
 * The application waits for these locks, and the server cannot know that their holder sleeps: the kernel of a frozen process
 * still answers keepalives. So idle_in_transaction_session_timeout ends it.
 */
test('a runner that freezes under the locks of the swap keeps the application out for seconds, not for ever', async () => {
  await using db = await shop.database();
  const client = await db.connect();
  await using frozen = new Runner({
    url: db.url,
    change,
    settings: { ...settings, maxHoldMs: 200 },
    actions: [{ point: 'cutover-locked', action: 'freeze' }],
  });
  await frozen.reached('cutover-locked');
  await client.query(`set statement_timeout = '8s'`);
  const { rows } = await client.query('select count(*)::int > 0 as readable from orders');
  expect(rows).toEqual([{ readable: true }]);

  // Nobody has taken over: it has lost a connection, no more.
  frozen.kill('SIGCONT');
  const { result } = await frozen.ended();
  expect(result).toMatchObject({ id: 1, old: 'ghost_old_1.orders' });
  await shop.expectMigrated(db);
});
