import { inject, test, expect, beforeAll, afterAll } from 'vitest';
import type { EmbeddedMajor } from '../../src/lab/embedded-binaries.js';
import { startEmbeddedServer, type EmbeddedServer } from '../../src/lab/embedded-server.js';
import { Session } from '../../src/db/session.js';
import type { Decision } from '../../src/throttle/governor.js';
import type { Reading } from '../../src/throttle/reading.js';
import type { Limits } from '../../src/throttle/limits.js';
import type { Signal } from '../../src/throttle/signal.js';
import { allSignals } from '../../src/throttle/signals.js';
import { replicaLag } from '../../src/throttle/signals/replica-lag.js';
import { streamingLag } from '../../src/throttle/signals/streaming-lag.js';
import { Throttle } from '../../src/throttle/throttle.js';
import { until } from '../support/database.js';
import { pausedReplay, startStandby, type Standby } from './standby.js';

let primary: EmbeddedServer;
let standby: Standby;

beforeAll(async () => {
  primary = await startEmbeddedServer({
    major: inject('serverMajor') as EmbeddedMajor,
    settings: { fsync: 'off', shared_buffers: '16MB', wal_keep_size: '256MB', wal_level: 'logical' },
  });
  standby = await startStandby(primary, 'standby1');
  await using session = await Session.open({ connection: { url: primary.url() } });
  await session.batch(['create table t (note text)']);
});

afterAll(async () => {
  await standby?.[Symbol.asyncDispose]();
  await primary?.stop({ immediate: true });
});

async function onPrimary(url = primary.url()): Promise<Session> {
  return Session.open({ connection: { url }, applicationName: 'pg-ghost 1 throttle' });
}

async function writeMegabytes(session: Session, count: number): Promise<void> {
  await session.execute({
    text: `insert into t select repeat(md5(i::text), 30) from generate_series(1, $1::int) as i`,
    values: [count * 1000],
  });
}

function valueOf(readings: readonly Reading[], signal: string): number | null | undefined {
  return readings.find((reading) => reading.signal === signal)?.value;
}

async function isCaughtUp(signal: Signal, session: Session): Promise<boolean> {
  return valueOf(await signal.read(session, {}), 'replica-lag-bytes') === 0;
}

test.each<[string, () => Signal, RegExp]>([
  ['seen by the primary', () => streamingLag(), /^standby1$/],
  [
    'asked itself',
    () => replicaLag({ replicas: [{ url: standby.url }], applicationName: 'pg-ghost 1 throttle' }),
    /^127\.0\.0\.1:\d+\/postgres$/,
  ],
])(
  'a standby that does not replay is behind by bytes and by a time that rises: %s',
  async (_, signalOf, name) => {
    await using session = await onPrimary();
    await using writer = await onPrimary();
    const signal = signalOf();
    try {
      await until(() => isCaughtUp(signal, session), { what: 'the standby to catch up' });
      const idle = await signal.read(session, {});
      expect(idle.map(({ subject }) => subject)).toEqual([
        expect.stringMatching(name),
        expect.stringMatching(name),
      ]);
      expect(valueOf(idle, 'replica-lag')).toBe(0);
      await using replay = await pausedReplay(standby.url);
      await writeMegabytes(writer, 2);
      const first = await until(
        async () => {
          const readings = await signal.read(session, {});
          return (valueOf(readings, 'replica-lag') ?? 0) > 100 && readings;
        },
        { what: 'a lag of 100 ms' },
      );
      expect(valueOf(first, 'replica-lag-bytes')).toBeGreaterThan(2_000_000);
      // Nothing is written any more, and the time rises all the same.
      const before = valueOf(first, 'replica-lag') ?? 0;
      await until(async () => (valueOf(await signal.read(session, {}), 'replica-lag') ?? 0) > before + 300, {
        what: 'a longer lag',
      });
      await replay.resume();
      await until(() => isCaughtUp(signal, session), { what: 'the standby to catch up again' });
      expect(valueOf(await signal.read(session, {}), 'replica-lag')).toBe(0);
    } finally {
      await signal.close?.();
    }
  },
);

test('the time rises also while the standby sends no message', async () => {
  await using session = await onPrimary();
  await using writer = await onPrimary();
  let nowMs = 0;
  const signal = streamingLag(() => nowMs);
  await until(() => isCaughtUp(signal, session), { what: 'the standby to catch up' });
  await using _ = await pausedReplay(standby.url);
  await writeMegabytes(writer, 1);
  expect(valueOf(await signal.read(session, {}), 'replica-lag')).toBeLessThan(60_000);
  nowMs += 3_600_000;
  expect(valueOf(await signal.read(session, {}), 'replica-lag')).toBe(3_600_000);
});

test('a standby that was behind before we looked is known by its last commit, after the second look', async () => {
  await using session = await onPrimary();
  await using writer = await onPrimary();
  await using replay = await pausedReplay(standby.url);
  await writeMegabytes(writer, 1);
  const committedMs = performance.now();
  const aged = 500;
  await until(() => performance.now() - committedMs > aged, { what: 'the commit to be old' });
  const signal = replicaLag({ replicas: [{ url: standby.url }], applicationName: 'pg-ghost 1 throttle' });
  try {
    expect(valueOf(await signal.read(session, {}), 'replica-lag')).toBe(0);
    expect(valueOf(await signal.read(session, {}), 'replica-lag')).toBeGreaterThan(aged);
    await replay.resume();
  } finally {
    await signal.close?.();
  }
});

test.each<[string, Limits]>([
  ['by time', { maxLagMs: 200 }],
  ['by bytes', { maxLagBytes: 1024 * 1024 }],
])('the throttle pauses on a standby that lags %s, and lets go when it has caught up', async (_, limits) => {
  await using session = await onPrimary();
  await using writer = await onPrimary();
  const told: Decision[] = [];
  await using throttle = new Throttle({
    session,
    signals: allSignals({ tables: [], ownApplications: 'pg-ghost 1 ', replicas: [{ url: standby.url }] }),
    limits,
    intervalMs: 20,
    stopError: () => new Error('stopped'),
    onChange: (decision) => told.push(decision),
  });
  await throttle.start();
  await throttle.permission();
  await using replay = await pausedReplay(standby.url);
  await writeMegabytes(writer, 2);
  const reasons = await until(
    () =>
      throttle.current.kind === 'pause' && throttle.current.reasons.length === 2 && throttle.current.reasons,
    { what: 'both views of the standby to pause' },
  );
  expect(reasons.map(({ text }) => text)).toEqual([
    expect.stringMatching(/^replica lag [\d.]+ \w+ of standby1 is above --max-lag(-bytes)? [\d.]+ \w+$/),
    expect.stringMatching(/^replica lag [\d.]+ \w+ of 127\.0\.0\.1:\d+\/postgres is above --max-lag/),
  ]);
  const permission = throttle.permission();
  await replay.resume();
  await permission;
  expect(told.at(-1)?.kind).toBe('go');
});

test('a critical lag stops', async () => {
  await using session = await onPrimary();
  await using writer = await onPrimary();
  await using throttle = new Throttle({
    session,
    signals: [streamingLag()],
    limits: { maxLagBytes: 100_000, criticalLagBytes: 1_000_000 },
    intervalMs: 20,
    stopError: (reasons) => new Error(reasons.map(({ text }) => text).join('; ')),
  });
  await throttle.start();
  await using _ = await pausedReplay(standby.url);
  await writeMegabytes(writer, 2);
  await until(() => throttle.current.kind === 'stop', { what: 'the stop' });
  await expect(throttle.permission()).rejects.toThrow(
    /^replica lag .* of standby1 is above --critical-lag-bytes/,
  );
});

test('a role without rights sees that there is a standby, and cannot read how far it is', async () => {
  await using admin = await onPrimary();
  await admin.batch([`create role nosy login password 'nosy'`]);
  await using session = await onPrimary(primary.url('postgres', 'nosy', 'nosy'));
  const detail = 'the role lacks pg_read_all_stats, which is part of pg_monitor';
  expect(await streamingLag().read(session, {})).toEqual([
    { signal: 'replica-lag', value: null, subject: 'standby1', detail },
    { signal: 'replica-lag-bytes', value: null, subject: 'standby1', detail },
  ]);
  await admin.batch(['grant pg_monitor to nosy']);
  expect((await streamingLag().read(session, {})).map(({ value }) => typeof value)).toEqual([
    'number',
    'number',
  ]);
});

test('a standby that comes back is read again', async () => {
  await using session = await onPrimary();
  const signal = replicaLag({ replicas: [{ url: standby.url }], applicationName: 'pg-ghost 1 throttle' });
  try {
    await until(() => isCaughtUp(signal, session), { what: 'the standby to catch up' });
    await using killer = await Session.open({ connection: { url: standby.url } });
    await killer.rows(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pg-ghost 1 throttle'`,
    );
    await until(async () => valueOf(await signal.read(session, {}), 'replica-lag') === null, {
      what: 'a reading that fails',
    });
    await until(() => isCaughtUp(signal, session), { what: 'the reading to work again' });
    expect(valueOf(await signal.read(session, {}), 'replica-lag')).toBe(0);
  } finally {
    await signal.close?.();
  }
});
