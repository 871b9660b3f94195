/**
 * A key learnt from the WAL may not be visible yet (invariant 6): the commit record is there, and the transaction waits for a
 * standby. On a server of its own, in its second epoch of transaction ids.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, inject, test } from 'vitest';
import { type EmbeddedServer, startEmbeddedServer } from '../../src/lab/embedded-server.js';
import type { EmbeddedMajor } from '../../src/lab/embedded-binaries.js';
import { OwnDatabase } from '../crash/own-database.js';
import { App, early, expectMirrored, late, mirrored, raceOn, tables, type Moment } from '../races/harness.js';
import { until, type TestDatabase } from '../support/database.js';
import { enterNextEpoch } from '../support/next-epoch.js';

async function stopped(server: EmbeddedServer): Promise<void> {
  const pidFile = join(server.dataDirectory, 'postmaster.pid');
  process.kill(Number((await readFile(pidFile, 'utf8')).split('\n')[0]), 'SIGINT');
  await until(async () => (await readFile(pidFile).catch(() => null)) === null, {
    what: 'the server to stop',
  });
}

test(
  'what is decoded and not visible yet waits, and nobody applies it before',
  { timeout: 120_000 },
  async () => {
    await using server = await startEmbeddedServer({
      major: inject('serverMajor') as EmbeddedMajor,
      settings: {
        fsync: 'off',
        log_min_messages: 'fatal',
        wal_level: 'logical',
        // Whoever asks for it waits for a standby that never comes.
        synchronous_standby_names: 'nobody',
        synchronous_commit: 'local',
      },
    });
    await stopped(server);
    const next = await enterNextEpoch(server.dataDirectory);
    await server.restart();
    await using own = await OwnDatabase.create(server, 'shop');
    await own.run(tables());
    const db = own as unknown as TestDatabase;
    const app = await App.connect(db);
    const [{ xid } = { xid: '0' }] = await app.query<{ xid: string }>(
      'select pg_current_xact_id()::text as xid',
    );
    expect(BigInt(xid)).toBeGreaterThanOrEqual(next);

    const waiting: Promise<void>[] = [];
    const act = async (): Promise<void> => {
      const writer = await own.connect();
      const { rows } = await writer
        .query<{ pid: number }>(`set synchronous_commit = on; select pg_backend_pid() as pid`)
        .then((results) => (results as unknown as { rows: { pid: number }[] }[])[1] ?? { rows: [] });
      const pid = rows[0]?.pid ?? 0;
      const logged = await app.logged();
      waiting.push(mirrored(writer, `update $T set n = n - 1 where id in (${early}, ${late})`));
      await until(
        async () => (await app.count(`pg_stat_activity where pid = ${pid} and wait_event = 'SyncRep'`)) === 1,
        {
          what: 'a commit that waits',
        },
      );
      const asks = `pg_stat_activity where application_name = 'pg-ghost 1 feed' and query like '%pg_visible_in_snapshot%'
      and query_start > (select state_change from pg_stat_activity where pid = ${pid}) + interval '50 ms'`;
      await until(async () => (await app.count(asks)) > 0 || (await app.logged()) > logged, {
        what: 'its keys',
      });
      expect(await app.logged()).toBe(logged);
      await app.query(`select pg_cancel_backend(${pid})`);
    };
    const moments: Moment[] = (['chunk-copied', 'purged', 'caught-up'] as const).map((point) => ({
      at: { point },
      act,
    }));
    await raceOn(db, app, moments, { settings: { capture: 'logical' } });
    await Promise.all(waiting);
    await expectMirrored(db);
  },
);
