/**
 * The promise for the way back: whenever the process dies, the same command begins again and ends as if nothing had happened, while
 * somebody goes on writing. The table is what it was before the change, with every write.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { finalize, rollback, rollforward } from '../../src/index.js';
import { differences } from '../../src/lab/proof.js';
import type { Point } from '../../src/run/points.js';
import type { CatalogSnapshot } from '../support/catalog-snapshot.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { failure, swapChange } from '../support/migration.js';
import { Runner } from './runner.js';
import { change, leftovers, runnerIsGone, setup, snapshot, Writer } from './shop.js';

/** Where the state is about to be another one; with every version all of them. */
const shortly: readonly Point[] = ['batch-applied', 'cutover-drained', 'swapped'];
const points: readonly Point[] =
  process.env['PG_GHOST_TEST_VERSIONS'] === undefined
    ? shortly
    : [
        'claimed',
        'batch-applied',
        'caught-up',
        'settled',
        'range-verified',
        'verified',
        'cutover-ready',
        'cutover-locked',
        'cutover-drained',
        'swapped',
        'leftovers-removed',
        'validated',
        'window-settled',
      ];

const rowsBefore = `select id, code, slot, total, note, 1, repeat('x', 700) from mirror`;
let original: TestDatabase;
let before: CatalogSnapshot;
beforeAll(async () => {
  original = await createDatabase(setup);
  await using clone = await original.clone();
  before = await snapshot(await clone.connect());
});
afterAll(async () => {
  await original?.[Symbol.asyncDispose]();
});

/** The change was made in it. */
async function swapped(): Promise<TestDatabase> {
  const db = await original.clone();
  try {
    await swapChange(db, change);
    return db;
  } catch (error) {
    await db[Symbol.asyncDispose]();
    throw error;
  }
}

async function expectBack(db: TestDatabase): Promise<void> {
  const client = await db.connect();
  expect(await differences(client, 'select * from orders', rowsBefore)).toEqual([]);
  await finalize({ connection: { url: db.url } }, 1);
  expect(await snapshot(client)).toEqual(before);
  expect(await leftovers(client)).toEqual([]);
  const { rows } = await client.query('select id, phase, error from ghost.migrations');
  expect(rows).toEqual([{ id: 1, phase: 'finalized', error: null }]);
}

const settings = { cutoverDeadlineMs: 30_000 };

describe('killed on the way back, and the same command again', { timeout: 120_000 }, () => {
  for (const [index, point] of points.entries()) {
    test(`at ${point}`, async () => {
      await using db = await swapped();
      await using writer = new Writer(db, 90_000 + index);
      await writer.writes(20);
      await using first = new Runner({
        url: db.url,
        change,
        command: 'rollback',
        actions: [{ point, action: 'kill' }],
      });
      await first.reached(point);
      expect((await first.ended()).signal).toBe('SIGKILL');
      await writer.writes(20);
      await runnerIsGone(db);
      expect(await rollback({ connection: { url: db.url }, settings }, 1)).toMatchObject({
        direction: 'back',
      });
      await writer.writes(20);
      await writer.stop();
      await expectBack(db);
    });
  }
});

test('killed forward again, and then back: at the swap', { timeout: 120_000 }, async () => {
  await using db = await swapped();
  await using writer = new Writer(db, 91_000);
  await rollback({ connection: { url: db.url }, settings }, 1);
  await using first = new Runner({
    url: db.url,
    change,
    command: 'rollforward',
    actions: [{ point: 'swapped', action: 'kill' }],
  });
  await first.ended();
  await writer.writes(20);
  await runnerIsGone(db);
  // The turn that nobody has brought to its end is the one that is turned round.
  await rollback({ connection: { url: db.url }, settings }, 1);
  await writer.writes(20);
  await rollforward({ connection: { url: db.url }, settings }, 1);
  await rollback({ connection: { url: db.url }, settings }, 1);
  await writer.stop();
  await expectBack(db);
});

for (const point of ['finalize-completed', 'window-closed', 'finalize-uncommitted'] as const) {
  test(`finalize of a rollback, killed at ${point}`, async () => {
    await using db = await swapped();
    await rollback({ connection: { url: db.url }, settings }, 1);
    await using first = new Runner({
      url: db.url,
      change,
      command: 'finalize',
      actions: [{ point, action: 'kill' }],
    });
    expect((await first.ended()).signal).toBe('SIGKILL');
    await runnerIsGone(db);
    if (point === 'window-closed')
      expect(await failure(rollforward({ connection: { url: db.url }, settings }, 1))).toMatchObject({
        reasons: [{ code: 'no-rollback-window' }],
      });
    await expectBack(db);
  });
}

test(
  'frozen under way: another takes over, and it writes nothing when it wakes up',
  { timeout: 120_000 },
  async () => {
    await using db = await swapped();
    await using writer = new Writer(db, 92_000);
    await writer.writes(20);
    await using frozen = new Runner({
      url: db.url,
      change,
      command: 'rollback',
      actions: [{ point: 'cutover-ready', action: 'freeze' }],
    });
    await frozen.reached('cutover-ready');
    expect(await failure(rollback({ connection: { url: db.url }, settings }, 1))).toMatchObject({
      reasons: [{ code: 'already-running' }],
    });
    const { rowCount } = await db.query(`update ghost.progress set at = at - interval '2 minutes'`);
    expect(rowCount).toBe(1);
    await rollback({ connection: { url: db.url }, settings }, 1);
    await writer.writes(20);
    frozen.kill('SIGCONT');
    expect(await frozen.ended()).toMatchObject({ signal: null, error: { code: 'taken-over' } });
    await writer.writes(20);
    await writer.stop();
    await expectBack(db);
  },
);

test('its backends are ended, again and again: it goes on by itself', { timeout: 120_000 }, async () => {
  await using db = await swapped();
  await using writer = new Writer(db, 93_000);
  const ended = new Set<Point>();
  await rollback(
    {
      connection: { url: db.url },
      settings: { ...settings, retryForMs: 60_000 },
      onPoint: async (point) => {
        if (
          ended.has(point) ||
          !(['batch-applied', 'verified', 'cutover-drained', 'swapped'] as Point[]).includes(point)
        )
          return;
        ended.add(point);
        await db.query(
          `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name like 'pg-ghost%'`,
        );
      },
    },
    1,
  );
  expect(ended.size).toBe(4);
  await writer.writes(20);
  await writer.stop();
  await expectBack(db);
});
