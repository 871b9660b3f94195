import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  chunkBlocksNow,
  firstChunkBlocks,
  leastChunkBlocks,
  nextChunkBlocks,
  startChunkBlocks,
} from '../../src/copy/pace.js';

const blocks = fc.integer({ min: 1, max: 65_536 });
const durationMs = fc.double({ min: 0, max: 600_000, noNaN: true });
const targetMs = fc.integer({ min: 1, max: 10_000 });

test('grows by half at most, and always stays within its limits', () => {
  fc.assert(
    fc.property(blocks, blocks, durationMs, targetMs, (current, last, took, target) => {
      const next = nextChunkBlocks(current, { blocks: last, durationMs: took, overheadMs: 0 }, target);
      expect(Number.isInteger(next)).toBe(true);
      expect(next).toBeGreaterThanOrEqual(1);
      expect(next).toBeLessThanOrEqual(Math.min(65_536, Math.max(1, Math.round(current * 1.5))));
    }),
  );
});

test('never grows on a chunk that took longer than wanted', () => {
  fc.assert(
    fc.property(
      blocks,
      blocks,
      targetMs,
      fc.double({ min: 0.01, max: 1e5, noNaN: true }),
      (current, last, target, over) => {
        const slow = { blocks: last, durationMs: target + over, overheadMs: 0 };
        expect(nextChunkBlocks(current, slow, target)).toBeLessThanOrEqual(Math.min(current, last));
      },
    ),
  );
});

test('comes to the target from anywhere when the speed is steady', () => {
  fc.assert(
    fc.property(
      blocks,
      fc.double({ min: 0.5, max: 100, noNaN: true }),
      targetMs,
      (start, blocksPerMs, target) => {
        let current = start;
        for (let turn = 0; turn < 60; turn += 1) {
          const took = { blocks: current, durationMs: current / blocksPerMs, overheadMs: 0 };
          current = nextChunkBlocks(current, took, target);
        }
        const wanted = Math.min(65_536, Math.max(1, blocksPerMs * target));
        expect(Math.abs(current - wanted)).toBeLessThanOrEqual(Math.max(1, wanted * 0.05));
      },
    ),
  );
});

test.each([
  ['twice as fast as wanted: by half', 1000, 1000, 250, 1500],
  ['a little faster: to the target', 1000, 1000, 400, 1250],
  ['ten times slower: at once', 1000, 1000, 5000, 100],
  ['a fast rest of a range says nothing', 1000, 10, 1, 1000],
  ['a slow rest of a range does', 1000, 100, 1000, 50],
])('%s', (_, current, last, tookMs, next) => {
  expect(nextChunkBlocks(current, { blocks: last, durationMs: tookMs, overheadMs: 0 }, 500)).toBe(next);
});

test.each([
  ['slow by its overhead: no smaller than what is worth one', 256, 600, 550, leastChunkBlocks],
  ['and from a single block up to that', 1, 600, 590, 2],
  ['slow by its work: at once, to the target', 256, 5_000, 10, 3],
  ['blocks of large TOASTed values: one at a time', 8, 12_000, 3, 1],
])('%s', (_, current, durationMs, overheadMs, next) => {
  expect(nextChunkBlocks(current, { blocks: current, durationMs, overheadMs }, 50)).toBe(next);
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
