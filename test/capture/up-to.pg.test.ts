/** Where a run must know that everything that was committed is in the log: a capture that is behind is waited for right there. */
import { expect, test, vi } from 'vitest';
import { TriggerCapture } from '../../src/capture/triggers/trigger-capture.js';
import { createDatabase } from '../support/database.js';
import { runChange } from '../support/migration.js';

test('before the purge, before the verification, before the lock of the swap and once under it', async () => {
  await using db = await createDatabase(`
    create table public.t (id int primary key, v text);
    insert into public.t select i, 'v' from generate_series(1, 100) as i`);
  const happened: string[] = [];
  const upTo = vi
    .spyOn(TriggerCapture.prototype, 'upTo')
    .mockImplementation(async (...[moment]: unknown[]) => {
      happened.push(`up to ${String(moment)}`);
      await Promise.resolve();
    });
  try {
    await runChange(
      db,
      { table: 't', alter: ['alter id type bigint'] },
      {
        onPoint: (point) => {
          happened.push(point);
        },
      },
    );
  } finally {
    upTo.mockRestore();
  }
  const around = (point: string): string[] => happened.slice(happened.indexOf(point) - 1).slice(0, 3);
  expect(around('purged')).toEqual(['up to purge', 'purged', 'purge-vacuumed']);
  expect(happened.indexOf('up to verify')).toBeGreaterThan(happened.indexOf('settled'));
  expect(happened.indexOf('up to verify')).toBeLessThan(happened.indexOf('range-verified'));
  expect(happened.lastIndexOf('up to swap')).toBe(happened.indexOf('cutover-locked') + 1);
  expect(happened.indexOf('up to swap')).toBeLessThan(happened.indexOf('cutover-ready'));
  expect(happened[happened.lastIndexOf('up to swap') + 1]).toBe('cutover-drained');
});
