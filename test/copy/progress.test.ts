import { expect, test } from 'vitest';
import { addSample, etaSeconds, ratesOf, type Sample } from '../../src/copy/progress.js';

const sample = (atMs: number, blocks: number): Sample => ({ atMs, blocks, rows: blocks * 10 });

test('no rate and no estimate before there is a second to measure', () => {
  const samples = [sample(0, 0), sample(900, 100)];
  expect(ratesOf(samples)).toBeNull();
  expect(etaSeconds(1000, ratesOf(samples))).toBeNull();
  expect(ratesOf([])).toBeNull();
});

test('the rate is that of the last seconds', () => {
  let samples: Sample[] = [];
  for (let second = 0; second <= 10; second += 1)
    samples = addSample(samples, sample(second * 1000, second * 100));
  for (let second = 11; second <= 20; second += 1)
    samples = addSample(samples, sample(second * 1000, 1000 + (second - 10) * 10));
  expect(ratesOf(samples)).toEqual({ blocksPerSecond: 10, rowsPerSecond: 100 });
  expect(etaSeconds(50, ratesOf(samples))).toBe(5);
  expect(samples.length).toBeLessThan(8);
});

test('standing still is no estimate, and being done is one', () => {
  const still = [sample(0, 100), sample(5000, 100)];
  expect(etaSeconds(10, ratesOf(still))).toBeNull();
  expect(etaSeconds(0, null)).toBe(0);
});
