import { expect, test } from 'vitest';
import {
  chunkBlocksNow,
  firstChunkBlocks,
  chunkLimits,
  leastChunkBlocks,
  startChunkBlocks,
} from '../../src/copy/chunk-size.js';
import { nextSize } from '../../src/pieces/pace.js';

test.each([
  ['slow by its overhead: no smaller than what is worth one', 256, 600, 550, leastChunkBlocks],
  ['and from a single block up to that', 1, 600, 590, 2],
  ['slow by its work: at once, to the target', 256, 5_000, 10, 3],
  ['blocks of large TOASTed values: one at a time', 8, 12_000, 3, 1],
])('%s', (_, current, durationMs, overheadMs, next) => {
  expect(nextSize(current, { size: current, durationMs, overheadMs }, 50, chunkLimits)).toBe(next);
});

test('near the end the workers share what is left, but not crumbs', () => {
  expect(chunkBlocksNow(10_000, 1_000_000, 2)).toBe(10_000);
  expect(chunkBlocksNow(10_000, 6_000, 2)).toBe(3_000);
  expect(chunkBlocksNow(10_000, 300, 2)).toBe(firstChunkBlocks);
  expect(chunkBlocksNow(10, 300, 2)).toBe(10);
});

test('the first chunk is as large as what it drags along allows', () => {
  expect(startChunkBlocks(10_000, 8192, 0)).toBe(firstChunkBlocks);
  expect(startChunkBlocks(10_000, 8192, 10_000 * 8192)).toBe(firstChunkBlocks / 2);
  expect(startChunkBlocks(100, 8192, 100 * 8192 * 1000)).toBe(1);
  expect(startChunkBlocks(0, 8192, 0)).toBe(firstChunkBlocks);
});
