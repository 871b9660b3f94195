/** How long a feed rests. */
import { expect, test } from 'vitest';
import { restMs } from '../../src/capture/logical/rest.js';

const unasked = { sinceAskedMs: Infinity };

test('a tenth of a second, unless a wake-up is worth it earlier', () => {
  expect(restMs({ bytes: 50, overMs: 3000, ...unasked })).toBe(100);
  expect(restMs({ bytes: 48_000, overMs: 100, ...unasked })).toBe(100);
  // 64 KB in 20 ms, in 2 ms, in less than a timer can do.
  expect(restMs({ bytes: 320 * 1024, overMs: 100, ...unasked })).toBe(20);
  expect(restMs({ bytes: 320 * 1024, overMs: 10, ...unasked })).toBe(2);
  expect(restMs({ bytes: 2 * 1024 * 1024, overMs: 20, ...unasked })).toBe(0);
  expect(restMs({ bytes: 0, overMs: 0, ...unasked })).toBe(0);
});

test('who waits is not kept waiting, nor who has asked a moment ago for long', () => {
  expect(restMs({ bytes: 50, overMs: 3000, sinceAskedMs: 0 })).toBe(0);
  expect(restMs({ bytes: 50, overMs: 3000, sinceAskedMs: 500 })).toBe(5);
  expect(restMs({ bytes: 50, overMs: 3000, sinceAskedMs: 5000 })).toBe(100);
});
