import { expect, test } from 'vitest';
import { until } from './until.js';

test('gives the first truthy value', async () => {
  let calls = 0;
  const value = await until(() => (calls += 1) === 3 && { calls }, { what: 'the third call' });
  expect(value).toEqual({ calls: 3 });
});

test('says what it waited for in vain', async () => {
  const waiting = until(() => false, { what: 'godot', timeoutMs: 10 });
  await expect(waiting).rejects.toThrow('waited 10 ms in vain for: godot');
});

test('stops waiting when told to', async () => {
  const controller = new AbortController();
  const waiting = until(() => false, { what: 'godot', signal: controller.signal });
  controller.abort();
  await expect(waiting).rejects.toThrow(/abort/i);
});
