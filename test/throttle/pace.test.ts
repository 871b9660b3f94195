import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nextSize } from '../../src/throttle/pace.js';

const max = 65_536;
const size = fc.integer({ min: 1, max });
const durationMs = fc.double({ min: 0, max: 600_000, noNaN: true });
const targetMs = fc.integer({ min: 1, max: 10_000 });

test('grows by half at most, and always is a whole number from 1 to the most', () => {
  fc.assert(
    fc.property(size, size, durationMs, targetMs, size, (current, last, took, target, most) => {
      const next = nextSize(current, { size: last, durationMs: took }, target, { max: most });
      expect(Number.isInteger(next)).toBe(true);
      expect(next).toBeGreaterThanOrEqual(1);
      expect(next).toBeLessThanOrEqual(Math.min(most, Math.round(current * 1.5)));
    }),
  );
});

test('never grows on a piece that took longer than wanted', () => {
  fc.assert(
    fc.property(
      size,
      size,
      targetMs,
      fc.double({ min: 0.01, max: 1e5, noNaN: true }),
      (current, last, target, over) => {
        const next = nextSize(current, { size: last, durationMs: target + over }, target, { max });
        expect(next).toBeLessThanOrEqual(Math.min(current, last));
      },
    ),
  );
});

test('comes to the target from anywhere when the speed is steady', () => {
  fc.assert(
    fc.property(size, fc.double({ min: 0.5, max: 100, noNaN: true }), targetMs, (start, perMs, target) => {
      let current = start;
      for (let turn = 0; turn < 60; turn += 1) {
        current = nextSize(current, { size: current, durationMs: current / perMs }, target, { max });
      }
      const wanted = Math.min(max, Math.max(1, perMs * target));
      expect(Math.abs(current - wanted)).toBeLessThanOrEqual(Math.max(1, wanted * 0.05));
    }),
  );
});

test.each([
  ['twice as fast as wanted: by half', 1000, 1000, 250, 1500],
  ['a little faster: to the target', 1000, 1000, 400, 1250],
  ['ten times slower: at once', 1000, 1000, 5000, 100],
  ['a fast rest of a range says nothing', 1000, 10, 1, 1000],
  ['a slow rest of a range does', 1000, 100, 1000, 50],
  ['no time at all', 1000, 1000, 0, 1500],
  ['one is the least', 1, 1, 60_000, 1],
  ['and grows again', 1, 1, 10, 2],
  ['up to the most', 2000, 2000, 1, 2500],
  ['a current size above the most', 9000, 10, 1, 2500],
])('%s', (_, current, last, tookMs, next) => {
  expect(nextSize(current, { size: last, durationMs: tookMs }, 500, { max: 2500 })).toBe(next);
});
