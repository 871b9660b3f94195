import { expect, test } from 'vitest';
import { isNearLimit, remainingIds, secondsLeft } from '../../src/model/id-room.js';

const up = { limit: '2147483647', increment: '1' };

test.each([
  [up, '1', 2147483646n],
  [up, '2147483647', 0n],
  [up, '9000000000', 0n],
  [{ ...up, increment: '10' }, '2147483600', 4n],
  [{ limit: '-2147483648', increment: '-1' }, '-1', 2147483647n],
  [{ limit: '-2147483648', increment: '-1' }, '-9000000000', 0n],
] as const)('%o at %s: %s ids remain', (room, last, remaining) => {
  expect(remainingIds(room, last)).toBe(remaining);
});

test.each([
  [up, '1717986917', false],
  [up, '1717986918', true],
  [up, '9000000000', true],
  [up, '-5', false],
  [{ limit: '-32768' }, '-26214', false],
  [{ limit: '-32768' }, '-26215', true],
  [{ limit: '-32768' }, '5', false],
])('%o at %s is near: %s', (room, last, isNear) => {
  expect(isNearLimit(room, last)).toBe(isNear);
});

test('the time that is left goes by the rate; without one there is no end in sight', () => {
  expect(secondsLeft(86_400n, 10)).toBe(8640);
  expect(secondsLeft(86_400n, 0)).toBeNull();
});
