import { expect, test } from 'vitest';
import { lockTry } from '../../src/locks/ladder.js';

test('the first tries do not wait, later ones climb to the limit and no further', () => {
  const tries = Array.from({ length: 20 }, (_, index) => lockTry(index + 1, 800));
  expect(tries.slice(0, 3).map((each) => each.lockTimeoutMs)).toEqual([null, null, null]);
  const timeouts = tries.slice(3).map((each) => each.lockTimeoutMs ?? 0);
  expect(timeouts[0]).toBe(10);
  expect(timeouts).toEqual(timeouts.toSorted((a, b) => a - b));
  expect(timeouts.at(-1)).toBe(800);
});

test('after a wait the application gets at least ten times as long, up to ten seconds', () => {
  for (const { lockTimeoutMs, pauseMs } of Array.from({ length: 20 }, (_, index) =>
    lockTry(index + 1, 60_000),
  )) {
    expect(pauseMs).toBeGreaterThanOrEqual(Math.min(10 * (lockTimeoutMs ?? 0), 10_000));
  }
});
