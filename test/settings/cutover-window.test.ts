import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  cutoverWindow,
  type CutoverWindow,
  isOpen,
  remaining,
  untilOpen,
} from '../../src/settings/cutover-window.js';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const berlin = cutoverWindow('02:00-04:00 Europe/Berlin');
const at = (text: string): Date => new Date(text);
const later = (now: Date, ms: number): Date => new Date(now.getTime() + ms);

test.each([
  ['02:00-04:00 Europe/Berlin', { from: 120, to: 240, zone: 'Europe/Berlin' }],
  ['22:00-02:00', { from: 1320, to: 120, zone: 'UTC' }],
  [' 2:05 - 23:59  America/New_York ', { from: 125, to: 1439, zone: 'America/New_York' }],
  ['22:00-24:00', { from: 1320, to: 0, zone: 'UTC' }],
])('the window "%s"', (text, window) => {
  expect(cutoverWindow(text)).toEqual({ text: text.trim(), ...window });
});

test.each([
  '',
  '02:00',
  '2-4',
  '02:00-04:00 Europe/Berlin please',
  '02:60-04:00',
  '02:00-24:01',
  '25:00-02:00',
  '02:00-04:00 Europe/Atlantis',
  // Always or never?
  '02:00-02:00',
  '00:00-24:00',
])('not a window: "%s"', (text) => {
  expect(() => cutoverWindow(text)).toThrow(
    expect.objectContaining({
      code: 'bad-cutover-window',
      exitCode: 2,
      message: expect.stringContaining(`"${text}"`) as string,
      hint: expect.stringContaining('Europe/Berlin') as string,
    }) as Error,
  );
});

test('an ordinary day', () => {
  // 01:30 in Berlin, in summer.
  const before = at('2026-07-01T23:30:00Z');
  expect(isOpen(berlin, before)).toBe(false);
  expect(untilOpen(berlin, before)).toBe(30 * minuteMs);
  expect(remaining(berlin, before)).toBe(0);
  const inside = at('2026-07-02T00:00:00Z');
  expect(isOpen(berlin, inside)).toBe(true);
  expect(untilOpen(berlin, inside)).toBe(0);
  expect(remaining(berlin, inside)).toBe(2 * hourMs);
  const end = at('2026-07-02T02:00:00Z');
  expect(isOpen(berlin, later(end, -1))).toBe(true);
  expect(isOpen(berlin, end)).toBe(false);
  expect(untilOpen(berlin, end)).toBe(22 * hourMs);
});

test('over midnight', () => {
  const window = cutoverWindow('22:00-02:00');
  expect(untilOpen(window, at('2026-01-01T21:59:30.250Z'))).toBe(29_750);
  expect(remaining(window, at('2026-01-01T23:00:00Z'))).toBe(3 * hourMs);
  expect(remaining(window, at('2026-01-02T01:59:59.999Z'))).toBe(1);
  expect(isOpen(window, at('2026-01-02T02:00:00Z'))).toBe(false);
});

test('clocks put forward, 02:00 to 03:00: it opens late, and is short', () => {
  const before = at('2026-03-29T00:30:00Z');
  expect(untilOpen(berlin, before)).toBe(30 * minuteMs);
  expect(remaining(berlin, at('2026-03-29T01:00:00Z'))).toBe(hourMs);
  const lateStart = cutoverWindow('02:30-04:00 Europe/Berlin');
  expect(untilOpen(lateStart, before)).toBe(30 * minuteMs);
});

test('clocks put forward over all of it: it stays shut that day', () => {
  const skipped = cutoverWindow('02:10-02:50 Europe/Berlin');
  expect(untilOpen(skipped, at('2026-03-29T00:30:00Z'))).toBe(
    at('2026-03-30T00:10:00Z').getTime() - at('2026-03-29T00:30:00Z').getTime(),
  );
  // The day before it closes at its usual time.
  expect(remaining(skipped, at('2026-03-28T01:15:00Z'))).toBe(35 * minuteMs);
  // It closes at the change when that jumps over its end.
  expect(remaining(cutoverWindow('01:30-02:30 Europe/Berlin'), at('2026-03-29T00:45:00Z'))).toBe(
    15 * minuteMs,
  );
});

test('clocks put back, 03:00 to 02:00: it is open an hour longer', () => {
  expect(remaining(berlin, at('2026-10-25T00:00:00Z'))).toBe(3 * hourMs);
});

test('clocks put back over it: it opens twice', () => {
  const twice = cutoverWindow('02:10-02:50 Europe/Berlin');
  expect(untilOpen(twice, at('2026-10-25T00:00:00Z'))).toBe(10 * minuteMs);
  expect(remaining(twice, at('2026-10-25T00:10:00Z'))).toBe(40 * minuteMs);
  expect(untilOpen(twice, at('2026-10-25T00:50:00Z'))).toBe(20 * minuteMs);
  expect(remaining(twice, at('2026-10-25T01:10:00Z'))).toBe(40 * minuteMs);
});

const zones = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  // Half an hour of summer time.
  'Australia/Lord_Howe',
  'Asia/Kathmandu',
  // Its clocks are changed at midnight.
  'America/Santiago',
];

const windows: fc.Arbitrary<CutoverWindow> = fc
  .record({
    text: fc.constant(''),
    from: fc.integer({ min: 0, max: 1439 }),
    to: fc.integer({ min: 0, max: 1439 }),
    zone: fc.constantFrom(...zones),
  })
  .filter(({ from, to }) => from !== to);

/** Around the changes of the clocks more often than elsewhere. */
const moments = fc
  .oneof(
    fc.constantFrom('2026-03-29T01:00Z', '2026-10-25T01:00Z').chain(around),
    // New York, Lord Howe and Santiago.
    fc
      .constantFrom(
        '2026-03-08T07:00Z',
        '2026-11-01T06:00Z',
        '2026-04-04T15:00Z',
        '2026-10-03T15:30Z',
        '2026-04-05T03:00Z',
        '2026-09-06T04:00Z',
      )
      .chain(around),
    fc.integer({ min: at('2026-01-01').getTime(), max: at('2027-01-01').getTime() }),
  )
  .map((ms) => new Date(ms));

function around(change: string): fc.Arbitrary<number> {
  return fc.integer({ min: -30 * hourMs, max: 6 * hourMs }).map((ms) => at(change).getTime() + ms);
}

/** By looking at each minute's clock: written in another way than what it checks. */
function opensAt({ from, to, zone }: CutoverWindow, moment: Date): boolean {
  const [hour = 0, minute = 0] = moment
    .toLocaleTimeString('en-GB', { timeZone: zone, hour12: false })
    .split(':')
    .map(Number);
  const time = hour * 60 + minute;
  return from < to ? time >= from && time < to : !(time >= to && time < from);
}

test('when the time is over it is open, and it was not a moment before', () => {
  fc.assert(
    fc.property(windows, moments, fc.double({ min: 0, max: 1, noNaN: true }), (window, now, part) => {
      const waitMs = untilOpen(window, now);
      expect(isOpen(window, now)).toBe(opensAt(window, now));
      expect(waitMs === 0).toBe(isOpen(window, now));
      expect(opensAt(window, later(now, waitMs))).toBe(true);
      if (waitMs === 0) return;
      expect(opensAt(window, later(now, waitMs - 1))).toBe(false);
      expect(opensAt(window, later(now, Math.floor(waitMs * part * 0.999)))).toBe(false);
    }),
    { numRuns: 200 },
  );
});

test('it stays open as long as it says', () => {
  fc.assert(
    fc.property(windows, moments, fc.double({ min: 0, max: 1, noNaN: true }), (window, now, part) => {
      const opened = later(now, untilOpen(window, now));
      const leftMs = remaining(window, opened);
      expect(leftMs).toBeGreaterThan(0);
      expect(opensAt(window, later(opened, leftMs))).toBe(false);
      expect(opensAt(window, later(opened, leftMs - 1))).toBe(true);
      expect(opensAt(window, later(opened, Math.floor(leftMs * part * 0.999)))).toBe(true);
    }),
    { numRuns: 200 },
  );
});

test.each(['2026-03-28T12:00Z', '2026-10-24T12:00Z'])('every five minutes in Berlin from %s', (day) => {
  const window = cutoverWindow('02:15-03:45 Europe/Berlin');
  const stepMs = 5 * minuteMs;
  const moments = Array.from({ length: 288 }, (_, step) => later(at(day), step * stepMs));
  const open = moments.map((moment) => opensAt(window, moment));
  const last = open.lastIndexOf(true);
  expect(last).toBeGreaterThan(0);
  expect(moments.slice(0, last).map((moment) => untilOpen(window, moment))).toEqual(
    open.slice(0, last).map((_, step) => (open.indexOf(true, step) - step) * stepMs),
  );
});
