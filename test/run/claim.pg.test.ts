/** Who becomes the runner of a migration, whose backends are ended for that, and who is turned away (invariant 8). */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Session } from '../../src/db/session.js';
import { claimRun, RunnerIsAlive, type Claim } from '../../src/run/claim.js';
import { currentRun, isAlone, joinRun, runPids, TakenOver } from '../../src/state/fence.js';
import { findMigration } from '../../src/state/migrations.js';
import { ensureState } from '../../src/state/schema.js';
import { createDatabase, type TestDatabase, until } from '../support/database.js';
import { recorded } from '../support/recorded.js';
import { failure } from '../support/migration.js';

let db: TestDatabase;
let look: Session;
beforeAll(async () => {
  db = await createDatabase();
  look = await open();
  await ensureState(look);
});
afterAll(async () => {
  await look.close();
  await db[Symbol.asyncDispose]();
});

const open = (): Promise<Session> => Session.open({ own: true, connection: { url: db.url } });

/** A migration of its own for each test: its locks are those of its number. */
async function migration(id: number): Promise<void> {
  await look.batch(recorded(id));
}

const claim = (session: Session, id: number, more: Partial<Claim> = {}): Promise<number> =>
  claimRun({ session, id, owner: 'this process', mayEnd: () => false, ...more });

/** The control session of a run that is at work, and another one of it. */
async function runner(id: number, owner: string): Promise<readonly [Session, Session]> {
  const [control, worker] = [await open(), await open()];
  const number = await claim(control, id, { owner });
  for (const session of [control, worker]) await joinRun(session, id, number);
  return [control, worker];
}

test('nobody there: the number of the run is the next one, stored with its process and its server', async () => {
  await migration(1);
  const server = { systemIdentifier: '17', timeline: 1 };
  {
    await using session = await open();
    expect(await claim(session, 1, { server })).toBe(1);
    expect(await currentRun(look, 1)).toEqual({ runNo: 1, owner: 'this process' });
    expect((await findMigration(look, 1))?.server).toEqual(server);
    // It is the runner for as long as the session lives.
    expect((await runPids(look, 1)).runner).toBe(session.pid);
  }
  await until(async () => (await runPids(look, 1)).runner === null, { what: 'the end of the session' });
  await using next = await open();
  expect(await claim(next, 1, { owner: 'another' })).toBe(2);
  expect(await currentRun(look, 1)).toEqual({ runNo: 2, owner: 'another' });
  // Not asked for: left as it is.
  expect((await findMigration(look, 1))?.server).toEqual(server);
});

test('a runner that may not be ended is left alone, and so is its number', async () => {
  await migration(2);
  const [control, worker] = await runner(2, 'first');
  await using second = await open();
  const asked: number[] = [];
  const error = await failure(
    claim(second, 2, {
      mayEnd: (pid) => {
        asked.push(pid);
        return false;
      },
    }),
  );
  expect(error).toBeInstanceOf(RunnerIsAlive);
  expect(error).toMatchObject({ pid: control.pid });
  // Only of the runner: a worker of a living run is none of anybody's business.
  expect(asked).toEqual([control.pid]);
  expect([control.lost.aborted, worker.lost.aborted]).toEqual([false, false]);
  expect(await currentRun(look, 2)).toEqual({ runNo: 1, owner: 'first' });
  await Promise.all([control.close(), worker.close()]);
});

test('one that may be ended is, with every session of its run, before the new one has its number', async () => {
  await migration(3);
  const [control, worker] = await runner(3, 'first');
  await using second = await open();
  expect(await claim(second, 3, { mayEnd: (pid) => pid === control.pid })).toBe(2);
  expect(await isAlone(second, 3)).toBe(true);
  for (const session of [control, worker])
    await until(() => session.lost.aborted, { what: 'the loss of the session' });
  expect(await currentRun(look, 3)).toEqual({ runNo: 2, owner: 'this process' });
  await Promise.all([control.close(), worker.close()]);
});

test('the client of a runner is gone, and a backend of it is at work yet: that is ended, without being asked for', async () => {
  await migration(4);
  const [control, worker] = await runner(4, 'first');
  await control.close();
  await until(async () => (await runPids(look, 4)).runner === null, { what: 'the end of the runner' });
  const working = failure(worker.batch(['select pg_sleep(600)']));
  await using second = await open();
  expect(await claim(second, 4)).toBe(2);
  // By SQLSTATE or as a lost connection, whichever of the two it learns first.
  expect(await working).toBeInstanceOf(Error);
  expect((await runPids(look, 4)).all).toEqual([second.pid]);
  // Whoever wakes up under the old number is told.
  await using late = await open();
  await expect(joinRun(late, 4, 1)).rejects.toThrow(TakenOver);
  await worker.close();
});

test('a process that goes on ends its own former backends; nobody else may have taken over meanwhile', async () => {
  await migration(5);
  const [former, worker] = await runner(5, 'this process');
  const mayEnd = (pid: number): boolean => pid === former.pid;
  await using again = await open();
  expect(await claim(again, 5, { continues: true, mayEnd })).toBe(2);
  await Promise.all([former.close(), worker.close()]);
  await again.close();
  await until(async () => (await runPids(look, 5)).runner === null, { what: 'the end of the session' });

  // Another one is the runner: it is turned away, and the other notices nothing.
  const [other, helper] = await runner(5, 'another process');
  await using late = await open();
  const turnedAway = await failure(claim(late, 5, { continues: true, mayEnd: () => true }));
  expect(turnedAway).toBeInstanceOf(TakenOver);
  expect([other.lost.aborted, helper.lost.aborted]).toEqual([false, false]);
  // And when that one has ended: what it has done is not known to the one that was away.
  await Promise.all([other.close(), helper.close()]);
  await until(async () => (await runPids(look, 5)).runner === null, { what: 'the end of the other' });
  expect(await failure(claim(late, 5, { continues: true }))).toBeInstanceOf(TakenOver);
  expect(await currentRun(look, 5)).toEqual({ runNo: 3, owner: 'another process' });
  // The migration was removed: nothing is left to go on with.
  await look.batch(['delete from ghost.migrations where id = 5']);
  await using last = await open();
  await late.close();
  expect(await failure(claim(last, 5, { continues: true }))).toBeInstanceOf(TakenOver);
});
