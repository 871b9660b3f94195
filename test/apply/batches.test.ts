import { expect, test } from 'vitest';
import { nextBatchBlocks } from '../../src/apply/batch-size.js';
import { isOutrun, workersFor, type Pass } from '../../src/apply/pass.js';

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
