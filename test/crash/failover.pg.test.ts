/**
 * The promise: after a failover a run does not go on. A standby that was promoted may lack what was committed last, on both
 * sides, so it is another server: the run refuses to continue there, says why, and abort still leaves the database as it
 * was found.
 */
import { execFile } from 'node:child_process';
import { chown, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type pg from 'pg';
import { describe, expect, inject, test } from 'vitest';
import type { EmbeddedMajor } from '../../src/lab/embedded-binaries.js';
import { type EmbeddedServer, startEmbeddedServer } from '../../src/lab/embedded-server.js';
import { abort, status } from '../../src/index.js';
import { differences } from '../../src/lab/proof.js';
import { type TestDatabase, until } from '../support/database.js';
import { failure, runChange } from '../support/migration.js';
import { runWriter } from '../support/workload.js';
import { OwnDatabase } from './own-database.js';
import { Proxy } from './proxy.js';
import { change, leftovers, settings, setup, Shop, snapshot, Writer } from './shop.js';

const major = inject('serverMajor') as EmbeddedMajor;

async function expectAsFound(client: pg.Client, found: Awaited<ReturnType<typeof snapshot>>): Promise<void> {
  expect(await snapshot(client)).toEqual(found);
  expect(await leftovers(client)).toEqual([]);
  const columns = 'select id, code, slot, total, note';
  expect(await differences(client, `${columns} from orders`, `${columns} from mirror`)).toEqual([]);
}

describe('a migration that was begun on another server', () => {
  test.each([
    {
      name: 'before its promotion',
      path: '{timeline}',
      value: '99',
      says: /its timeline is 1, and was 99/,
    },
    {
      name: 'from which this database was copied',
      path: '{systemIdentifier}',
      value: '"4711"',
      says: /its system identifier is \d{10,}, and was 4711/,
    },
  ])('$name: the same command is refused, abort works', async ({ path, value, says }) => {
    await using shop = await Shop.open();
    await using db = await shop.database();
    const client = await db.connect();
    const found = await snapshot(client);
    await using writer = new Writer(db, 80_000);
    await writer.writes(20);
    const stop = new AbortController();
    const stopped = await failure(
      runChange(db, change, {
        settings,
        signal: stop.signal,
        onPoint: (point) => {
          if (point === 'chunk-copied') stop.abort();
        },
      }),
    );
    expect(stopped).toMatchObject({ code: 'interrupted', exitCode: 130 });
    await client.query(`update ghost.migrations set server = jsonb_set(server, $1, $2)`, [path, value]);
    const state = async (): Promise<unknown> =>
      (
        await client.query(
          'select to_jsonb(m) as m, to_jsonb(t) as t, (select count(*) from ghost.chunks) as n from ghost.migrations as m, ghost.tables as t',
        )
      ).rows;
    const before = await state();

    const refused = await failure(runChange(db, change, { settings }));

    expect(refused).toMatchObject({ code: 'another-server', exitCode: 3 });
    expect(refused.message).toMatch(says);
    expect(JSON.stringify(refused)).toContain('aborting migration 1 removes the migration');
    expect(await state()).toEqual(before);
    await writer.writes(20);
    await abort({ connection: { url: db.url } }, 1);
    await writer.stop();
    await expectAsFound(client, found);
  });
});

test('a standby is promoted in the middle of the copy: the run waits for it, and then refuses to go on', async () => {
  const options = {
    major,
    settings: { fsync: 'off', log_min_messages: 'fatal', max_wal_senders: '5', wal_level: 'logical' },
  };
  await using primary = await startEmbeddedServer(options);
  await using standby = await startEmbeddedServer(options);
  const db = await OwnDatabase.create(primary, 'shop');
  await db.run(setup);
  const found = await snapshot(await db.connect());
  await followPrimary(standby, primary, major);

  await using proxy = await Proxy.open(db.url);
  await using promoted = new OwnDatabase(standby.url('shop', 'postgres', primary.password));
  const stop = new AbortController();
  const writer = runWriter(db as unknown as TestDatabase, 1, 81_000, stop.signal);
  let failedOver = false;
  let promotion: Promise<unknown> | undefined;
  const events: string[] = [];
  const refused = await failure(
    runChange(db as unknown as TestDatabase, change, {
      url: proxy.url,
      settings,
      onEvent: ({ event }) => events.push(event),
      onPoint: async (point) => {
        if (point !== 'chunk-copied' || failedOver) return;
        failedOver = true;
        await caughtUp(db, promoted);
        await primary.stop({ immediate: true });
        proxy.switchTo(standby.url());
        proxy.cutAll();
        // Not before the run has knocked at it once.
        const knocked = proxy.accepted;
        promotion = until(() => proxy.accepted > knocked, { what: 'the run to connect again' }).then(() =>
          promoted.run('select pg_promote()'),
        );
      },
    }),
  );
  await promotion;
  stop.abort();
  await writer.catch(() => undefined);

  expect(refused).toMatchObject({ code: 'another-server', exitCode: 3 });
  expect(refused.message).toMatch(/a standby was promoted .* its timeline is 2, and was 1/);
  expect(events).toContain('run:retrying');
  expect(events).not.toContain('run:resumed');
  // The same command knows it, too.
  const again = await failure(runChange(promoted as unknown as TestDatabase, change, { settings }));
  expect(again).toMatchObject({ code: 'another-server', exitCode: 3 });
  await abort({ connection: { url: promoted.url } }, 1);
  await expectAsFound(await promoted.connect(), found);
});

test.skipIf(major < 17)(
  'a standby with a copy of the slot is promoted (failover slots are from 17 on): refused, and abort removes the copy',
  async () => {
    const options = {
      major,
      settings: { fsync: 'off', log_min_messages: 'fatal', wal_level: 'logical', max_wal_senders: '5' },
    };
    await using primary = await startEmbeddedServer(options);
    await using standby = await startEmbeddedServer(options);
    const db = await OwnDatabase.create(primary, 'shop');
    await db.run(`create table t (id int primary key); insert into t select generate_series(1, 300)`);
    await db.run(`select pg_create_physical_replication_slot('standby', true)`);
    await followPrimary(standby, primary, major, {
      hot_standby_feedback: 'on',
      primary_slot_name: 'standby',
      sync_replication_slots: 'on',
    });
    await using promoted = new OwnDatabase(standby.url('shop', 'postgres', primary.password));
    const of = { table: 't', alter: ['ALTER COLUMN id TYPE bigint'] };
    const logical = { capture: 'logical', failoverSlot: true, retryForMs: 0 } as const;
    const copied = `select from pg_replication_slots where slot_name like 'ghost%' and synced and not temporary`;
    const lost = await failure(
      runChange(db as unknown as TestDatabase, of, {
        settings: logical,
        onPoint: async (point) => {
          if (point !== 'copied') return;
          await until(
            async () => {
              await db.run('select pg_log_standby_snapshot()');
              return (await promoted.run(copied)).rows.length === 1;
            },
            { what: 'the copy of the slot' },
          );
          await primary.stop({ immediate: true });
        },
      }),
    );
    expect(lost).toMatchObject({ code: 'connection-lost' });
    await promoted.run('select pg_promote()');
    const at = { connection: { url: promoted.url } };
    expect((await status(at, 1))[0]?.slot).toMatchObject({ active: false, concern: 'unread' });
    expect(
      await failure(runChange(promoted as unknown as TestDatabase, of, { settings: logical })),
    ).toMatchObject({
      code: 'another-server',
    });
    await abort(at, 1);
    expect(
      (await promoted.run(`select slot_name from pg_replication_slots where slot_name like 'ghost%'`)).rows,
    ).toEqual([]);
  },
);

/** Makes a server that is there for nothing else a standby: with a copy of the files, in the place of its own. */
async function followPrimary(
  standby: EmbeddedServer,
  primary: EmbeddedServer,
  major: EmbeddedMajor,
  settings: Readonly<Record<string, string>> = {},
): Promise<void> {
  const pidFile = join(standby.dataDirectory, 'postmaster.pid');
  process.kill(Number((await readFile(pidFile, 'utf8')).split('\n')[0]), 'SIGINT');
  await until(async () => (await readFile(pidFile).catch(() => null)) === null, {
    what: 'the server to stop',
  });
  await rm(standby.dataDirectory, { recursive: true });
  await using database = new OwnDatabase(primary.url());
  const client = await database.connect();
  await client.query(
    major === 14 ? `select pg_start_backup('copy', true, false)` : `select pg_backup_start('copy', true)`,
  );
  // With owners and permissions, as nothing in Node does.
  await promisify(execFile)('cp', ['-a', primary.dataDirectory, standby.dataDirectory]);
  const { rows } = await client.query<{ labelfile: string }>(
    major === 14
      ? 'select labelfile from pg_stop_backup(false, false)'
      : 'select labelfile from pg_backup_stop(false)',
  );
  await rm(pidFile);
  const { uid, gid } = await stat(standby.dataDirectory);
  for (const [name, content] of [
    ['backup_label', rows[0]?.labelfile ?? ''],
    ['standby.signal', ''],
  ] as const) {
    await writeFile(join(standby.dataDirectory, name), content);
    await chown(join(standby.dataDirectory, name), uid, gid);
  }
  const { hostname, port, username, password } = new URL(primary.url());
  await standby.restart({
    settings: {
      port: String(standby.port),
      primary_conninfo: `host=${hostname} port=${port} user=${username} password=${decodeURIComponent(password)} dbname=shop`,
      ...settings,
    },
  });
}

/** The standby has all that is on the primary now. */
async function caughtUp(primary: OwnDatabase, standby: OwnDatabase): Promise<void> {
  const { rows } = await primary.run('select pg_current_wal_insert_lsn() as lsn');
  const { lsn } = rows[0] as { lsn: string };
  const isThere = async (): Promise<boolean> => {
    const { rows: replayed } = await standby.run(`select pg_last_wal_replay_lsn() >= '${lsn}' as there`);
    return (replayed[0] as { there: boolean }).there;
  };
  await until(isThere, { what: 'the standby to catch up' });
}
