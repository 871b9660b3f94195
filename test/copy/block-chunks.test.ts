import fc from 'fast-check';
import { expect, test } from 'vitest';
import { countBlocks, mergeRanges, remainingRanges, takeChunk } from '../../src/copy/block-chunks.js';
import type { BlockRange } from '../../src/copy/copy-plan.js';

const ranges = fc.array(
  fc.tuple(fc.nat(60), fc.nat(20)).map(([from, length]): BlockRange => ({ from, to: from + length })),
  { maxLength: 8 },
);
const blocksOf = (all: readonly BlockRange[]): number[] =>
  all.flatMap(({ from, to }) => Array.from({ length: to - from }, (_, index) => from + index));

test('merging keeps the blocks, each once and in order, with a gap between two ranges', () => {
  fc.assert(
    fc.property(ranges, (all) => {
      const merged = mergeRanges(all);
      expect(blocksOf(merged)).toEqual([...new Set(blocksOf(all))].toSorted((a, b) => a - b));
      for (const [index, range] of merged.entries())
        expect(range.from).toBeGreaterThan(merged[index - 1]?.to ?? -1);
    }),
  );
});

test('what remains is every block that is not done, and nothing beyond the end', () => {
  fc.assert(
    fc.property(fc.nat(80), ranges, (total, done) => {
      const isDone = new Set(blocksOf(done));
      const expected = Array.from({ length: total }, (_, block) => block).filter(
        (block) => !isDone.has(block),
      );
      const remaining = remainingRanges(total, done);
      expect(blocksOf(remaining)).toEqual(expected);
      expect(countBlocks(remaining)).toBe(expected.length);
    }),
  );
});

test('taking chunks of whatever size yields every block once, in order, and never an empty chunk', () => {
  fc.assert(
    fc.property(
      fc.nat(80),
      ranges,
      fc.array(fc.double({ min: 0, max: 30, noNaN: true }), { minLength: 1 }),
      (total, done, sizes) => {
        let remaining = remainingRanges(total, done);
        const expected = blocksOf(remaining);
        const taken: number[] = [];
        for (let turn = 0; ; turn += 1) {
          const next = takeChunk(remaining, sizes[turn % sizes.length] ?? 1);
          if (next === null) break;
          expect(countBlocks([next.chunk])).toBeGreaterThan(0);
          taken.push(...blocksOf([next.chunk]));
          remaining = next.remaining;
        }
        expect(taken).toEqual(expected);
      },
    ),
  );
});

test('an empty table has nothing to take', () => {
  expect(takeChunk(remainingRanges(0, []), 10)).toBeNull();
});
