/** The order of things under the lock, without the rest of the tool (invariants 9 and 12). */
import { expect, test } from 'vitest';
import { cutover, type CutoverWork } from '../../src/swap/cutover.js';
import { Session } from '../../src/db/session.js';
import { createDatabase, type TestDatabase } from '../support/database.js';

async function prepared(
  db: TestDatabase,
  steps: string[],
  change: Partial<CutoverWork>,
): Promise<{ work: CutoverWork; session: Session; watcher: Session }> {
  await db.query('create table t (id int); create table swapped (id int)');
  const session = await Session.open({ connection: { url: db.url } });
  const watcher = await Session.open({ connection: { url: db.url } });
  const { oid } = await watcher.row<{ oid: number }>(`select 't'::regclass::oid as oid`);
  const isLocked = async (): Promise<string> => {
    const { held } = await watcher.row<{ held: boolean }>({
      text: `select exists (select from pg_locks where relation = $1 and mode = 'AccessExclusiveLock' and granted) as held`,
      values: [oid],
    });
    return held ? 'locked' : 'free';
  };
  const step = async (name: string): Promise<void> => {
    steps.push(`${name}: ${await isLocked()}`);
  };
  const work: CutoverWork = {
    table: '"public"."t"',
    tableOid: oid,
    session,
    watcher,
    locks: { before: [], after: [] },
    limits: { lockTimeoutMs: 100, maxHoldMs: 5_000, deadlineMs: 5_000 },
    catchUp: () => step('catch up'),
    finish: async () => {
      await step('check and drain');
      return { keys: 3, captureMs: 1.5 };
    },
    swap: () => ['insert into public.swapped values (1)'],
    emit: () => {},
    ...change,
  };
  return { work, session, watcher };
}

test('catch up before the lock, check and drain under it, and the swap commits', async () => {
  await using db = await createDatabase();
  const steps: string[] = [];
  const { work, session, watcher } = await prepared(db, steps, {});
  const result = await cutover(work);
  expect(steps).toEqual(['catch up: free', 'check and drain: locked']);
  expect(result).toMatchObject({ value: 3, attempts: 1 });
  expect((await db.query('select id from swapped')).rows).toEqual([{ id: 1 }]);
  await Promise.all([session.close(), watcher.close()]);
});

test('nothing is swapped when the check or the drain throws, and the lock is given back', async () => {
  await using db = await createDatabase();
  const { work, session, watcher } = await prepared(db, [], {
    finish: () => Promise.reject(new Error('the source is another')),
  });
  await expect(cutover(work)).rejects.toThrow('the source is another');
  expect((await db.query('select id from swapped')).rows).toEqual([]);
  await db.query(`set lock_timeout = '1s'; insert into t values (1)`);
  await Promise.all([session.close(), watcher.close()]);
});

test('a broken connection at the commit is an unknown outcome, one before it is not', async () => {
  await using db = await createDatabase();
  const { work, session, watcher } = await prepared(db, [], {
    swap: () => ['select pg_terminate_backend(pg_backend_pid())'],
  });
  await expect(cutover(work)).rejects.toThrow('at the commit');
  await Promise.all([session.close(), watcher.close()]);

  await using other = await createDatabase();
  const before = await prepared(other, [], {});
  const lost = cutover({
    ...before.work,
    finish: async () => {
      await before.session.rows('select pg_terminate_backend(pg_backend_pid())');
      return { keys: 0, captureMs: 0 };
    },
  });
  await expect(lost).rejects.not.toThrow('at the commit');
  await Promise.all([before.session.close(), before.watcher.close()]);
});
