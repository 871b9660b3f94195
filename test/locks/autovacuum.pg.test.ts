/** Autovacuum in the way: it gives way to a waiter whose deadlock check has run, but not when it prevents wraparound. */
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { Session } from '../../src/db/session.js';
import type { EmbeddedMajor } from '../../src/lab/embedded-binaries.js';
import { startEmbeddedServer, type EmbeddedServer } from '../../src/lab/embedded-server.js';
import { blockerLines } from '../../src/locks/describe-blockers.js';
import type { LockNotObtained } from '../../src/locks/attempts.js';
import { until } from '../support/database.js';
import { failure } from '../support/migration.js';
import { openScene } from './scene.js';

let server: EmbeddedServer;

beforeAll(async () => {
  server = await startEmbeddedServer({
    major: inject('serverMajor') as EmbeddedMajor,
    settings: { fsync: 'off', synchronous_commit: 'off', shared_buffers: '16MB', autovacuum_naptime: '1s' },
  });
});

afterAll(async () => {
  await server?.stop({ immediate: true });
});

/** So slow that it is met at work: it sleeps after every page. */
const slow =
  'autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1, autovacuum_vacuum_scale_factor = 0';

async function working(session: Session): Promise<number> {
  const { pid } = await until(
    async () =>
      (
        await session.rows<{ pid: number }>(
          `select a.pid from pg_stat_activity as a join pg_locks as l on l.pid = a.pid and l.granted
           where a.backend_type = 'autovacuum worker' and l.relation = to_regclass('public.t')`,
        )
      )[0],
    { what: 'autovacuum on the table', timeoutMs: 40_000 },
  );
  return pid;
}

test('an ordinary worker is evicted within the tries, however old its transaction is', async () => {
  await using session = await Session.open({ connection: { url: server.url() } });
  await session.batch([
    'drop table if exists t',
    `create table t (id int) with (${slow}, autovacuum_vacuum_threshold = 1)`,
    'insert into t select generate_series(1, 50000)',
    'delete from t where id % 2 = 0',
  ]);
  await using scene = await openScene({ url: server.url() });
  const pid = await working(session);
  const { attempts } = await scene.ask({ limits: { oldTransactionMs: 0 } });
  const blocked = scene.misses.filter(({ blockers }) => blockers.some((each) => each.pid === pid));
  expect(blocked.length).toBeGreaterThan(0);
  for (const miss of scene.misses) expect(miss).toMatchObject({ tried: true, reason: null });
  expect(blocked[0]?.blockers[0]).toMatchObject({
    backendType: 'autovacuum worker',
    lockModes: ['SHARE UPDATE EXCLUSIVE'],
  });
  // Without the lowered deadlock_timeout no try of up to 100 ms ever gets in.
  expect(attempts).toBeLessThan(15);
}, 60_000);

test('one that prevents wraparound is only looked at, spared, and named', async () => {
  await using session = await Session.open({ connection: { url: server.url() } });
  await session.batch([
    'drop table if exists t',
    `create table t (id int) with (${slow}, autovacuum_enabled = false, autovacuum_freeze_max_age = 100000)`,
    'insert into t select generate_series(1, 50000)',
  ]);
  await session.batch([
    `do $$ begin for i in 1..100100 loop perform pg_current_xact_id(); commit; end loop; end $$`,
  ]);
  await using scene = await openScene({ url: server.url() });
  const pid = await working(session);
  const error = (await failure(
    scene.ask({ killBlockers: { afterMs: 200 }, limits: { deadlineMs: 1_500, oldTransactionMs: 60_000 } }),
  )) as unknown as LockNotObtained;
  expect(error).toMatchObject({ attempts: 0, ended: 'deadline', miss: { tried: false, why: 'wraparound' } });
  expect(error.miss.reason).toBe(`autovacuum to prevent wraparound (pid ${pid}) does not give way`);
  expect(blockerLines(error.census)).toContain('works to prevent wraparound and does not give way');
  expect(scene.kills).toMatchObject([{ pid, how: 'spared', why: 'autovacuum works to prevent wraparound' }]);
  expect(await working(session)).toBe(pid);
  // Nobody asked for looks: it is tried, and said why that is in vain.
  const tried = (await failure(scene.ask({ limits: { deadlineMs: 700 } }))) as unknown as LockNotObtained;
  expect(tried.miss).toMatchObject({ tried: true, why: 'lock', reason: error.miss.reason });
}, 60_000);
