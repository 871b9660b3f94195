import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nextSize } from '../../src/pieces/pace.js';

const max = 65_536;
const size = fc.integer({ min: 1, max });
const durationMs = fc.double({ min: 0, max: 600_000, noNaN: true });
const targetMs = fc.integer({ min: 1, max: 10_000 });
const min = 32;

/** Where pieces of a steady speed end up, in their size and in how long they take. */
function settled(
  start: number,
  { overheadMs, perUnitMs, target }: { overheadMs: number; perUnitMs: number; target: number },
): { readonly size: number; readonly durationMs: number; readonly sizes: readonly number[] } {
  const sizes = [start];
  const durationOf = (units: number): number => overheadMs + units * perUnitMs;
  for (let turn = 0; turn < 60; turn += 1) {
    const current = sizes.at(-1) ?? start;
    const last = { size: current, durationMs: durationOf(current), overheadMs };
    sizes.push(nextSize(current, last, target, { min, max }));
  }
  const end = sizes.at(-1) ?? start;
  return { size: end, durationMs: durationOf(end), sizes };
}

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

test('never grows on a piece that took longer than wanted by its work', () => {
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

test('a piece is never cut so small that it costs more in overhead than in work, whatever the target', () => {
  fc.assert(
    fc.property(
      size,
      fc.double({ min: 0.1, max: 1_000, noNaN: true }),
      fc.double({ min: 0.01, max: 1_000, noNaN: true }),
      targetMs,
      (start, overheadMs, perUnitMs, target) => {
        const end = settled(start, { overheadMs, perUnitMs, target });
        const worthwhile = Math.min(min, overheadMs / perUnitMs);
        if (end.durationMs > target) expect(end.size).toBeGreaterThanOrEqual(Math.floor(worthwhile * 0.99));
        // The price: where the target is passed, by work that is not worth more than that overhead, or by one unit.
        const longest = Math.max(target * 1.05, 2 * overheadMs, overheadMs + perUnitMs);
        expect(end.durationMs).toBeLessThanOrEqual(longest + perUnitMs);
      },
    ),
  );
});

test('on its way to the least it grows by half at most, and shrinks at once', () => {
  fc.assert(
    fc.property(size, size, durationMs, durationMs, targetMs, (current, last, work, overheadMs, target) => {
      const took = { size: last, durationMs: work + overheadMs, overheadMs };
      const next = nextSize(current, took, target, { min, max });
      expect(next).toBeLessThanOrEqual(Math.round(current * 1.5));
      if (took.durationMs <= target) return;
      const shrunk = nextSize(current, { size: last, durationMs: took.durationMs }, target, { max });
      expect(next).toBeLessThanOrEqual(Math.max(shrunk, min));
      expect(next).toBeGreaterThanOrEqual(shrunk);
    }),
  );
});

test.each([
  // What the overhead alone takes is more than the target: no size reaches it.
  { name: 'a starved machine', overheadMs: 300, perUnitMs: 5, target: 100, ends: min },
  { name: 'the same, from a single unit', overheadMs: 300, perUnitMs: 5, target: 100, start: 1, ends: min },
  { name: 'work as slow as the overhead', overheadMs: 300, perUnitMs: 30, target: 100, ends: 10 },
  // 150 rows a block, a megabyte each.
  { name: 'blocks of large TOASTed values', overheadMs: 3, perUnitMs: 1_500, target: 500, ends: 1 },
  { name: 'an idle machine', overheadMs: 3, perUnitMs: 0.05, target: 500, ends: 9_940 },
  { name: 'an idle machine, short pieces', overheadMs: 3, perUnitMs: 0.05, target: 10, ends: 140 },
])('$name: pieces of $ends', ({ start = 256, ends, ...speed }) => {
  expect(Math.abs(settled(start, speed).size - ends)).toBeLessThanOrEqual(ends * 0.01);
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

test('where the overhead was not measured the least size counts whatever took so long', () => {
  const next = (current: number, durationMs: number): number =>
    nextSize(current, { size: current, durationMs }, 100, { min, max });
  expect(next(256, 60_000)).toBe(min);
  expect(next(min, 60_000)).toBe(min);
  expect(next(4, 60_000)).toBe(6);
});
