/** The budget of what our waiting may cost others, and the account of what it and the hold did cost. */
import { expect, test } from 'vitest';
import { LockNotObtained } from '../../src/locks/attempts.js';
import { OneTry } from '../../src/locks/one-try.js';
import { createDatabase, until } from '../support/database.js';
import { failure } from '../support/migration.js';
import { openScene, otherSession, setup, waitsForLock, type Scene } from './scene.js';

/** A try so patient that the application would wait for half a minute behind it. */
function patientTry({ session, watcher, oid, ledger }: Scene, budgetMs: number): OneTry {
  return new OneTry({
    session,
    watcher,
    what: 'a patient try',
    steps: [{ kind: 'table', oid, table: 'public.t', mode: 'ACCESS EXCLUSIVE' }],
    limits: { lockTimeoutMs: 30_000, deadlineMs: 30_000 },
    step: { attempt: 20, lockTimeoutMs: 30_000, pauseMs: 0 },
    evictAutovacuum: false,
    budgetMs,
    onLock: (entry) => ledger.push(entry),
  });
}

test('whoever queues behind our wait gets through within the budget', async () => {
  await using db = await createDatabase(setup);
  await using scene = await openScene(db);
  await otherSession(db, 'begin; select * from t');
  const [one, two] = [await db.connect(), await db.connect()];
  const budgetMs = 200;
  for (let round = 1; round <= 3; round += 1) {
    const patient = patientTry(scene, budgetMs);
    const acquiring = failure(patient.acquire(1_000));
    await waitsForLock(db, scene.session.pid);
    const waited = await Promise.all(
      [one, two].map(async (client) => {
        const started = performance.now();
        await client.query('select * from t');
        return performance.now() - started;
      }),
    );
    const error = await acquiring;
    const { harmMs } = await patient.undo(error);
    expect(patient.failure(error)).toBe('harm');
    // A cancel that comes late would hit this.
    await scene.session.batch(['select pg_sleep(0.05)']);
    // Two of them, half of the budget each, and what a busy machine adds.
    expect(Math.max(...waited)).toBeGreaterThan(budgetMs / 4);
    expect(Math.max(...waited)).toBeLessThan(budgetMs * 5);
    expect(harmMs).toBeGreaterThanOrEqual(budgetMs);
    expect(harmMs).toBeLessThan(budgetMs * 5);
    expect(scene.ledger.at(-1)).toMatchObject({ outcome: 'missed', blocked: 2, blockedMs: harmMs });
  }
});

test('nobody behind us: the try waits its time', async () => {
  await using db = await createDatabase(setup);
  await using scene = await openScene(db);
  const other = await otherSession(db, 'begin; select * from t');
  const patient = patientTry(scene, 1);
  const acquiring = patient.acquire(1_000);
  await waitsForLock(db, scene.session.pid);
  // Another session of ours that waits behind is no application, and one that does not conflict is not behind.
  const own = await otherSession(db, `select 1`, { application: 'pg-ghost 1 apply' });
  const reading = own.client.query('select * from t');
  await waitsForLock(db, own.pid);
  await db.query('select * from pg_class');
  await other.client.query('commit');
  await acquiring;
  const undone = await patient.undo(new Error('enough'));
  await reading;
  expect(undone).toMatchObject({ harmMs: 0 });
  expect(scene.ledger).toMatchObject([{ outcome: 'rolled back', blocked: 0, blockedMs: 0 }]);
  expect(scene.ledger[0]?.waitedMs).toBeGreaterThan(0);
});

test('all tries together have a budget too, and then it is over', async () => {
  await using db = await createDatabase(setup);
  await using scene = await openScene(db);
  await otherSession(db, 'begin; select * from t');
  const stop = new AbortController();
  const clients = await Promise.all(Array.from({ length: 3 }, () => db.connect()));
  const working = clients.map(async (client) => {
    while (!stop.signal.aborted) await client.query('select * from t');
  });
  const error = (await failure(
    scene.ask({ limits: { lockTimeoutMs: 10_000, deadlineMs: 40_000, harmPerTryMs: 60, harmPerRunMs: 600 } }),
  )) as unknown as LockNotObtained;
  stop.abort();
  await Promise.all(working);
  expect(error).toBeInstanceOf(LockNotObtained);
  expect(error).toMatchObject({ ended: 'harm' });
  expect(error.harmMs).toBeGreaterThanOrEqual(600);
  expect(error.harmMs).toBeLessThan(2_000);
  expect(scene.ledger.reduce((sum, { blockedMs }) => sum + blockedMs, 0)).toBeCloseTo(error.harmMs, 3);
  expect(scene.misses.map(({ why }) => why)).toContain('harm');
});

test('who waits behind a hold is counted, and the hold goes on', async () => {
  await using db = await createDatabase(setup);
  await using scene = await openScene(db);
  const clients = [await db.connect(), await db.connect()];
  let waiting: Promise<unknown>[] = [];
  const { attempts } = await scene.ask({
    limits: { harmPerTryMs: 1, harmPerRunMs: 10 },
    work: async () => {
      waiting = clients.map((client) => client.query('select * from t'));
      await until(
        async () =>
          (await db.query('select from pg_locks where relation = $1 and not granted', [scene.oid])).rows
            .length === 2,
        { what: 'two queries behind the hold' },
      );
      return { value: undefined, last: ['select pg_sleep(0.1)'] };
    },
  });
  await Promise.all(waiting);
  expect(attempts).toBe(1);
  expect(scene.ledger).toMatchObject([{ outcome: 'committed', blocked: 2 }]);
  const [entry] = scene.ledger;
  // Two clocks, theirs and ours, that are brought together to within a round trip.
  expect(entry?.blockedMs).toBeGreaterThan(2 * 100 - 50);
  expect(entry?.blockedMs).toBeLessThan(2 * (entry?.heldMs ?? 0) + 50);
});
