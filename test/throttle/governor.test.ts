import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  govern,
  initialState,
  pauseAfterChunkMs,
  type Decision,
  type GovernorState,
} from '../../src/throttle/governor.js';
import type { Reading } from '../../src/throttle/reading.js';
import { isLimited, measuredSignals, type Limits, type MeasuredSignal } from '../../src/throttle/limits.js';

/** Decides on one round of readings after the other; a bare number is a lag in ms. */
function decideAll(limits: Limits, rounds: readonly (number | null | readonly Reading[])[]): Decision[] {
  let state: GovernorState = initialState;
  return rounds.map((round) => {
    const readings =
      typeof round === 'object' && round !== null
        ? round
        : [{ signal: 'replica-lag', value: round } as const];
    const decided = govern(readings, limits, state);
    state = decided.state;
    return decided.decision;
  });
}

/** `go 0.55`, or the kind with the texts of its reasons. */
function shown(decision: Decision): string {
  return decision.kind === 'go'
    ? `go ${Number(decision.share.toFixed(3))}`
    : `${decision.kind}: ${decision.reasons.map(({ text }) => text).join('; ')}`;
}

function first(limits: Limits, ...readings: Reading[]): string {
  return shown(govern(readings, limits, initialState).decision);
}

const kinds = (decisions: readonly Decision[]): string[] => decisions.map(({ kind }) => kind);

test('full speed without limits, whatever is read', () => {
  const readings: Reading[] = [
    { signal: 'replica-lag', value: 1e9 },
    { signal: 'autovacuum', value: 3 },
    { signal: 'throttle-query', value: null },
  ];
  expect(govern(readings, {}, initialState)).toEqual({
    decision: { kind: 'go', share: 1 },
    state: new Map(),
  });
  expect(govern([], { maxLagMs: 1 }, initialState).decision).toEqual({ kind: 'go', share: 1 });
  expect(govern(readings, { maxLagMs: null, throttleQuery: null }, initialState).decision.kind).toBe('go');
});

test.each([
  [0, 'go 1'],
  [700, 'go 1'],
  [850, 'go 0.55'],
  [900, 'go 0.4'],
  [999, 'go 0.103'],
  [1000, 'pause: replica lag 1 s is at --max-lag 1 s'],
  [1001, 'pause: replica lag 1 s is above --max-lag 1 s'],
  [123_450, 'pause: replica lag 123.5 s is above --max-lag 1 s'],
])('a lag of %d ms of 1000', (value, expected) => {
  expect(first({ maxLagMs: 1000 }, { signal: 'replica-lag', value })).toBe(expected);
});

test('the share is above 0, at most 1, and never rises with the signal', () => {
  const value = fc.double({ min: 0, max: 1e12, noNaN: true });
  const limit = fc.double({ min: 1e-3, max: 1e12, noNaN: true });
  const shareAt = (at: number, maxLagMs: number): number => {
    const [decision] = decideAll({ maxLagMs }, [at]);
    return decision?.kind === 'go' ? decision.share : 0;
  };
  fc.assert(
    fc.property(value, value, limit, (a, b, maxLagMs) => {
      const [low, high] = [Math.min(a, b), Math.max(a, b)];
      expect(shareAt(low, maxLagMs)).toBeGreaterThanOrEqual(shareAt(high, maxLagMs));
      if (high < maxLagMs) expect(shareAt(high, maxLagMs)).toBeGreaterThanOrEqual(0.1 - 1e-9);
      expect(shareAt(low, maxLagMs)).toBeLessThanOrEqual(1);
    }),
  );
});

test('the signal nearest to its limit decides the share', () => {
  const limits = { maxLagMs: 1000, maxActive: 100, maxWalRate: 1000 };
  expect(
    first(
      limits,
      { signal: 'replica-lag', value: 800 },
      { signal: 'active', value: 85 },
      { signal: 'wal-rate', value: 10 },
    ),
  ).toBe('go 0.55');
});

test('what paused lets go below 90 % of the limit, not before', () => {
  const decisions = decideAll({ maxLagMs: 1000 }, [950, 1000, 999, 900, 899, 950]);
  expect(decisions.map(shown)).toEqual([
    'go 0.25',
    'pause: replica lag 1 s is at --max-lag 1 s',
    'pause: replica lag 999 ms is not yet 10 % below --max-lag 1 s',
    'pause: replica lag 900 ms is not yet 10 % below --max-lag 1 s',
    'go 0.403',
    'go 0.25',
  ]);
});

test('a limit that was changed meanwhile is judged afresh', () => {
  const { state } = govern([{ signal: 'replica-lag', value: 1900 }], { maxLagMs: 1000 }, initialState);
  const after = (limits: Limits, value: number | null): string =>
    govern([{ signal: 'replica-lag', value }], limits, state).decision.kind;
  expect(after({ maxLagMs: 2000 }, 1900)).toBe('go');
  expect(after({ maxLagMs: 1000 }, 950)).toBe('pause');
  expect(after({ maxLagMs: null, criticalLagMs: 5000 }, null)).toBe('go');
  expect(after({ maxLagMs: 1000 }, null)).toBe('pause');
});

test('each subject of a signal pauses and lets go by itself', () => {
  const lag = (one: number, two: number): Reading[] => [
    { signal: 'replica-lag', subject: 'standby1', value: one },
    { signal: 'replica-lag', subject: 'standby2', value: two },
  ];
  const decisions = decideAll({ maxLagMs: 10_000 }, [
    lag(12_300, 0),
    lag(9_500, 11_000),
    lag(8_000, 9_500),
    lag(9_500, 8_000),
  ]);
  expect(decisions.map(shown)).toEqual([
    'pause: replica lag 12.3 s of standby1 is above --max-lag 10 s',
    'pause: replica lag 9.5 s of standby1 is not yet 10 % below --max-lag 10 s; replica lag 11 s of standby2 is above --max-lag 10 s',
    'pause: replica lag 9.5 s of standby2 is not yet 10 % below --max-lag 10 s',
    'go 0.25',
  ]);
});

test('a subject that went away is forgotten', () => {
  const decisions = decideAll({ maxLagMs: 10 }, [
    [{ signal: 'replica-lag', subject: 'standby1', value: 20 }],
    [],
  ]);
  expect(kinds(decisions)).toEqual(['pause', 'go']);
});

test('a limit of 0 is passed by anything above, and by nothing else', () => {
  const decisions = decideAll({ maxLagMs: 0, criticalLagMs: 5 }, [0, 1, 0, 5]);
  expect(decisions.map(shown)).toEqual([
    'go 1',
    'pause: replica lag 1 ms is above --max-lag 0 ms',
    'go 1',
    'stop: replica lag 5 ms is at --critical-lag 5 ms',
  ]);
});

test('a critical limit stops, with its reasons alone, also where nothing pauses', () => {
  const limits = { maxActive: 10, criticalActive: 20, criticalXidAge: 1_500_000_000, maxLagMs: 1000 };
  const active = { signal: 'active', value: 20 } as const;
  const lag = { signal: 'replica-lag', value: 2000 } as const;
  const age = (value: number): Reading => ({ signal: 'xid-age', subject: 'public.orders', value });
  expect(first(limits, lag, active, age(1_600_000_000))).toBe(
    'stop: the number of active sessions 20 is at --critical-active 20; the transaction ID age 1,600,000,000 of public.orders is above --critical-xid-age 1,500,000,000',
  );
  expect(first(limits, age(1_499_999_999))).toBe('go 1');
});

test('reasons carry the facts', () => {
  const { decision } = govern(
    [
      { signal: 'retained-wal', subject: 'slot s', value: 2 ** 31 },
      { signal: 'pause-file', subject: '/tmp/x', value: 1 },
    ],
    { maxRetainedWal: 2 ** 30, pauseFile: '/tmp/x' },
    initialState,
  );
  expect(decision).toEqual({
    kind: 'pause',
    reasons: [
      {
        signal: 'retained-wal',
        subject: 'slot s',
        value: 2 ** 31,
        limit: 2 ** 30,
        text: 'retained WAL 2 GB of slot s is above --max-retained-wal 1 GB',
      },
      {
        signal: 'pause-file',
        subject: '/tmp/x',
        value: 1,
        limit: null,
        text: 'the pause file /tmp/x exists',
      },
    ],
  });
});

test.each<[Limits, Reading, string]>([
  [
    { maxLagBytes: 1024 },
    { signal: 'replica-lag-bytes', subject: 'standby1', value: 1536 },
    'replica lag 1.5 kB of standby1 is above --max-lag-bytes 1 kB',
  ],
  [
    { maxWaiters: 2 },
    { signal: 'waiters', value: 3 },
    'the number of lock waiters 3 is above --max-waiters 2',
  ],
  [
    { maxWalRate: 50 * 2 ** 20 },
    { signal: 'wal-rate', value: 80 * 2 ** 20 },
    'the WAL rate 80 MB/s is above --max-wal-rate 50 MB/s',
  ],
  [
    { pauseOnAutovacuum: true },
    { signal: 'autovacuum', subject: 'public.orders', value: 1 },
    'autovacuum is at work on public.orders',
  ],
  [{ throttleQuery: 'select 3' }, { signal: 'throttle-query', value: 3 }, 'the throttle query returned 3'],
  [
    { throttleQuery: 'select true' },
    { signal: 'throttle-query', value: 1, detail: 'true' },
    'the throttle query returned true',
  ],
])('%j pauses on %j', (limits, reading, text) => {
  expect(first(limits, reading)).toBe(`pause: ${text}`);
});

test('a switch lets go as soon as it is off', () => {
  const query = (value: number): Reading[] => [{ signal: 'throttle-query', value }];
  const decisions = decideAll({ throttleQuery: 'select x' }, [query(0), query(0.1), query(0), query(-1)]);
  expect(kinds(decisions)).toEqual(['go', 'pause', 'go', 'go']);
});

test('three failed readings in a row pause, fewer do not, and one that works lets go', () => {
  const decisions = decideAll({ maxLagMs: 1000 }, [null, null, 0, null, null, null, null, 950]);
  expect(kinds(decisions)).toEqual(['go', 'go', 'go', 'go', 'go', 'pause', 'pause', 'go']);
});

test('what cannot be read says why', () => {
  const failing = (reading: Reading): Reading[][] => [[reading], [reading], [reading]];
  const last = (limits: Limits, reading: Reading): string => {
    const decision = decideAll(limits, failing(reading)).at(-1);
    return decision === undefined ? '' : shown(decision);
  };
  const detail = 'why';
  expect(
    last({ criticalLagMs: 1 }, { signal: 'replica-lag', subject: 'standby1', value: null, detail }),
  ).toBe('pause: replica lag of standby1 cannot be read: why');
  expect(last({ throttleQuery: 'select x' }, { signal: 'throttle-query', value: null, detail })).toBe(
    'pause: the throttle query cannot be read: why',
  );
  expect(last({ pauseFile: '/x' }, { signal: 'pause-file', subject: '/x', value: null })).toBe(
    'pause: the pause file /x cannot be read',
  );
  expect(last({ pauseOnAutovacuum: true }, { signal: 'autovacuum', value: null })).toBe(
    'pause: autovacuum cannot be read',
  );
});

test('what paused is not let go on a failed reading', () => {
  const decisions = decideAll({ maxLagMs: 1000 }, [1500, null, null, null, 950, 10]);
  expect(decisions.slice(1).map(shown)).toEqual([
    ...Array<string>(3).fill('pause: replica lag was not below --max-lag 1 s and cannot be read now'),
    'pause: replica lag 950 ms is not yet 10 % below --max-lag 1 s',
    'go 1',
  ]);
  const query = (value: number | null): Reading[] => [{ signal: 'throttle-query', value }];
  expect(shown(decideAll({ throttleQuery: 'select x' }, [query(1), query(null)])[1] as Decision)).toBe(
    'pause: the throttle query paused the work and cannot be read now',
  );
});

test('a failed reading goes on as slowly as the last one that worked', () => {
  expect(decideAll({ maxLagMs: 1000 }, [850, null]).map(shown)).toEqual(['go 0.55', 'go 0.55']);
});

test('a signal that fails as a whole keeps what its subjects held up', () => {
  const standby = (value: number): Reading[] => [{ signal: 'replica-lag', subject: 'standby1', value }];
  const whole: Reading[] = [{ signal: 'replica-lag', value: null, detail: 'timeout' }];
  const decisions = decideAll({ maxLagMs: 1000 }, [standby(2000), whole, whole, whole, standby(10), whole]);
  expect(decisions.map(shown)).toEqual([
    'pause: replica lag 2 s of standby1 is above --max-lag 1 s',
    'pause: replica lag of standby1 was not below --max-lag 1 s and cannot be read now',
    'pause: replica lag of standby1 was not below --max-lag 1 s and cannot be read now',
    'pause: replica lag cannot be read: timeout; replica lag of standby1 was not below --max-lag 1 s and cannot be read now',
    'go 1',
    'go 1',
  ]);
  expect(decideAll({ maxLagMs: 1000 }, [standby(850), whole]).map(shown)).toEqual(['go 0.55', 'go 0.55']);
});

test('every measured signal has its limits, and is read for either', () => {
  for (const [signal, { max, critical, isAlwaysLimited = false }] of Object.entries(measuredSignals)) {
    const name = signal as MeasuredSignal;
    expect(isLimited({}, name)).toBe(isAlwaysLimited);
    expect(isLimited({ [max]: 0 }, name)).toBe(true);
    expect(isLimited({ [critical]: 0 }, name)).toBe(true);
    expect(first({ [max]: 10 }, { signal: name, value: 10 })).toMatch(/^pause: .* is at --max-/);
    expect(first({ [critical]: 10 }, { signal: name, value: 10 })).toMatch(/^stop: .* is at --critical-/);
  }
});

test.each([
  ['full speed', 500, 1, 0, 0],
  ['half the time', 500, 0.5, 0, 500],
  ['a tenth of the time', 500, 0.1, 0, 4500],
  ['nice alone', 500, 1, 2, 1000],
  ['nice on top', 500, 0.5, 1, 1000],
  ['a chunk that took no time', 0, 0.1, 5, 0],
])('%s', (_, chunkMs, share, nice, expected) => {
  expect(pauseAfterChunkMs(chunkMs, share, nice)).toBeCloseTo(expected);
});
