import { expect, test } from 'vitest';
import { Session } from '../../src/db/session.js';
import { sleep } from '../../src/db/wait.js';
import type { Decision } from '../../src/throttle/governor.js';
import type { Limits } from '../../src/throttle/limits.js';
import type { Signal } from '../../src/throttle/signal.js';
import { throttleQuery } from '../../src/throttle/signals/throttle-query.js';
import { Throttle, type ThrottleOptions } from '../../src/throttle/throttle.js';
import { createDatabase, until, type TestDatabase } from '../support/database.js';

/** A lag that the test sets. */
class Lag implements Signal {
  readonly names = ['replica-lag'] as const;
  reads = 0;
  closed = false;

  constructor(public value: number | null = 0) {}

  async read() {
    this.reads += 1;
    return [{ signal: 'replica-lag', value: this.value } as const];
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}

async function open(db: TestDatabase): Promise<Session> {
  return Session.open({ connection: { url: db.url } });
}

function throttleOf(
  session: Session,
  signals: Signal[],
  limits: Limits,
  more: Partial<ThrottleOptions> = {},
): { readonly throttle: Throttle; readonly told: string[] } {
  const told: string[] = [];
  const throttle = new Throttle({
    session,
    signals,
    limits,
    intervalMs: 5,
    stopError: (reasons) => new Error(`stopped: ${reasons.map(({ text }) => text).join('; ')}`),
    onChange: (decision) => told.push(shown(decision)),
    ...more,
  });
  return { throttle, told };
}

function shown(decision: Decision): string {
  return decision.kind === 'go'
    ? 'go'
    : `${decision.kind}: ${decision.reasons.map(({ text }) => text).join('; ')}`;
}

/** What has become of a promise so far. */
function watched(promise: Promise<void>): { state: 'pending' | 'resolved' | 'rejected' } {
  const watch: { state: 'pending' | 'resolved' | 'rejected' } = { state: 'pending' };
  promise.then(
    () => (watch.state = 'resolved'),
    () => (watch.state = 'rejected'),
  );
  return watch;
}

/** So many rounds later. */
async function rounds(lag: Lag, count: number): Promise<void> {
  const from = lag.reads;
  await until(() => lag.reads >= from + count, { what: `${count} rounds of readings` });
}

test('permission waits while paused and comes when the signal lets go', async () => {
  await using db = await createDatabase();
  await using session = await open(db);
  const lag = new Lag();
  const { throttle, told } = throttleOf(session, [lag], { maxLagMs: 1000 });
  await using _ = throttle;
  await throttle.start();
  await throttle.permission();
  lag.value = 1500;
  await until(() => throttle.current.kind === 'pause', { what: 'the pause' });
  const waiting = [throttle.permission(), throttle.permission()];
  const watches = waiting.map(watched);
  await rounds(lag, 3);
  lag.value = 950;
  await rounds(lag, 3);
  expect(watches.map(({ state }) => state)).toEqual(['pending', 'pending']);
  lag.value = 899;
  await Promise.all(waiting);
  // Once a change, not once a reading.
  expect(told).toEqual(['pause: replica lag 1.5 s is above --max-lag 1 s', 'go']);
});

test('start knows the first readings', async () => {
  await using db = await createDatabase();
  await using session = await open(db);
  const { throttle } = throttleOf(session, [throttleQuery()], { throttleQuery: 'select true' });
  await using _ = throttle;
  expect(throttle.current).toEqual({ kind: 'go', share: 1 });
  await throttle.start();
  expect(shown(throttle.current)).toBe('pause: the throttle query returned true');
  await expect(throttle.start()).rejects.toThrow('started already');
});

test('a critical limit stops for good', async () => {
  await using db = await createDatabase();
  await using session = await open(db);
  const lag = new Lag(1500);
  const { throttle, told } = throttleOf(session, [lag], { maxLagMs: 1000, criticalLagMs: 5000 });
  await using _ = throttle;
  await throttle.start();
  const waiting = throttle.permission();
  lag.value = 6000;
  await expect(waiting).rejects.toThrow('stopped: replica lag 6 s is above --critical-lag 5 s');
  lag.value = 0;
  throttle.pause('wait');
  await expect(throttle.permission()).rejects.toThrow('stopped');
  expect(told.at(-1)).toMatch(/^stop/);
});

test('the signal ends the waiting for permission with its reason', async () => {
  await using db = await createDatabase();
  await using session = await open(db);
  const { throttle } = throttleOf(session, [new Lag(10)], { maxLagMs: 1 });
  await using _ = throttle;
  await throttle.start();
  const controller = new AbortController();
  const waiting = throttle.permission(controller.signal);
  const reason = new Error('enough');
  controller.abort(reason);
  await expect(waiting).rejects.toBe(reason);
  await expect(throttle.permission(controller.signal)).rejects.toBe(reason);
});

test('a person pauses and unpauses, on top of what the signals say', async () => {
  await using db = await createDatabase();
  await using session = await open(db);
  const lag = new Lag();
  const { throttle, told } = throttleOf(session, [lag], { maxLagMs: 1000 });
  await using _ = throttle;
  await throttle.start();
  throttle.pause('paused by anna');
  expect(throttle.current).toEqual({
    kind: 'pause',
    reasons: [{ signal: 'manual', value: null, limit: null, text: 'paused by anna' }],
  });
  const waiting = throttle.permission();
  lag.value = 2000;
  await until(() => throttle.current.kind === 'pause' && throttle.current.reasons.length === 2, {
    what: 'both reasons',
  });
  throttle.unpause();
  const watch = watched(waiting);
  await rounds(lag, 2);
  expect(watch.state).toBe('pending');
  lag.value = 0;
  await waiting;
  expect(told).toEqual([
    'pause: paused by anna',
    'pause: paused by anna; replica lag 2 s is above --max-lag 1 s',
    'pause: replica lag 2 s is above --max-lag 1 s',
    'go',
  ]);
});

test('limits change while it runs; signals without a limit are not read', async () => {
  await using db = await createDatabase();
  await using session = await open(db);
  const lag = new Lag(1500);
  const { throttle } = throttleOf(session, [lag, throttleQuery()], { throttleQuery: 'select 0' });
  await using _ = throttle;
  await throttle.start();
  expect(lag.reads).toBe(0);
  throttle.update({ maxLagMs: 1000 });
  await until(() => throttle.current.kind === 'pause', { what: 'the pause' });
  throttle.update({ maxLagMs: 2000 });
  await throttle.permission();
  throttle.update({ maxLagMs: null, throttleQuery: 'select 1' });
  await until(() => shown(throttle.current) === 'pause: the throttle query returned 1', {
    what: 'the query',
  });
  throttle.update({ throttleQuery: null });
  await throttle.permission();
});

test('a lost session is an error for all who wait and all who come', async () => {
  await using db = await createDatabase();
  await using session = await open(db);
  const { throttle } = throttleOf(session, [throttleQuery()], { throttleQuery: 'select true' });
  await using _ = throttle;
  await throttle.start();
  const waiting = throttle.permission();
  await Promise.all([
    expect(waiting).rejects.toThrow(/terminat/),
    db.query(`select pg_terminate_backend(${session.pid})`),
  ]);
  await expect(throttle.permission()).rejects.toThrow(/terminat/);
  // Nothing to sleep for.
  await throttle.afterChunk(1e9);
});

test('a session is missed also when nothing is read', async () => {
  await using db = await createDatabase();
  await using session = await open(db);
  const { throttle } = throttleOf(session, [], {}, { intervalMs: 600_000 });
  await using _ = throttle;
  await throttle.start();
  await throttle.permission();
  throttle.pause('paused');
  const waiting = throttle.permission();
  await Promise.all([
    expect(waiting).rejects.toThrow(/terminat/),
    db.query(`select pg_terminate_backend(${session.pid})`),
  ]);
});

test('a defect in a signal ends the work', async () => {
  await using db = await createDatabase();
  await using session = await open(db);
  const broken: Signal = {
    names: ['active'],
    read: async () => {
      throw new TypeError('undefined is not a function');
    },
  };
  const { throttle } = throttleOf(session, [broken], { maxActive: 1 });
  await using _ = throttle;
  await throttle.start();
  await expect(throttle.permission()).rejects.toThrow('undefined is not a function');
});

test('a server that does not answer pauses, and goes on when it answers', async () => {
  await using db = await createDatabase('create table t (id int)');
  await using session = await open(db);
  const holder = await db.connect();
  await holder.query('begin; lock table t');
  const hanging: Signal = {
    names: ['waiters'],
    read: async (asked) => {
      await asked.rows('select from t');
      return [{ signal: 'waiters', value: 0 }];
    },
  };
  const { throttle } = throttleOf(session, [hanging], { maxWaiters: 5 }, { answerWithinMs: 20 });
  await using _ = throttle;
  const started = throttle.start();
  await until(() => throttle.current.kind === 'pause', { what: 'the pause' });
  expect(shown(throttle.current)).toBe(
    'pause: the number of lock waiters cannot be read: the server does not answer',
  );
  await holder.query('rollback');
  await started;
  await throttle.permission();
});

test('it ends while the server does not answer, and takes those who wait with it', async () => {
  await using db = await createDatabase('create table t (id int)');
  await using session = await open(db);
  const holder = await db.connect();
  await holder.query('begin; lock table t');
  const lag = new Lag();
  const hanging: Signal = { names: ['waiters'], read: async (asked) => asked.rows('select from t') };
  const { throttle } = throttleOf(session, [hanging, lag], { maxWaiters: 5, maxLagMs: 1 });
  const started = throttle.start();
  throttle.pause('paused');
  const waiting = throttle.permission();
  await Promise.all([
    expect(waiting).rejects.toThrow('the throttle has ended'),
    throttle[Symbol.asyncDispose](),
  ]);
  await started;
  expect(lag.closed).toBe(true);
  await holder.query('rollback');
});

test('after a chunk it sleeps for the share, the nice ratio, and no longer than they ask for', async () => {
  await using db = await createDatabase();
  await using session = await open(db);
  const slept: number[] = [];
  const lag = new Lag(850);
  const { throttle } = throttleOf(
    session,
    [lag],
    { maxLagMs: 1000, niceRatio: 0.5 },
    {
      intervalMs: 200,
      sleep: async (ms, signal) => {
        // The one between rounds is the throttle's own.
        if (signal === undefined) slept.push(ms);
        else await sleep(1, signal);
      },
    },
  );
  await using _ = throttle;
  const total = (): number => slept.splice(0).reduce((sum, ms) => sum + ms, 0);
  await throttle.afterChunk(100);
  expect(total()).toBeCloseTo(50);
  await throttle.start();
  await throttle.afterChunk(1000);
  // 55 % of the time, which is 818 ms of sleep for 1,000 of work; and 500 to be nice.
  expect(slept.length).toBeGreaterThan(1);
  expect(total()).toBeCloseTo(1000 / 0.55 - 1000 + 500);
  throttle.update({ maxLagMs: null, niceRatio: 0 });
  await until(() => throttle.current.kind === 'go' && throttle.current.share === 1, { what: 'full speed' });
  await throttle.afterChunk(1000);
  expect(total()).toBe(0);
});

test('the sleep after a chunk ends when what it is for ends, or with the signal', async () => {
  await using db = await createDatabase();
  await using session = await open(db);
  const { throttle } = throttleOf(session, [], { niceRatio: 1 });
  await using _ = throttle;
  const sleeping = throttle.afterChunk(600_000);
  throttle.update({ niceRatio: 0 });
  await sleeping;
  throttle.update({ niceRatio: 1 });
  const controller = new AbortController();
  const aborted = throttle.afterChunk(600_000, controller.signal);
  const reason = new Error('enough');
  controller.abort(reason);
  await expect(aborted).rejects.toBe(reason);
});
