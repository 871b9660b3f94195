import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { expect, test } from 'vitest';
import { Session } from '../../src/db/session.js';
import type { Reading } from '../../src/throttle/reading.js';
import { readSignal } from '../../src/throttle/signal.js';
import { allSignals } from '../../src/throttle/signals.js';
import { activeBackends } from '../../src/throttle/signals/active-backends.js';
import { autovacuum } from '../../src/throttle/signals/autovacuum.js';
import { lockWaiters } from '../../src/throttle/signals/lock-waiters.js';
import { pauseFile } from '../../src/throttle/signals/pause-file.js';
import { replicaLag } from '../../src/throttle/signals/replica-lag.js';
import { retainedWal } from '../../src/throttle/signals/retained-wal.js';
import { streamingLag } from '../../src/throttle/signals/streaming-lag.js';
import { checkThrottleQuery, throttleQuery } from '../../src/throttle/signals/throttle-query.js';
import { walRate } from '../../src/throttle/signals/wal-rate.js';
import { xidAge } from '../../src/throttle/signals/xid-age.js';
import { createDatabase, until, type TestDatabase } from '../support/database.js';

const ours = 'pg-ghost 7 ';

async function open(db: TestDatabase, url = db.url): Promise<Session> {
  return Session.open({ connection: { url }, applicationName: `${ours}throttle` });
}

async function oidOf(session: Session, table: string): Promise<number> {
  return (await session.row<{ oid: number }>(`select '${table}'::regclass::oid as oid`)).oid;
}

async function connectAs(db: TestDatabase, application: string): Promise<pg.Client> {
  const client = await db.connect();
  await client.query(`set application_name = '${application}'`);
  return client;
}

async function waitsForLock(session: Session, application: string): Promise<void> {
  await until(
    async () =>
      (
        await session.rows({
          text: `select from pg_stat_activity where application_name = $1 and wait_event_type = 'Lock'`,
          values: [application],
        })
      ).length > 0,
    { what: `${application} to wait for a lock` },
  );
}

test('lock waiters: others that wait for our tables, not we, not for other tables', async () => {
  await using db = await createDatabase('create table t (id int); create table other (id int)');
  await using session = await open(db);
  const signal = lockWaiters([await oidOf(session, 't')], ours);
  const waiters = async (): Promise<unknown> => (await signal.read(session, {}))[0]?.value;
  expect(await waiters()).toBe(0);
  const holder = await connectAs(db, 'holder');
  await holder.query('begin; lock table t, other');
  const waiting: Promise<unknown>[] = [];
  for (const [application, table] of [
    ['waiter one', 't'],
    ['waiter two', 't'],
    ['waiter elsewhere', 'other'],
    [`${ours}copy`, 't'],
  ]) {
    const client = await connectAs(db, `${application} ${db.name}`);
    waiting.push(client.query(`select * from ${table}`));
    await waitsForLock(session, `${application} ${db.name}`);
  }
  expect(await waiters()).toBe(2);
  await holder.query('rollback');
  await Promise.all(waiting);
  expect(await waiters()).toBe(0);
});

test('active backends: clients at work, neither idle ones nor ours', async () => {
  await using db = await createDatabase('create table t (id int)');
  await using session = await open(db);
  // The server is shared with other tests: only differences that we make are certain.
  const others = await connectAs(db, `other ${db.name}`);
  const own = await connectAs(db, `own ${db.name}`);
  const idle = await connectAs(db, `idle ${db.name}`);
  await idle.query('begin; lock table t');
  const waiting = [others.query('select * from t'), own.query('select * from t')];
  await waitsForLock(session, `other ${db.name}`);
  await waitsForLock(session, `own ${db.name}`);
  const all = await activeOf(session, `none ${db.name}`);
  const withoutOwn = await activeOf(session, `own ${db.name}`);
  expect(all).toBeGreaterThanOrEqual(2);
  expect(withoutOwn).toBeGreaterThanOrEqual(1);
  await until(
    async () =>
      (await activeOf(session, `none ${db.name}`)) - (await activeOf(session, `own ${db.name}`)) === 1,
    { what: 'our session to be left out' },
  );
  await idle.query('rollback');
  await Promise.all(waiting);
});

async function activeOf(session: Session, own: string): Promise<number> {
  const [reading] = await activeBackends(own).read(session, {});
  expect(reading).toMatchObject({ signal: 'active', value: expect.any(Number) as unknown });
  return reading?.value ?? -1;
}

test('what a role may not see cannot be read, and says which right is missing', async () => {
  await using db = await createDatabase('create table t (id int)');
  const role = await db.createRole();
  await using session = await open(db, role.url);
  const tables = [await oidOf(session, 't')];
  const detail = 'the role lacks pg_read_all_stats, which is part of pg_monitor';
  expect(await activeBackends(ours).read(session, {})).toEqual([{ signal: 'active', value: null, detail }]);
  expect(await autovacuum(tables).read(session, {})).toEqual([
    { signal: 'autovacuum', value: null, detail, subject: 'public.t' },
  ]);
  await db.query(`grant pg_monitor to ${role.name}`);
  expect((await activeBackends(ours).read(session, {}))[0]?.value).toBeGreaterThanOrEqual(0);
  expect(await autovacuum(tables).read(session, {})).toEqual([
    { signal: 'autovacuum', value: 0, subject: 'public.t' },
  ]);
});

test('a role without any rights reads all that needs none', async () => {
  await using db = await createDatabase('create table t (id int)');
  const role = await db.createRole();
  await using session = await open(db, role.url);
  const tables = [await oidOf(session, 't')];
  for (const signal of [
    lockWaiters(tables, ours),
    walRate(),
    retainedWal(),
    xidAge(tables),
    streamingLag(),
  ]) {
    for (const { value } of await signal.read(session, {})) expect(value).not.toBeNull();
  }
});

test('the WAL rate is what was written since the last read', async () => {
  await using db = await createDatabase('create table t (id int)');
  await using session = await open(db);
  let nowMs = 0;
  const signal = walRate(() => nowMs);
  expect(await signal.read(session, {})).toEqual([]);
  await db.query(`select pg_logical_emit_message(true, 'test', repeat('x', 4000000))`);
  nowMs = 2000;
  const [reading] = await signal.read(session, {});
  expect(reading?.signal).toBe('wal-rate');
  expect(reading?.value).toBeGreaterThanOrEqual(2_000_000);
  // No time has passed: no rate.
  expect(await signal.read(session, {})).toEqual([]);
});

test('retained WAL by slot', async () => {
  await using db = await createDatabase();
  await using session = await open(db);
  const slot = `slot_${db.name}`;
  const unreserved = `unreserved_${db.name}`;
  await db.query(`select pg_create_physical_replication_slot('${slot}', true)`);
  await db.query(`select pg_create_physical_replication_slot('${unreserved}')`);
  try {
    const retained = async (name: string): Promise<Reading | undefined> =>
      (await retainedWal().read(session, {})).find(({ subject }) => subject === `slot ${name}`);
    const before = (await retained(slot))?.value ?? Number.NaN;
    await db.query(`select pg_logical_emit_message(true, 'test', repeat('x', 3000000))`);
    expect((await retained(slot))?.value).toBeGreaterThanOrEqual(before + 3_000_000);
    expect(await retained(unreserved)).toBeUndefined();
  } finally {
    for (const name of [slot, unreserved]) await db.query(`select pg_drop_replication_slot('${name}')`);
  }
});

test('transaction ID age of the database and the tables, with the TOAST table, not of a partitioned one', async () => {
  await using db = await createDatabase(`
    create table "Or ders" (id int, note text);
    create table parts (id int) partition by range (id);
  `);
  await using session = await open(db);
  const tables = [await oidOf(session, '"Or ders"'), await oidOf(session, 'parts')];
  const ages = async (): Promise<Map<string | undefined, number | null>> =>
    new Map((await xidAge(tables).read(session, {})).map(({ subject, value }) => [subject, value]));
  const before = await ages();
  expect([...before.keys()]).toEqual([`database ${db.name}`, 'public."Or ders"']);
  const age = before.get('public."Or ders"') ?? Number.NaN;
  expect(age).toBeLessThan(1_000_000);
  for (let transaction = 0; transaction < 3; transaction += 1) await db.query('select pg_current_xact_id()');
  expect((await ages()).get('public."Or ders"')).toBeGreaterThanOrEqual(age + 3);
  // Frozen without its TOAST table, it is as old as that.
  await db.query('set vacuum_freeze_min_age = 0');
  await db.query('vacuum (freeze, process_toast false) "Or ders"');
  expect((await ages()).get('public."Or ders"')).toBeGreaterThanOrEqual(age + 3);
});

test('without replicas there is no lag', async () => {
  await using db = await createDatabase();
  await using session = await open(db);
  expect(await streamingLag().read(session, {})).toEqual([]);
  expect(await replicaLag({ replicas: [], applicationName: ours }).read(session, {})).toEqual([]);
});

test('a replica that cannot be reached, or is none, cannot be read; its password is not shown', async () => {
  await using db = await createDatabase();
  await using session = await open(db);
  const nowhere = 'postgres://someone:secret@127.0.0.1:1/nowhere';
  const signal = replicaLag({ replicas: [{ url: nowhere }, { url: db.url }], applicationName: ours });
  const readings = await signal.read(session, {});
  await signal.close?.();
  expect(readings.map(({ signal: name, value }) => [name, value])).toEqual([
    ['replica-lag', null],
    ['replica-lag-bytes', null],
    ['replica-lag', null],
    ['replica-lag-bytes', null],
  ]);
  expect(readings[0]).toMatchObject({
    subject: '127.0.0.1:1/nowhere',
    detail: expect.stringContaining('ECONNREFUSED') as unknown,
  });
  expect(readings[2]?.detail).toBe('it is no replica: not in recovery');
  expect(JSON.stringify(readings)).not.toContain('secret');
});

test.each<[string, number | null, string | undefined]>([
  ['select true', 1, 'true'],
  ['select false', 0, 'false'],
  ['select 3', 3, undefined],
  ['select -1', -1, undefined],
  ['select 0.5::numeric', 0.5, undefined],
  ['select count(*) from generate_series(1, 5)', 5, undefined],
  ['select 1e3::float8, true', 1000, undefined],
  ['values (2::bigint), (9)', 2, undefined],
  ['select null::boolean', 0, undefined],
  ['select true where false', 0, undefined],
  ['-- a comment\nselect 1; -- and another', 1, undefined],
  [`select 'yes'`, null, 'its first column is neither a boolean nor a number'],
  [`select ''`, null, 'its first column is neither a boolean nor a number'],
  ['select now()', null, 'its first column is neither a boolean nor a number'],
  ['select 1/0', null, 'division by zero'],
  ['select nothing from nowhere', null, 'relation "nowhere" does not exist'],
  ['select pg_sleep(20)', null, 'canceling statement due to statement timeout'],
  [
    `with w as (insert into t values (1) returning 1) select * from w`,
    null,
    'cannot execute SELECT in a read-only transaction',
  ],
])('the throttle query %s', async (text, value, detail) => {
  await using db = await createDatabase('create table t (id int)');
  await using session = await open(db);
  const limits = { throttleQuery: text };
  expect(await readSignal(throttleQuery(), session, limits)).toEqual([
    { signal: 'throttle-query', value, ...(detail === undefined ? {} : { detail }) },
  ]);
  // The session is as it was before.
  expect(await readSignal(throttleQuery(), session, { throttleQuery: 'select 1' })).toMatchObject([
    { value: 1 },
  ]);
  expect(await session.row(`select current_setting('statement_timeout') as timeout`)).toEqual({
    timeout: '0',
  });
  expect((await db.query('select * from t')).rows).toEqual([]);
});

test('a throttle query is one query', async () => {
  for (const text of [
    '',
    '-- nothing',
    'select 1; select 2',
    'commit; delete from t',
    'delete from t',
    'selec 1',
  ]) {
    expect(() => checkThrottleQuery(text)).toThrow(expect.objectContaining({ code: 'syntax-error' }));
  }
  await using db = await createDatabase('create table t (id int); insert into t values (1)');
  await using session = await open(db);
  await expect(throttleQuery().read(session, { throttleQuery: 'commit; delete from t' })).rejects.toThrow(
    'not one query',
  );
  expect((await db.query('select * from t')).rows).toHaveLength(1);
});

test('the pause file', async () => {
  await using db = await createDatabase();
  await using session = await open(db);
  const directory = await mkdtemp(join(tmpdir(), 'pg-ghost-test-'));
  try {
    const path = join(directory, 'pause');
    const read = async (pauseFilePath: string | null): Promise<readonly Reading[]> =>
      pauseFile().read(session, { pauseFile: pauseFilePath });
    expect(await read(null)).toEqual([]);
    expect(await read(path)).toEqual([{ signal: 'pause-file', subject: path, value: 0 }]);
    await writeFile(path, '');
    expect(await read(path)).toEqual([{ signal: 'pause-file', subject: path, value: 1 }]);
    const below = join(path, 'below');
    expect(await read(below)).toEqual([{ signal: 'pause-file', subject: below, value: 0 }]);
    const tooLong = join(directory, 'x'.repeat(300));
    expect(await read(tooLong)).toMatchObject([
      { value: null, subject: tooLong, detail: expect.stringContaining('ENAMETOOLONG') as unknown },
    ]);
  } finally {
    await rm(directory, { recursive: true });
  }
});

test('what the server refuses is a reading that failed; a lost session is an error', async () => {
  await using db = await createDatabase();
  await using session = await open(db);
  const signal = {
    names: ['active', 'waiters'] as const,
    read: async (asked: Session) => asked.rows<Reading>('select nothing'),
  };
  const detail = 'column "nothing" does not exist';
  expect(await readSignal(signal, session, {})).toEqual([
    { signal: 'active', value: null, detail },
    { signal: 'waiters', value: null, detail },
  ]);
  await db.query(`select pg_terminate_backend(${session.pid})`);
  await until(() => session.lost.aborted, { what: 'the loss of the session' });
  await expect(readSignal(signal, session, {})).rejects.toThrow(/connection/i);
});

test('all signals together read a whole server', async () => {
  await using db = await createDatabase('create table t (id int)');
  await using session = await open(db);
  const signals = allSignals({ tables: [await oidOf(session, 't')], ownApplications: ours });
  const limits = { pauseFile: '/nonexistent/pause', throttleQuery: 'select 0' };
  const readings: Reading[] = [];
  for (const signal of signals) {
    for (const reading of await readSignal(signal, session, limits)) {
      expect(signal.names).toContain(reading.signal);
      readings.push(reading);
    }
    await signal.close?.();
  }
  expect(readings.filter(({ value }) => value === null)).toEqual([]);
  expect(new Set(readings.map(({ signal }) => signal))).toEqual(
    new Set([
      'pause-file',
      'active',
      'waiters',
      'autovacuum',
      'xid-age',
      'throttle-query',
      ...readings.flatMap(({ signal }) => (signal === 'retained-wal' ? [signal] : [])),
    ]),
  );
});
