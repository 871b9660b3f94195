/** Whole runs beside a load that passes a limit for a while: they wait with that reason, and go on when it is over. */
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import type { EmbeddedMajor } from '../../src/lab/embedded-binaries.js';
import { startEmbeddedServer, type EmbeddedServer } from '../../src/lab/embedded-server.js';
import { Session } from '../../src/db/session.js';
import type { Limits } from '../../src/throttle/limits.js';
import { until } from '../support/until.js';
import { BusyDatabase, change } from './busy-primary.js';
import { HeldRun } from './held-run.js';

/** Of our own: both signals are about the whole server, and other tests work on the shared one. */
let server: EmbeddedServer;

beforeAll(async () => {
  server = await startEmbeddedServer({
    major: inject('serverMajor') as EmbeddedMajor,
    settings: {
      fsync: 'off',
      // The application's own writes would come near the limit after each checkpoint.
      full_page_writes: 'off',
      shared_buffers: '64MB',
      max_wal_size: '4GB',
      log_checkpoints: 'off',
    },
  });
});

afterAll(async () => {
  await server?.stop({ immediate: true });
});

/** Sessions that run the statement again and again, until they are disposed of. */
async function load(
  url: string,
  sessions: number,
  statement: string,
): Promise<{ readonly turns: () => number } & AsyncDisposable> {
  const stop = new AbortController();
  let turns = 0;
  const opened = await Promise.all(
    Array.from({ length: sessions }, () => Session.open({ connection: { url }, applicationName: 'reports' })),
  );
  const work = opened.map(async (session) => {
    while (!stop.signal.aborted) {
      await session.rows(statement);
      turns += 1;
    }
    await session.close();
  });
  return {
    turns: () => turns,
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await Promise.all(work);
    },
  };
}

const bulk = `
  with gone as (delete from bulk)
  insert into bulk select repeat(md5(i::text), 30) from generate_series(1, 4000) as i`;

test.each<{ limits: Limits; sessions: number; statement: string; turns: number; reason: RegExp }>([
  {
    // The application's two writers are well below it.
    limits: { maxActive: 5 },
    sessions: 10,
    statement: 'select pg_sleep(0.3), count(*) from orders',
    turns: 3,
    reason: /^the number of active sessions \d+ is above --max-active 5$/,
  },
  {
    limits: { maxWalRate: 4 * 1024 * 1024 },
    sessions: 1,
    statement: bulk,
    turns: 20,
    reason: /^the WAL rate [\d.]+ MB\/s is above --max-wal-rate 4 MB\/s$/,
  },
])('$limits', async ({ limits, sessions, statement, turns, reason }) => {
  await using db = await BusyDatabase.start(server);
  await using setup = await Session.open({ connection: { url: db.url } });
  await setup.batch(['create table bulk (v text) with (autovacuum_enabled = off)']);
  const run = new HeldRun(db.url, change, { limits, holdAt: 'chunk-copied' });
  await run.held(2);
  {
    await using busy = await load(db.url, sessions, statement);
    await run.throttled(reason);
    const { chunks } = run;
    run.letGo();
    const before = busy.turns();
    await until(() => busy.turns() >= before + turns * sessions, { what: 'the load to go on' });
    expect(run.throttledBy.some((text) => reason.test(text))).toBe(true);
    expect(run.chunks).toBe(chunks);
  }
  // Its own chunks may be above the limit, later.
  await run.unthrottled();
  await run.ended;
  expect(run.chunks).toBeGreaterThan(3);
  const { errors } = await db.stop();
  expect(errors).toEqual([]);
  expect(await db.lost()).toEqual([]);
});
