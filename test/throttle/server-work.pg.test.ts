/** Signals of what a server does by itself, by settings that a shared server cannot have. */
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import type { EmbeddedMajor } from '../../src/lab/embedded-binaries.js';
import { startEmbeddedServer, type EmbeddedServer } from '../../src/lab/embedded-server.js';
import { Session } from '../../src/db/session.js';
import { autovacuum } from '../../src/throttle/signals/autovacuum.js';
import { retainedWal } from '../../src/throttle/signals/retained-wal.js';
import { until } from '../support/database.js';

let server: EmbeddedServer;

beforeAll(async () => {
  server = await startEmbeddedServer({
    major: inject('serverMajor') as EmbeddedMajor,
    settings: {
      fsync: 'off',
      shared_buffers: '16MB',
      autovacuum_naptime: '1s',
      archive_mode: 'on',
      archive_command: 'false',
      archive_timeout: '0',
    },
  });
});

afterAll(async () => {
  await server?.stop({ immediate: true });
});

const segment = 16 * 1024 * 1024;

test('an archive that does not keep up retains WAL', async () => {
  await using session = await Session.open({ connection: { url: server.url() } });
  const backlog = async (): Promise<number> => {
    const [reading, ...more] = await retainedWal().read(session, {});
    expect(more).toEqual([]);
    expect(reading?.subject).toBe('the archiver');
    return reading?.value ?? -1;
  };
  const switchSegment = (): Promise<unknown> =>
    session.batch([`select pg_logical_emit_message(true, 'a', 'b')`, 'select pg_switch_wal()']);
  const archiveWith = async (command: string): Promise<void> => {
    await session.batch([`alter system set archive_command = '${command}'`]);
    await session.batch(['select pg_reload_conf()']);
  };
  expect(await backlog()).toBe(0);
  await switchSegment();
  await until(async () => (await backlog()) === segment, { what: 'one segment in the backlog' });
  await switchSegment();
  await switchSegment();
  await until(async () => (await backlog()) === 3 * segment, { what: 'three segments' });
  await archiveWith('true');
  await until(async () => (await backlog()) === 0, { what: 'an empty backlog', timeoutMs: 90_000 });
  await archiveWith('false');
  await switchSegment();
  await until(async () => (await backlog()) === segment, {
    what: 'a backlog after the last archived segment',
  });
}, 120_000);

test('autovacuum on the table, and not on another', async () => {
  await using session = await Session.open({ connection: { url: server.url() } });
  // So slow that it is seen at work: it sleeps after every page.
  const slow =
    'autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1, autovacuum_vacuum_threshold = 1';
  await session.batch([
    `create table t (id int) with (${slow}, autovacuum_vacuum_scale_factor = 0)`,
    'create table other (id int) with (autovacuum_enabled = false)',
    'insert into t select generate_series(1, 20000)',
    'delete from t where id % 2 = 0',
  ]);
  const { t, other } = await session.row<{ t: number; other: number }>(
    `select 't'::regclass::oid as t, 'other'::regclass::oid as other`,
  );
  const signal = autovacuum([t, other]);
  const readings = await until(
    async () => {
      const found = await signal.read(session, {});
      return found.some(({ value }) => value === 1) && found;
    },
    { what: 'autovacuum', timeoutMs: 60_000 },
  );
  expect(readings).toEqual([
    { signal: 'autovacuum', subject: 'public.t', value: 1 },
    { signal: 'autovacuum', subject: 'public.other', value: 0 },
  ]);
  // Gives way to whoever wants the table.
  await session.batch(['drop table t']);
}, 120_000);
