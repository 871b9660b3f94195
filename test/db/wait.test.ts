import { expect, test } from 'vitest';
import { inTime, late } from '../../src/db/wait.js';

const never = new Promise<never>(() => {});

test('an answer in time is what it is, an error too', async () => {
  expect(await inTime(Promise.resolve(7), 60_000)).toBe(7);
  await expect(inTime(Promise.reject(new Error('no')), 60_000)).rejects.toThrow('no');
});

test('one that takes longer is late, whatever becomes of it', async () => {
  let fail = (_: Error): void => {};
  const answer = new Promise<number>((_, reject) => (fail = reject));
  expect(await inTime(answer, 1)).toBe(late);
  fail(new Error('nobody hears it'));
});

test('a stop ends the wait', async () => {
  const stop = new AbortController();
  const waiting = inTime(never, 60_000, stop.signal);
  stop.abort(new Error('stop'));
  await expect(waiting).rejects.toThrow('stop');
  await expect(inTime(never, 60_000, stop.signal)).rejects.toThrow('stop');
});
