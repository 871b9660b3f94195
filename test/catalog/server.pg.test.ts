import { expect, test } from 'vitest';
import { readPinnedSettings, readServer } from '../../src/catalog/server.js';
import { readBlocks, readSizes } from '../../src/catalog/sizes.js';
import { Session } from '../../src/db/session.js';
import { createDatabase } from '../support/database.js';

test('the server, and what the role may see and do there', async () => {
  await using db = await createDatabase();
  const [plain, monitor, bypass] = [
    await db.createRole(),
    await db.createRole('in role pg_monitor'),
    await db.createRole('bypassrls'),
  ];
  const facts = async (url: string) => {
    await using session = await Session.open({ connection: { url } });
    const { role, superuser, bypassesRowSecurity, seesAllActivity } = await readServer(session);
    return { role, superuser, bypassesRowSecurity, seesAllActivity };
  };
  const no = { superuser: false, bypassesRowSecurity: false, seesAllActivity: false };
  expect(await facts(plain.url)).toEqual({ ...no, role: plain.name });
  expect(await facts(monitor.url)).toEqual({ ...no, role: monitor.name, seesAllActivity: true });
  expect(await facts(bypass.url)).toEqual({ ...no, role: bypass.name, bypassesRowSecurity: true });
  expect(await facts(db.url)).toMatchObject({
    superuser: true,
    bypassesRowSecurity: true,
    seesAllActivity: true,
  });

  await using session = await Session.open({ connection: { url: db.url } });
  const server = await readServer(session);
  expect(Math.floor(server.version / 10_000)).toBe(db.major);
  expect(server).toMatchObject({
    inRecovery: false,
    database: db.name,
    settings: {
      walLevel: 'logical',
      deadlockTimeoutMs: 1000,
      maxPreparedTransactions: 20,
      synchronousStandbys: false,
    },
  });
  await session.execute(`set deadlock_timeout = '2min'`);
  expect((await readServer(session)).settings.deadlockTimeoutMs).toBe(120_000);
});

test('pinned settings are those of the session, and any role can set them again', async () => {
  await using db = await createDatabase();
  const role = await db.createRole();
  await db.query(
    `alter role ${role.name} set timezone = 'Asia/Tokyo'; alter role ${role.name} set search_path = app, "X"`,
  );
  await using session = await Session.open({ connection: { url: role.url } });
  const pinned = await readPinnedSettings(session);
  expect(pinned).toMatchObject({
    TimeZone: 'Asia/Tokyo',
    search_path: 'app, "X"',
    IntervalStyle: 'postgres',
  });
  await db.query(`alter role ${role.name} reset all`);
  await using other = await Session.open({ connection: { url: role.url }, settings: pinned });
  expect(await readPinnedSettings(other)).toEqual(pinned);
});

test('sizes are those of the heap, its indexes and its TOAST table; no estimate is null', async () => {
  await using db = await createDatabase(`
    create table t (id int primary key, note text) with (autovacuum_enabled = off);
    alter table t alter note set storage external;
    create table narrow (id int)`);
  await using session = await Session.open({ connection: { url: db.url } });
  const oidOf = async (table: string): Promise<number> =>
    (await session.row<{ oid: number }>(`select '${table}'::regclass::oid as oid`)).oid;
  const t = await oidOf('t');
  // An empty TOAST table has an index with its first page.
  expect(await readSizes(session, t)).toEqual({
    heapBytes: 0,
    blocks: 0,
    indexBytes: 8192,
    toastBytes: 8192,
    rows: null,
  });
  expect(await readSizes(session, await oidOf('narrow'))).toMatchObject({
    toastBytes: 0,
    indexBytes: 0,
    rows: null,
  });

  await db.query(`insert into t select n, repeat('x', 5000) from generate_series(1, 500) as n`);
  const filled = await readSizes(session, t);
  expect(filled.rows).toBeNull();
  expect(filled.blocks).toBe(await readBlocks(session, t));
  expect(filled.heapBytes).toBe(filled.blocks * 8192);
  expect(filled.toastBytes).toBeGreaterThan(500 * 5000);
  const { rows } = await db.query<{ total: number }>(
    `select (pg_total_relation_size('t') - pg_relation_size('t', 'fsm') - pg_relation_size('t', 'vm'))::int as total`,
  );
  expect(filled.heapBytes + filled.indexBytes + filled.toastBytes).toBe(rows[0]?.total);
  await db.query('analyze t');
  expect((await readSizes(session, t)).rows).toBe(500);
});
