/**
 * Whole runs beside a standby that falls behind, under writes that are mirrored in the same transaction: copy and swap wait
 * for it, the application and the change log do not, and in the end no write is missing, here and there.
 */
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import type { EmbeddedMajor } from '../../src/lab/embedded-binaries.js';
import { startEmbeddedServer, type EmbeddedServer } from '../../src/lab/embedded-server.js';
import { status, type MigrationStatus } from '../../src/index.js';
import { failure } from '../support/migration.js';
import { until } from '../support/until.js';
import { BusyDatabase, change } from './busy-primary.js';
import { HeldRun } from './held-run.js';
import { pausedReplay, startStandby, type Standby } from './standby.js';

let primary: EmbeddedServer;
let standby: Standby;

beforeAll(async () => {
  primary = await startEmbeddedServer({
    major: inject('serverMajor') as EmbeddedMajor,
    settings: { fsync: 'off', shared_buffers: '64MB', wal_keep_size: '512MB', log_checkpoints: 'off' },
  });
  standby = await startStandby(primary, 'standby1');
});

afterAll(async () => {
  await standby?.[Symbol.asyncDispose]();
  await primary?.stop({ immediate: true });
});

async function statusOf(db: BusyDatabase): Promise<MigrationStatus> {
  const [found] = await status({ connection: { url: db.url } }, 1);
  if (found === undefined) throw new Error('there is no migration');
  return found;
}

/** A run says once a second how it is. */
async function throttledBy(db: BusyDatabase, reason: RegExp): Promise<MigrationStatus> {
  return await until(
    async () => {
      const found = await statusOf(db);
      const reasons = (found.throttledBy ?? '').split('; ');
      return reasons.some((text) => reason.test(text)) && found;
    },
    { what: `the status to say: ${String(reason)}` },
  );
}

/** Waits until the application has written so many more keys into the change log, which nobody applies meanwhile. */
async function captured(db: BusyDatabase, keys: number): Promise<void> {
  const before = (await statusOf(db)).backlog;
  await until(async () => (await statusOf(db)).backlog >= before + keys, {
    what: `${keys} more keys in the log`,
  });
}

/** The log goes on being applied: a write by hand arrives in the shadow. */
async function applied(db: BusyDatabase, note: string): Promise<void> {
  await db.mark(note);
  await until(async () => (await db.markInShadow()) === note, { what: `${note} in the shadow` });
}

async function expectNothingLost(db: BusyDatabase): Promise<void> {
  const { errors, transactions } = await db.stop();
  expect(errors).toEqual([]);
  expect(transactions).toBeGreaterThan(200);
  expect(await db.lost()).toEqual([]);
  expect(await db.lostOn(standby.url)).toEqual([]);
}

// What differs between versions is in standby.pg.test.ts; whole runs of this length are for one of them.
describe.runIf(inject('serverMajor') === 18)('a whole run', () => {
  const address = (): string => `${new URL(standby.url).host}/postgres`;
  const replayPaused = (): Promise<AsyncDisposable> => pausedReplay(standby.url);
  const gone = async (): Promise<AsyncDisposable> => {
    await standby.stop();
    return { [Symbol.asyncDispose]: () => standby.start() };
  };
  const behind = (who: string): RegExp =>
    new RegExp(`^replica lag [\\d.]+ m?s of ${who} is above --max-lag 500 ms$`);

  test.each([
    {
      what: 'that is behind, seen by the primary',
      hold: replayPaused,
      replicas: () => [],
      reason: () => behind('standby1'),
    },
    {
      what: 'that is behind, named by its address',
      hold: replayPaused,
      replicas: () => [{ url: standby.url }],
      reason: () => behind(address()),
    },
    {
      what: 'that is gone, named by its address',
      hold: gone,
      replicas: () => [{ url: standby.url }],
      reason: () => new RegExp(`^replica lag of ${address()} .*cannot be read.*: .*ECONNREFUSED`),
    },
  ])('copy and swap wait for a standby $what', async ({ hold, replicas, reason }) => {
    await using db = await BusyDatabase.start(primary);
    const run = new HeldRun(db.url, change, {
      limits: { maxLagMs: 500 },
      replicas: replicas(),
      holdAt: 'chunk-copied',
    });
    await run.held(2);
    {
      await using _ = await hold();
      await run.throttled(reason());
      const { chunks } = run;
      run.letGo('verified');
      await captured(db, 200);
      expect(run.chunks).toBe(chunks);
      expect(await throttledBy(db, reason())).toMatchObject({ phase: 'copy', paused: false, error: null });
    }
    await run.held();
    expect(run.chunks).toBeGreaterThan(3);
    {
      await using _ = await hold();
      await run.throttled(reason());
      run.letGo();
      await run.told('cutover:missed');
      await applied(db, 'while the swap waits');
      await applied(db, 'and once more');
      expect(run.events.findLast(({ event }) => event === 'cutover:missed')).toMatchObject({
        why: 'not-ready',
        tried: false,
        reason: expect.stringMatching(/^replica lag /),
      });
      expect(run.count('cutover:try')).toBe(0);
      expect((await statusOf(db)).phase).toBe('cutover');
    }
    await run.ended;
    expect(run.count('cutover:done')).toBe(1);
    await expectNothingLost(db);
  });

  test('a critical lag ends the run, in the copy and before the swap; the same command goes on', async () => {
    await using db = await BusyDatabase.start(primary);
    const limits = { criticalLagMs: 2_000 };
    const stops = async (run: HeldRun): Promise<void> => {
      await using _ = await pausedReplay(standby.url);
      await run.throttled(/^replica lag .* of standby1 is above --critical-lag 2 s$/);
      const { chunks } = run;
      run.letGo();
      expect(await failure(run.ended)).toMatchObject({
        code: 'critical-limit',
        exitCode: 1,
        message: expect.stringMatching(/^stopped: replica lag .* of standby1 is above --critical-lag 2 s$/),
        state: expect.stringContaining('migration 1 keeps its state'),
        hint: expect.stringContaining('resume migration 1 when that is over'),
      });
      expect(run.chunks).toBe(chunks);
      expect(run.count('cutover:try')).toBe(0);
      await captured(db, 100);
    };
    const followed = (): Promise<void> => db.followedBy(standby.url);
    await followed();
    const copying = new HeldRun(db.url, change, { limits, holdAt: 'chunk-copied' });
    await copying.held(2);
    await stops(copying);
    expect(await statusOf(db)).toMatchObject({
      phase: 'copy',
      runnerPid: null,
      throttledBy: null,
      error: { code: 'critical-limit' },
    });

    await followed();
    const ready = new HeldRun(db.url, change, { limits, holdAt: 'cutover-ready' });
    await ready.held();
    await stops(ready);
    expect(await statusOf(db)).toMatchObject({ phase: 'cutover', error: { code: 'critical-limit' } });

    await followed();
    await new HeldRun(db.url, change, { limits }).ended;
    await expectNothingLost(db);
  });
});
