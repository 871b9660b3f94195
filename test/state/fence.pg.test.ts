import { expect, test } from 'vitest';
import { Session } from '../../src/db/session.js';
import { isAlone, joinRun, runPids, TakenOver, terminate, tryBecomeRunner } from '../../src/state/fence.js';
import { ensureState } from '../../src/state/schema.js';
import { createDatabase, until } from '../support/database.js';
import { recorded } from '../support/recorded.js';

test('one runner at a time, and nobody continues while a session of another run lives (invariant 8)', async () => {
  await using db = await createDatabase();
  const open = (): Promise<Session> => Session.open({ connection: { url: db.url } });
  await using first = await open();
  await using worker = await open();
  await using second = await open();
  await ensureState(first);
  await first.batch(recorded(7, 'copy', 3));

  expect(await tryBecomeRunner(first, 7)).toBe(true);
  expect(await tryBecomeRunner(second, 7)).toBe(false);
  expect(await tryBecomeRunner(second, 8)).toBe(true);

  await joinRun(first, 7, 3);
  await joinRun(worker, 7, 3);
  await expect(joinRun(second, 7, 2)).rejects.toThrow(TakenOver);
  await second.rows(`select pg_advisory_unlock_all()`);
  expect(await tryBecomeRunner(second, 8)).toBe(true);
  expect(await runPids(second, 7)).toEqual({
    runner: first.pid,
    all: expect.arrayContaining([first.pid, worker.pid]) as unknown,
  });

  // The client of the runner dies; its worker's backend is still busy.
  await first.close();
  await until(() => tryBecomeRunner(second, 7), { what: 'the runner to be gone' });
  expect(await isAlone(second, 7)).toBe(false);
  await terminate(second, (await runPids(second, 7)).all);
  await until(() => isAlone(second, 7), { what: 'the worker to be gone' });
  expect(await runPids(first.lost.aborted ? second : first, 7)).toMatchObject({ all: [] });
});
