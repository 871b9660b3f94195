/** How much WAL a migration's own slot may keep, by what is known of the server and what people say. */
import { describe, expect, test } from 'vitest';
import type { SlotFacts } from '../../src/catalog/slots.js';
import { govern, initialState, type GovernorState } from '../../src/throttle/governor.js';
import type { Reading } from '../../src/throttle/reading.js';
import { slotConcern, slotLimits, slotPressure, type SlotPressure } from '../../src/throttle/slot-rule.js';

const GB = 1024 ** 3;
const server = { keepBytes: null, maxWalBytes: GB };

describe('limits', () => {
  test.each([
    ['nothing is known', server, {}, 4 * GB, 32 * GB],
    ['a server made for much WAL', { keepBytes: null, maxWalBytes: 20 * GB }, {}, 20 * GB, 160 * GB],
    ['the server gives slots up', { keepBytes: 10 * GB, maxWalBytes: GB }, {}, 5 * GB, 9 * GB],
    ['the server gives slots up early', { keepBytes: 0, maxWalBytes: GB }, {}, 0, 0],
    ['people allow less', server, { maxRetainedWal: GB, criticalRetainedWal: 2 * GB }, GB, 2 * GB],
    [
      'people allow more',
      server,
      { maxRetainedWal: 100 * GB, criticalRetainedWal: 200 * GB },
      100 * GB,
      200 * GB,
    ],
    ['people allow more before the pause', server, { maxRetainedWal: 100 * GB }, 100 * GB, 800 * GB],
    ['people allow less before the end', server, { criticalRetainedWal: 2 * GB }, GB, 2 * GB],
    ['people allow more before the end', server, { criticalRetainedWal: 500 * GB }, 4 * GB, 500 * GB],
    [
      'people allow more than the server',
      { keepBytes: 10 * GB, maxWalBytes: GB },
      { maxRetainedWal: 100 * GB, criticalRetainedWal: 100 * GB },
      5 * GB,
      9 * GB,
    ],
  ] as const)('%s', (_, bounds, limits, max, critical) => {
    const found = slotLimits(bounds, limits);
    expect([found.max.value, found.critical.value]).toEqual([max, critical]);
  });

  test('each says where it comes from', () => {
    const texts = (...asked: Parameters<typeof slotLimits>): string[] =>
      Object.values(slotLimits(...asked)).map(({ text }) => text);
    expect(texts(server, {})).toEqual([
      'what a slot may keep without --max-retained-wal, 4 GB',
      'what a slot may keep without --critical-retained-wal, 32 GB',
    ]);
    expect(texts({ ...server, keepBytes: 10 * GB }, { maxRetainedWal: GB })).toEqual([
      '--max-retained-wal 1 GB',
      'nine tenths of max_slot_wal_keep_size, 9 GB',
    ]);
  });
});

describe('the end', () => {
  const critical = { value: 9 * GB, text: 'nine tenths of max_slot_wal_keep_size, 9 GB' };
  /** Of readings 10 s apart, those after which the run is to end. */
  function stuckAt(
    readings: readonly (readonly [retained: number | null, unread: number | null, status?: 'unreserved'])[],
  ): number[] {
    let pressure: SlotPressure | null = null;
    return readings.flatMap(([retainedBytes, unreadBytes, walStatus = 'reserved' as const], index) => {
      const now = slotPressure({ retainedBytes, unreadBytes, walStatus }, critical, pressure, index * 10_000);
      pressure = now.pressure;
      return now.isStuck ? [index] : [];
    });
  }
  const times = <T>(count: number, reading: T): T[] => Array.from({ length: count }, () => reading);

  test('comes after a minute in which reading does not help', () => {
    expect(stuckAt(times(8, [9 * GB, 0]))).toEqual([6, 7]);
    expect(stuckAt(times(8, [10 * GB, 8 * GB]))).toEqual([6, 7]);
    expect(stuckAt(times(20, [9 * GB - 1, 9 * GB - 1]))).toEqual([]);
  });

  test('does not come while what has piled up is being read, as after a night', () => {
    expect(stuckAt(Array.from({ length: 20 }, (_, index) => [40 * GB, (40 - index) * GB] as const))).toEqual(
      [],
    );
  });

  test('a little less may be chance; a moment below begins anew', () => {
    expect(stuckAt(Array.from({ length: 8 }, (_, index) => [9 * GB, GB - index * 1000] as const))).toEqual([
      6, 7,
    ]);
    expect(
      stuckAt([...times(6, [9 * GB, 0] as const), [8 * GB, 0], ...times(6, [9 * GB, 0] as const)]),
    ).toEqual([]);
  });

  test('also where the server says that it may give it up, and not where it is lost', () => {
    expect(stuckAt(times(8, [GB, 0, 'unreserved']))).toEqual([6, 7]);
    expect(stuckAt(times(20, [null, null]))).toEqual([]);
  });
});

describe('as the governor has it', () => {
  const reading = (value: number | null, stuck = false): Reading => ({
    signal: 'slot-wal',
    subject: 'slot ghost_1',
    value,
    ...(value === null
      ? {}
      : {
          limits: {
            max: { value: 10, text: 'half of it, 10 B' },
            critical: stuck ? { value: 20, text: 'nine tenths of it, 20 B' } : null,
          },
        }),
  });
  const decided = (...readings: readonly Reading[]): string[] => {
    let state: GovernorState = initialState;
    return readings.map((each) => {
      const { decision, state: next } = govern([each], {}, state);
      state = next;
      return decision.kind === 'go'
        ? `go ${decision.share.toFixed(2)}`
        : `${decision.kind}: ${decision.reasons.map(({ text }) => text).join('; ')}`;
    });
  };

  test('limits of its own, without any that somebody has set', () => {
    expect(decided(reading(5), reading(9), reading(12), reading(9.5), reading(8), reading(21, true))).toEqual(
      [
        'go 1.00',
        'go 0.40',
        'pause: retained WAL 12 B of slot ghost_1 is above half of it, 10 B',
        'pause: retained WAL 9.5 B of slot ghost_1 is not yet 10 % below half of it, 10 B',
        'go 0.70',
        'stop: retained WAL 21 B of slot ghost_1 is above nine tenths of it, 20 B',
      ],
    );
  });

  test('what cannot be read pauses after three times, and lets nothing go', () => {
    expect(decided(reading(null), reading(null), reading(null))).toEqual([
      'go 1.00',
      'go 1.00',
      'pause: retained WAL of slot ghost_1 cannot be read',
    ]);
    expect(decided(reading(12), reading(null)).at(-1)).toBe(
      'pause: retained WAL of slot ghost_1 was not below 10 B and cannot be read now',
    );
  });
});

test('what there is to say of a slot: the worst first', () => {
  const slot: SlotFacts = {
    name: 'ghost_1',
    database: 'shop',
    isOfThisDatabase: true,
    active: true,
    walStatus: 'reserved',
    invalidationReason: null,
    retainedBytes: GB,
    unreadBytes: 0,
    safeBytes: null,
  };
  const { max } = slotLimits(server, {});
  const of = (facts: Partial<SlotFacts>, isNeeded = true): unknown =>
    slotConcern({ ...slot, ...facts }, { max, isNeeded });
  expect(of({})).toBeNull();
  expect(of({ active: false })).toBe('unread');
  expect(of({ retainedBytes: 5 * GB })).toBe('much');
  expect(of({ retainedBytes: 5 * GB, walStatus: 'unreserved' })).toBe('unreserved');
  expect(of({ retainedBytes: null, walStatus: 'lost' })).toBe('lost');
  expect(of({ active: false, invalidationReason: 'idle_timeout' })).toBe('lost');
  expect(of({}, false)).toBe('left');
  expect(of({ isOfThisDatabase: false, walStatus: 'lost' }, false)).toBe('elsewhere');
});
