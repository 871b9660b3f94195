import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { inTwo, searchByHalves, type NumberRange, type HalvingSearch } from '../../src/pieces/halving.js';
import { blocksRange, halves, tid, type RowRange } from '../../src/pieces/row-range.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A range of numbers fails when one of `bad` lies in it. */
function among(
  bad: readonly number[],
  seen: number[],
  options: Partial<HalvingSearch<NumberRange, string>> = {},
): HalvingSearch<NumberRange, string> {
  return {
    attempt: async ({ from, to }) => {
      const first = bad.find((each) => each >= from && each < to);
      return first === undefined ? null : `row ${first}`;
    },
    split: inTwo,
    found: ({ from }, failure) => {
      expect(failure).toBe(`row ${from}`);
      seen.push(from);
    },
    ...options,
  };
}

test('finds each of them, and nothing else', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(200), fc.uniqueArray(fc.nat(200)), async (to, numbers) => {
      const bad = numbers.filter((each) => each < to).toSorted((a, b) => a - b);
      const seen: number[] = [];
      expect(await searchByHalves({ from: 0, to }, among(bad, seen))).toEqual({ timedOut: false });
      expect(seen).toEqual(bad);
    }),
    { numRuns: 50 },
  );
});

describe('ends before all are found', () => {
  const bad = Array.from({ length: 64 }, (_, index) => index);
  const whole = { from: 0, to: 64 };

  test('when there are enough', async () => {
    const seen: number[] = [];
    await searchByHalves(whole, among(bad, seen, { isEnough: () => seen.length === 3 }));
    expect(seen).toEqual([0, 1, 2]);
  });

  test('when time runs out, and says so', async () => {
    const seen: number[] = [];
    const { attempt } = among(bad, seen);
    const slow = (part: NumberRange): Promise<string | null> => {
      vi.advanceTimersByTime(5_000);
      return attempt(part);
    };
    expect(await searchByHalves(whole, among(bad, seen, { attempt: slow }))).toEqual({ timedOut: true });
    // Seven levels, one try each.
    expect(seen).toEqual([0]);
  });

  test('when it is stopped', async () => {
    const stop = new AbortController();
    const found = (): void => stop.abort(new Error('stop'));
    await expect(searchByHalves(whole, among(bad, [], { found, signal: stop.signal }))).rejects.toThrow(
      'stop',
    );
  });
});

describe('ranges of rows', () => {
  test('positions are blocks and offsets', () => {
    const range = blocksRange(3, 5);
    expect([tid(range.from), tid(range.from + 7), tid(range.to)]).toEqual(['(3,0)', '(3,7)', '(5,0)']);
  });

  test('halving ends at single positions and loses none', () => {
    fc.assert(
      fc.property(fc.nat(5000), fc.nat(5000), (from, length) => {
        const range = { from, to: from + length };
        const singles: number[] = [];
        const walk = (part: RowRange): void => {
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
});
