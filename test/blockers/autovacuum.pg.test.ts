/** Autovacuum at work on the table when a run needs its locks: it gives way where the role may make it, and is named where not. */
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import pg from 'pg';
import type { EmbeddedMajor } from '../../src/lab/embedded-binaries.js';
import { startEmbeddedServer, type EmbeddedServer } from '../../src/lab/embedded-server.js';
import {
  abort,
  finalize,
  migrate,
  type MigrateOptions,
  type MigrationEvent,
  type PgGhostError,
} from '../../src/index.js';
import type { Point } from '../../src/run/points.js';
import { until } from '../support/database.js';
import { request } from '../support/migration.js';
import { Application, tolerableMs } from './scene.js';

let server: EmbeddedServer;
let client: pg.Client;
const sessions: pg.Client[] = [];

beforeAll(async () => {
  server = await startEmbeddedServer({
    major: inject('serverMajor') as EmbeddedMajor,
    settings: { fsync: 'off', synchronous_commit: 'off', shared_buffers: '16MB', autovacuum_naptime: '1s' },
  });
  client = new pg.Client({ connectionString: server.url() });
  await client.connect();
  // So slow that it is met at work: it sleeps after every page. It begins when rows are deleted, and again when it was ended.
  await client.query(`
    create role mover login password 'mover' in role pg_monitor;
    grant create on database postgres to mover;
    grant all on schema public to mover;
    create table t (id int primary key, n int) with (autovacuum_vacuum_cost_delay = 100,
      autovacuum_vacuum_cost_limit = 1, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1,
      autovacuum_vacuum_insert_threshold = -1);
    alter table t owner to mover;
    insert into t select i, 0 from generate_series(1, 20000) as i;`);
});

afterAll(async () => {
  await Promise.all([client, ...sessions].map((session) => session?.end()));
  await server?.stop({ immediate: true });
});

function application(): Promise<Application> {
  return Application.start({
    async connect() {
      const session = new pg.Client({ connectionString: server.url() });
      await session.connect();
      sessions.push(session);
      return session;
    },
  });
}

async function working(): Promise<number> {
  const { pid } = await until(
    async () =>
      (
        await client.query<{ pid: number }>(
          `select a.pid from pg_stat_activity as a join pg_locks as l on l.pid = a.pid and l.granted
           where a.backend_type = 'autovacuum worker' and l.relation = 't'::regclass`,
        )
      ).rows[0],
    { what: 'autovacuum on the table', timeoutMs: 40_000 },
  );
  return pid;
}

const change = request({ table: 't', alter: ['ALTER COLUMN id TYPE bigint'] });

/** @param url of who runs it; @param at where it waits for autovacuum to be at work */
async function run(
  url: string,
  at: Point,
  options: Partial<MigrateOptions> & { readonly deadlineMs: number },
): Promise<{ error: unknown; worker: number | null; events: MigrationEvent[] }> {
  const events: MigrationEvent[] = [];
  let worker: number | null = null;
  const error = await migrate({
    connection: { url },
    request: change,
    ...options,
    settings: { lockTimeoutMs: 100, cutoverDeadlineMs: options.deadlineMs },
    onEvent: (event) => events.push(event),
    onPoint: async (point) => {
      if (point === at) worker = await working();
      await options.onPoint?.(point);
    },
  }).then(
    () => null,
    (reason: unknown) => reason,
  );
  return { error, worker, events };
}

/** After each miss: who was in the way. */
function missed(events: readonly MigrationEvent[], name: 'cutover:missed' | 'lock:missed'): unknown[] {
  return events.flatMap((event) => (event.event === name ? [event] : []));
}

const seen = (pid: number | null): unknown =>
  expect.arrayContaining([
    expect.objectContaining({ pid, backendType: 'autovacuum worker', lockModes: ['SHARE UPDATE EXCLUSIVE'] }),
  ]) as unknown;

test('the swap: in vain where the role may not make it give way, with the reason; then it gives way to a superuser', async () => {
  const started: Application[] = [];
  const url = new URL(server.url());
  [url.username, url.password] = ['mover', 'mover'];
  // Not before: what leaves dead rows makes autovacuum come.
  const remove = async (point: Point): Promise<void> => {
    if (point !== 'indexes-attached') return;
    started.push(await application());
    await client.query('delete from t where id % 2 = 0');
  };
  const first = await run(url.href, 'settled', { deadlineMs: 1_500, onPoint: remove });
  expect(first.error).toMatchObject({ code: 'cutover-not-obtained', exitCode: 5, details: { why: 'lock' } });
  const { message, details } = first.error as PgGhostError;
  expect(message).toContain(
    `autovacuum (pid ${first.worker}) gives way after deadlock_timeout, which this role may not lower`,
  );
  expect(message).toMatch(new RegExp(`in the way: pid ${first.worker} .*autovacuum worker`));
  expect(details['blockers']).toEqual(seen(first.worker));
  expect(await working()).toBe(first.worker);

  const second = await run(server.url(), 'settled', { deadlineMs: 20_000 });
  expect(second.error).toBeNull();
  expect(second.worker).toBe(first.worker);
  const misses = missed(second.events, 'cutover:missed');
  expect(misses.length).toBeGreaterThan(0);
  for (const miss of misses)
    expect(miss).toMatchObject({ tried: true, reason: null, blockers: seen(second.worker) });
  const [app] = started;
  await app?.end();
  expect(app?.errors).toEqual([]);
  expect(app?.longestMs).toBeLessThan(tolerableMs);
  expect((await client.query('select n from t where id = 1')).rows).toEqual([{ n: app?.writes }]);
  await finalize({ connection: { url: server.url() } }, 1);
}, 60_000);

test('switching capture on: it gives way', async () => {
  await client.query('delete from t where id % 3 = 0');
  await using app = await application();
  const stop = new AbortController();
  const { error, worker, events } = await run(server.url(), 'target-stored', {
    request: request({ table: 't', rewrite: true }),
    deadlineMs: 20_000,
    signal: stop.signal,
    onPoint: (point) => {
      if (point === 'capture-on') stop.abort();
    },
  });
  expect(error).toMatchObject({ code: 'interrupted' });
  const misses = missed(events, 'lock:missed');
  // When it has given way a write of the application may be in the way for a moment, and then that is the truth.
  const named = { what: 'switching capture on', blockers: seen(worker) };
  expect(misses).toContainEqual(expect.objectContaining(named));
  for (const miss of misses) {
    const { what, blockers } = miss as Extract<MigrationEvent, { event: 'lock:missed' }>;
    expect(what).toBe('switching capture on');
    const others = blockers.filter(({ pid }) => pid !== worker);
    for (const other of others)
      expect(other).toMatchObject({ backendType: 'client backend', lockModes: ['ROW EXCLUSIVE'] });
  }
  await app.end();
  expect(app.longestMs).toBeLessThan(tolerableMs);
  await abort({ connection: { url: server.url() } }, events.find(({ id }) => id !== null)?.id ?? 0);
}, 60_000);
