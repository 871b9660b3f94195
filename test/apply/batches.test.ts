import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nextBatchBlocks } from '../../src/apply/batch-size.js';
import { isOutrun, workersFor, type Pass } from '../../src/apply/pass.js';
import { blocksRange, halves, tid, type LogRange } from '../../src/pieces/row-range.js';

test('positions are blocks and offsets', () => {
  const range = blocksRange(3, 5);
  expect([tid(range.from), tid(range.from + 7), tid(range.to)]).toEqual(['(3,0)', '(3,7)', '(5,0)']);
});

test('halving ends at single positions and loses none', () => {
  fc.assert(
    fc.property(fc.nat(5000), fc.nat(5000), (from, length) => {
      const range = { from, to: from + length };
      const singles: number[] = [];
      const walk = (part: LogRange): void => {
        const parts = halves(part);
        if (parts !== null) for (const half of parts) walk(half);
        else if (part.to > part.from) singles.push(part.from);
      };
      walk(range);
      expect(singles).toEqual(Array.from({ length }, (_, index) => from + index));
    }),
    { numRuns: 30 },
  );
});

test('blocks are not cut while there are several', () => {
  expect(halves(blocksRange(0, 3))).toEqual([blocksRange(0, 1), blocksRange(1, 3)]);
});

test('batches grow to twice at most, shrink at once, and keep to their limits', () => {
  expect(nextBatchBlocks(24, 10)).toBe(48);
  expect(nextBatchBlocks(24, 200)).toBe(36);
  expect(nextBatchBlocks(100, 3000)).toBe(10);
  expect(nextBatchBlocks(1, 60_000)).toBe(1);
  expect(nextBatchBlocks(512, 1)).toBe(512);
});

const pass = (entries: number, durationMs = 1000): Pass => ({ entries, durationMs });

test('another worker comes when passes do not get shorter', () => {
  expect(workersFor([pass(100_000)], 1, 4)).toBe(1);
  expect(workersFor([pass(100_000), pass(40_000)], 1, 4)).toBe(1);
  expect(workersFor([pass(100_000), pass(60_000)], 1, 4)).toBe(2);
  expect(workersFor([pass(100_000), pass(60_000)], 4, 4)).toBe(4);
  expect(workersFor([pass(3_000), pass(3_000)], 1, 4)).toBe(1);
});

test('apply is outrun when three passes in a row found no less than the one before', () => {
  expect(isOutrun([pass(50_000), pass(50_000), pass(50_000)])).toBeNull();
  expect(isOutrun([pass(50_000), pass(50_000), pass(40_000), pass(50_000)])).toBeNull();
  expect(isOutrun([pass(50_000, 500), pass(60_000, 500), pass(60_000, 500), pass(70_000, 1000)])).toEqual({
    written: 140_000,
    applied: 70_000,
  });
  expect(isOutrun([pass(100), pass(100), pass(100), pass(100)])).toBeNull();
});
