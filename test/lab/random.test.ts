import { expect, test } from 'vitest';
import { Random } from '../../src/lab/random.js';

test('the same seed gives the same numbers, another one others', () => {
  const take = (seed: number): number[] => {
    const random = new Random(seed);
    return Array.from({ length: 1000 }, () => random.next());
  };
  expect(take(1)).toEqual(take(1));
  expect(take(1)).not.toEqual(take(2));
  expect(take(3).every((value) => value >= 0 && value < 1)).toBe(true);
  const mean = take(4).reduce((sum, value) => sum + value, 0) / 1000;
  expect(mean).toBeGreaterThan(0.45);
  expect(mean).toBeLessThan(0.55);
});

test('a seed chooses what it always has: a round of the soak can be repeated with a later version', () => {
  const random = new Random(7);
  expect([random.int(1, 1000), random.int(1, 1000), random.pick(['a', 'b', 'c'])]).toEqual([894, 981, 'a']);
  expect(random.shuffled([1, 2, 3, 4, 5, 6])).toEqual([5, 6, 1, 4, 2, 3]);
  expect(random.fork().int(1, 1000)).toBe(906);
});
