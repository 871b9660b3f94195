import { expect, test } from 'vitest';
import { slowest } from '../../src/cli/demo/application.js';

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
