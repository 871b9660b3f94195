import { expect, test } from 'vitest';
import { createRandom } from '../../src/lab/random.js';
import { slowest } from '../../src/lab/workload.js';

test('the slowest of those that were under way in the interval', () => {
  const samples = [
    { startedAt: 0, ms: 50 },
    { startedAt: 90, ms: 20 },
    { startedAt: 105, ms: 1 },
    { startedAt: 119, ms: 30 },
    { startedAt: 121, ms: 99 },
  ];
  expect(slowest(samples, 100, 120)).toBe(30);
  expect(slowest(samples, 100, 110)).toBe(20);
  expect(slowest(samples, 60, 80)).toBeNull();
});

test('the same seed gives the same numbers, another one others', () => {
  const take = (seed: number): number[] => {
    const random = createRandom(seed);
    return Array.from({ length: 1000 }, () => random());
  };
  expect(take(1)).toEqual(take(1));
  expect(take(1)).not.toEqual(take(2));
  expect(take(3).every((value) => value >= 0 && value < 1)).toBe(true);
  const mean = take(4).reduce((sum, value) => sum + value, 0) / 1000;
  expect(mean).toBeGreaterThan(0.45);
  expect(mean).toBeLessThan(0.55);
});
