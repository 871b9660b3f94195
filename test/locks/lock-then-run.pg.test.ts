/** Statements that may last: VALIDATE, REFRESH, DROP. Asked for politely, and then given their time. */
import { expect, test } from 'vitest';
import type { LedgerEntry } from '../../src/locks/ledger.js';
import { lockThenRun, type LongWork } from '../../src/locks/lock-then-run.js';
import { LockNotObtained, type Miss } from '../../src/locks/attempts.js';
import type { LockStep } from '../../src/locks/lock-request.js';
import { createDatabase, until, type TestDatabase } from '../support/database.js';
import { failure } from '../support/migration.js';
import { application, openScene, otherSession, setup, type Scene } from './scene.js';

const more = `${setup};
  create table child (t_id integer);
  insert into child select id from t;
  alter table child add constraint child_fkey foreign key (t_id) references t not valid;
  create materialized view m as select n from t`;

interface Work {
  readonly misses: Miss[];
  readonly ledger: LedgerEntry[];
  readonly run: (options: Partial<LongWork<unknown>>) => ReturnType<typeof lockThenRun>;
}

function work({ session, watcher }: Scene): Work {
  const misses: Miss[] = [];
  const ledger: LedgerEntry[] = [];
  return {
    misses,
    ledger,
    run: (options) =>
      lockThenRun<unknown>({
        session,
        watcher,
        what: 'a long work',
        locks: [],
        limits: { lockTimeoutMs: 100, deadlineMs: 20_000 },
        run: () => Promise.resolve(null),
        onMiss: (miss) => misses.push(miss),
        onLock: (entry) => ledger.push(entry),
        ...options,
      }),
  };
}

async function step(db: TestDatabase, kind: 'table' | 'implicit', table: string, mode: LockStep['mode']) {
  const { rows } = await db.query<{ oid: number }>(`select '${table}'::regclass::oid as oid`);
  return { kind, oid: rows[0]?.oid ?? 0, table: `public.${table}`, mode } as LockStep;
}

test('VALIDATE waits for its locks by the ladder, and then takes the time it needs', async () => {
  await using db = await createDatabase(more);
  await using scene = await openScene(db);
  const { run, misses, ledger } = work(scene);
  const locks = [
    await step(db, 'table', 'child', 'SHARE UPDATE EXCLUSIVE'),
    await step(db, 'table', 't', 'ROW SHARE'),
  ];
  const other = await otherSession(db, 'begin; lock table t in exclusive mode');
  // Keeps nobody away from the table that reads or writes.
  await using app = await application(db, 'update child set t_id = t_id where t_id = 1');
  const running = run({
    locks,
    run: () =>
      scene.session.batch(['alter table child validate constraint child_fkey', 'select pg_sleep(0.5)']),
  });
  await until(() => misses.length > 1, { what: 'two misses' });
  await other.client.query('commit');
  const { attempts, heldMs, waitedMs } = await running;
  expect(attempts).toBe(misses.length + 1);
  expect(misses).toEqual(
    misses.map(
      () =>
        expect.objectContaining({
          why: 'lock',
          blockers: [expect.objectContaining({ pid: other.pid })],
        }) as unknown,
    ),
  );
  expect(heldMs).toBeGreaterThan(500);
  expect(heldMs).toBeLessThan(1_500);
  expect(waitedMs).toBeGreaterThan(50);
  expect(ledger.slice(-2)).toMatchObject([
    {
      what: 'a long work',
      table: 'public.child',
      mode: 'SHARE UPDATE EXCLUSIVE',
      outcome: 'committed',
      blocked: 0,
    },
    { what: 'a long work', table: 'public.t', mode: 'ROW SHARE', outcome: 'committed', blocked: 0 },
  ]);
  expect(ledger.at(-1)?.heldMs).toBeGreaterThan(500);
  expect(await app.end()).toMatchObject({ errors: [] });
  expect((await db.query('select convalidated from pg_constraint where contype = $1', ['f'])).rows).toEqual([
    { convalidated: true },
  ]);
});

test('REFRESH takes its lock itself: waited for within the budget, found in the ledger', async () => {
  await using db = await createDatabase(more);
  await using scene = await openScene(db);
  const { run, misses, ledger } = work(scene);
  const locks = [await step(db, 'implicit', 'm', 'ACCESS EXCLUSIVE')];
  const other = await otherSession(db, 'begin; select * from m');
  await using app = await application(db, 'select count(*) from m');
  const refresh = { locks, run: () => scene.session.execute('refresh materialized view m') };
  const running = run({
    ...refresh,
    limits: { lockTimeoutMs: 10_000, deadlineMs: 30_000, harmPerTryMs: 30 },
  });
  await until(() => misses.some(({ why }) => why === 'harm'), { what: 'a try that was cut short' });
  expect(misses.find(({ why }) => why === 'harm')).toMatchObject({ blockers: [{ pid: other.pid }] });
  await other.client.query('commit');
  await running;
  const { longestMs, errors } = await app.end();
  expect(errors).toEqual([]);
  // A timeout of ten seconds would be reached in the end; nobody is made to wait for as long.
  expect(longestMs).toBeLessThan(1_000);
  expect(ledger.filter(({ outcome }) => outcome === 'missed').length).toBeGreaterThan(0);
  expect(ledger.at(-1)).toMatchObject({ table: 'public.m', mode: 'ACCESS EXCLUSIVE', outcome: 'committed' });
  expect((await db.query('select count(*)::int as n from m')).rows).toEqual([{ n: 10 }]);
});

test('an error of the statement is its own, and nothing is left', async () => {
  await using db = await createDatabase(more);
  await using scene = await openScene(db);
  await db.query('insert into child select 1; alter table child drop constraint child_fkey');
  const { run, ledger } = work(scene);
  const locks = [await step(db, 'table', 'child', 'SHARE UPDATE EXCLUSIVE')];
  const error = await failure(
    run({ locks, run: () => scene.session.execute('alter table child validate constraint child_fkey') }),
  );
  expect(error).toMatchObject({ code: '42704' });
  expect(ledger).toMatchObject([{ outcome: 'rolled back' }]);
  expect(await run({ locks })).toMatchObject({ attempts: 1 });
});

test('who cancels the statement by hand is obeyed', async () => {
  await using db = await createDatabase(more);
  await using scene = await openScene(db);
  const { run, misses } = work(scene);
  const locks = [await step(db, 'table', 'child', 'SHARE UPDATE EXCLUSIVE')];
  const running = failure(run({ locks, run: () => scene.session.batch(['select pg_sleep(600)']) }));
  await until(
    async () =>
      (
        await db.query(
          `select pg_cancel_backend(pid) from pg_stat_activity where pid = $1 and wait_event = 'PgSleep'`,
          [scene.session.pid],
        )
      ).rows.length,
    { what: 'the statement at work' },
  );
  expect(await running).toMatchObject({ code: '57014' });
  expect(misses).toEqual([]);
});

test('without a watcher: the deadline and who was in the way, all the same', async () => {
  await using db = await createDatabase(more);
  await using scene = await openScene(db);
  const { session } = scene;
  const other = await otherSession(db, 'begin; select * from child');
  const asked = {
    session,
    what: 'dropping the table',
    locks: [await step(db, 'table', 'child', 'ACCESS EXCLUSIVE')],
    limits: { lockTimeoutMs: 50, deadlineMs: 700, oldTransactionMs: 300 },
    run: () => session.execute('drop table child'),
  };
  const error = (await failure(lockThenRun(asked))) as unknown as LockNotObtained;
  expect(error).toBeInstanceOf(LockNotObtained);
  expect(error).toMatchObject({ census: [{ pid: other.pid }], miss: { why: 'old-transaction' } });
  await other.client.query('commit');
  expect(await lockThenRun(asked)).toMatchObject({ attempts: 1 });
  expect((await db.query(`select to_regclass('child') as found`)).rows).toEqual([{ found: null }]);
});
