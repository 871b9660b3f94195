import { expect, test } from 'vitest';
import { addAmounts, addSample, etaSeconds, ratesOf, type Sample } from '../../src/pieces/rates.js';

type Counted = Sample<'blocks' | 'rows'>;

const sample = (atMs: number, blocks: number): Counted => ({ atMs, done: { blocks, rows: blocks * 10 } });

test('no rate and no estimate before there is a second to measure', () => {
  expect(ratesOf([sample(0, 0), sample(900, 100)])).toBeNull();
  expect(ratesOf([])).toBeNull();
  expect(etaSeconds(1000, null)).toBeNull();
});

test('the rate is that of the last seconds', () => {
  let samples: Counted[] = [];
  for (let second = 0; second <= 10; second += 1)
    samples = addSample(samples, sample(second * 1000, second * 100));
  for (let second = 11; second <= 20; second += 1)
    samples = addSample(samples, sample(second * 1000, 1000 + (second - 10) * 10));
  expect(ratesOf(samples)).toEqual({ blocks: 10, rows: 100 });
  expect(samples.length).toBeLessThan(8);
});

test('from the beginning, when nothing was counted yet', () => {
  const begun: Counted = { atMs: 0, done: {} };
  expect(ratesOf([begun, sample(2000, 50)])).toEqual({ blocks: 25, rows: 250 });
  expect(addAmounts({}, { blocks: 2, rows: 7 })).toEqual({ blocks: 2, rows: 7 });
  expect(addAmounts({ blocks: 1, rows: 1 }, { blocks: 2, rows: 7 })).toEqual({ blocks: 3, rows: 8 });
});

test('standing still is no estimate, and being done is one', () => {
  expect(ratesOf([sample(0, 100), sample(5000, 100)])).toEqual({ blocks: 0, rows: 0 });
  expect(etaSeconds(10, 0)).toBeNull();
  expect(etaSeconds(50, 10)).toBe(5);
  expect(etaSeconds(0, null)).toBe(0);
});
