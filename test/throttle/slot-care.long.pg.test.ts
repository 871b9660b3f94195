/** The WAL that slots keep, on a server that gives them up: what a run does about its own, and about those of others. */
import { afterAll, afterEach, beforeAll, expect, inject, test, vi } from 'vitest';
import { plan, status, type MigrationStatus } from '../../src/index.js';
import type { EmbeddedMajor } from '../../src/lab/embedded-binaries.js';
import { startEmbeddedServer, type EmbeddedServer } from '../../src/lab/embedded-server.js';
import { OwnDatabase } from '../crash/own-database.js';
import { failure, request, runChange, stopAtPoint } from '../support/migration.js';
import { until } from '../support/until.js';
import { HeldRun } from './held-run.js';

const major = inject('serverMajor') as EmbeddedMajor;
const change = { table: 't', alter: ['ALTER COLUMN id TYPE bigint'] };
const logical = { capture: 'logical' } as const;
const MB = 1024 ** 2;

let server: EmbeddedServer;
beforeAll(async () => {
  const settings = {
    fsync: 'off',
    wal_level: 'logical',
    max_slot_wal_keep_size: '128MB',
    // None that we do not ask for: it would give a slot up.
    max_wal_size: '4GB',
    checkpoint_timeout: '1h',
    log_min_messages: 'fatal',
  };
  server = await startEmbeddedServer({ major, settings });
});
afterAll(async () => {
  await server?.stop({ immediate: true });
});
afterEach(() => {
  vi.restoreAllMocks();
});

let databases = 0;
async function database(): Promise<OwnDatabase> {
  const db = await OwnDatabase.create(server, `care_${(databases += 1)}`);
  await db.run(
    `create table t (id int primary key, v text); insert into t select i, 'v' || i from generate_series(1, 1000) as i`,
  );
  return db;
}

async function write(db: OwnDatabase, megabytes: number): Promise<void> {
  await db.run(
    `select pg_logical_emit_message(false, 'test', repeat('x', ${MB})) from generate_series(1, ${megabytes})`,
  );
}

/** Decoding must be able to begin before it: the server keeps all WAL since. */
async function longTransaction(db: OwnDatabase): Promise<() => Promise<void>> {
  const client = await db.connect();
  await client.query('begin; select pg_current_xact_id()');
  return async () => {
    await client.query('rollback');
    await client.end();
  };
}

/** What the server does every 15 s by itself, without which it does not see that a slot needs less. */
async function look(db: OwnDatabase): Promise<void> {
  await db.run(major >= 16 ? 'select pg_log_standby_snapshot()' : 'checkpoint');
}

/** That nobody reads. */
async function otherSlot(db: OwnDatabase): Promise<AsyncDisposable> {
  // It keeps what there is since the last one.
  await db.run('checkpoint');
  await db.run(`select pg_create_physical_replication_slot('other', true)`);
  return {
    [Symbol.asyncDispose]: async () => {
      await db.run(
        `select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = 'other'`,
      );
    },
  };
}

async function only(db: OwnDatabase): Promise<MigrationStatus> {
  const [found] = await status({ connection: { url: db.url } }, 1);
  if (found === undefined) throw new Error('there is no migration');
  return found;
}

test('at half of what the server keeps the copy rests, and goes on when less is kept', async () => {
  await using db = await database();
  const planned = await plan({ connection: { url: db.url }, request: request(change), settings: logical });
  expect(planned.warnings).toContainEqual({ code: 'slot-limit', facts: { keepBytes: 128 * MB } });
  const run = new HeldRun(db.url, change, { ...logical, holdAt: 'chunk-copied' });
  await run.held();
  const end = await longTransaction(db);
  await write(db, 70);
  await run.throttled(
    /^retained WAL \d+(\.\d+)? MB of slot ghost_1_[0-9a-f]{32} is above half of max_slot_wal_keep_size, 64 MB$/,
  );
  expect(run.count('slot:progress')).toBeGreaterThan(0);
  await until(async () => (await only(db)).throttledBy?.includes('half of max_slot_wal_keep_size') === true, {
    what: 'status to say so',
  });
  const { slot } = await only(db);
  expect(slot).toMatchObject({
    active: true,
    walStatus: 'reserved',
    invalidationReason: null,
    concern: 'much',
  });
  expect(slot?.retainedBytes).toBeGreaterThan(64 * MB);
  expect(slot?.safeBytes).toBeGreaterThan(0);
  // Read it is; the transaction is what keeps it.
  await until(async () => Number((await only(db)).slot?.unreadBytes) < MB, { what: 'the stream to be read' });
  await end();
  run.letGo();
  await until(
    async () => {
      await look(db);
      return run.throttledBy.length === 0;
    },
    { what: 'it to be let go' },
  );
  await run.ended;
  expect((await only(db)).slot).toBeNull();
});

test('near its end the run stops, and continued it reads first', async () => {
  await using db = await database();
  const run = new HeldRun(db.url, change, { ...logical, holdAt: 'chunk-copied' });
  await run.held();
  const end = await longTransaction(db);
  await write(db, 120);
  await run.throttled(/half of max_slot_wal_keep_size/);
  // There is nothing more to read, and that was seen.
  await until(async () => Number((await only(db)).slot?.unreadBytes) < MB, { what: 'the stream to be read' });
  const told = run.count('slot:progress');
  await until(async () => run.count('slot:progress') > told, { what: 'it to be looked at' });
  // Reading has a minute to help.
  const real = performance.now.bind(performance);
  vi.spyOn(performance, 'now').mockImplementation(() => real() + 70_000);
  await run.throttled(/is above nine tenths of max_slot_wal_keep_size, 115 MB$/);
  run.letGo();
  const stopped = await failure(run.ended);
  expect(stopped).toMatchObject({ code: 'slot-keeps-wal', exitCode: 1 });
  expect(JSON.stringify(stopped)).toContain('the server goes on keeping WAL for its slot');
  vi.restoreAllMocks();
  expect(await only(db)).toMatchObject({
    phase: 'copy',
    error: { code: 'slot-keeps-wal' },
    slot: { active: false, concern: 'much' },
  });

  await end();
  const again = new HeldRun(db.url, change, logical);
  await again.throttled(/half of max_slot_wal_keep_size/);
  await until(
    async () => {
      await look(db);
      return again.throttledBy.length === 0;
    },
    { what: 'it to be let go' },
  );
  expect((await again.ended).result.rows).toBe(1000);
});

test.each(['triggers', 'logical'] as const)(
  'slots of others hold the copy up, captured by %s',
  async (capture) => {
    await using db = await database();
    await using other = await otherSlot(db);
    const run = new HeldRun(db.url, change, {
      capture,
      holdAt: 'chunk-copied',
      limits: { maxRetainedWal: 20 * MB },
    });
    await run.held();
    await write(db, 30);
    await run.throttled(/^retained WAL .* of slot other is above --max-retained-wal 20 MB$/);
    await other[Symbol.asyncDispose]();
    await until(
      async () => {
        await look(db);
        return run.throttledBy.length === 0;
      },
      { what: 'it to be let go' },
    );
    run.letGo();
    expect((await run.ended).result.rows).toBe(1000);
  },
);

test('a critical limit for the slots of others ends the run at once', async () => {
  await using db = await database();
  await using other = await otherSlot(db);
  const run = new HeldRun(db.url, change, {
    ...logical,
    holdAt: 'chunk-copied',
    limits: { criticalRetainedWal: 20 * MB },
  });
  await run.held();
  await write(db, 30);
  await run.throttled(/of slot other is above --critical-retained-wal 20 MB$/);
  run.letGo();
  expect(await failure(run.ended)).toMatchObject({ code: 'critical-limit' });
  await other[Symbol.asyncDispose]();
  await runChange(db, change, { settings: logical });
});

test('stopped and left alone: status says what the slot keeps, and when it is lost', async () => {
  await using db = await database();
  await stopAtPoint(db, change, 'copied', { settings: logical });
  expect((await only(db)).slot).toMatchObject({ active: false, concern: 'unread', walStatus: 'reserved' });
  await write(db, 70);
  expect((await only(db)).slot).toMatchObject({ concern: 'much' });
  await write(db, 130);
  expect((await only(db)).slot).toMatchObject({ concern: 'unreserved', walStatus: 'unreserved' });
  await db.run('checkpoint');
  expect((await only(db)).slot).toMatchObject({
    concern: 'lost',
    walStatus: 'lost',
    invalidationReason: major >= 17 ? 'wal_removed' : null,
    retainedBytes: null,
    unreadBytes: null,
    safeBytes: null,
  });
});
