/**
 * The promise: a replication slot that is lost loses no write. Wherever a run is, or between two runs, what was written while nothing
 * was kept is found by a comparison of all rows, or the migration begins anew; and the table ends as its mirror.
 */
import { describe, expect, inject, test } from 'vitest';
import type { EmbeddedMajor } from '../../src/lab/embedded-binaries.js';
import { startEmbeddedServer } from '../../src/lab/embedded-server.js';
import { cutover, finalize, type MigrationEvent } from '../../src/index.js';
import type { Point } from '../../src/run/points.js';
import { OwnDatabase } from '../crash/own-database.js';
import { createDatabase, type TestDatabase, until } from '../support/database.js';
import { type ChangeInput, failure, runChange, stopAtPoint } from '../support/migration.js';
import { dropSlots } from '../support/slot.js';

const major = inject('serverMajor') as EmbeddedMajor;

const setup = `
  create table t (id int primary key, v text);
  insert into t select i, 'v' || i from generate_series(1, 3000) as i;
  create table mirror (like t);
  insert into mirror select * from t`;
const change = { table: 't', alter: ['ALTER COLUMN id TYPE bigint'] };
const toText = { table: 't', alter: ['ALTER COLUMN id TYPE text'] };
/** Nothing but what is done about the loss can find what was missed. */
const settings = { capture: 'logical', verify: 'off' } as const;

type Database = Pick<TestDatabase, 'url' | 'connect'>;

/** In one transaction, to the table and its mirror. */
async function both(db: Database, ...statements: string[]): Promise<void> {
  const client = await db.connect();
  await client.query('begin');
  for (const table of ['t', 'mirror'])
    for (const statement of statements) await client.query(statement.replaceAll('$T', table));
  await client.query('commit');
  await client.end();
}

/** Of all kinds: rows that only one side has, other values, keys that moved. */
async function write(db: Database, number: number): Promise<void> {
  const from = 10_000 * number;
  await both(
    db,
    `insert into $T select ${from} + i, 'new' from generate_series(1, 50) as i`,
    `update $T set v = v || '!' where id % 7 = ${number}`,
    `update $T set id = -id where id % 211 = ${number}`,
    `delete from $T where id % 97 = ${number}`,
  );
}

async function expectMirrored(db: Database): Promise<void> {
  const client = await db.connect();
  const { rows } = await client.query(`
    select 't' as only_in, * from (select id::text, v from t except all select id::text, v from mirror) as a
    union all
    select 'mirror', * from (select id::text, v from mirror except all select id::text, v from t) as b
    limit 5`);
  expect(rows).toEqual([]);
  const { rows: left } = await client.query(`
    select slot_name::text from pg_replication_slots where database = current_database()
    union all select pubname from pg_publication`);
  expect(left).toEqual([]);
  await client.end();
  await finalize({ connection: { url: db.url } }, 1);
}

function codes(events: readonly MigrationEvent[]): string[] {
  return events.flatMap((event) =>
    event.event === 'warning' && event.code !== 'not-verified' ? [event.code] : [],
  );
}

function restarts(events: readonly MigrationEvent[]): number {
  return events.filter(({ event }) => event === 'copy:restarted').length;
}

/** Drops the slot the first time that the run is there, and writes what nobody keeps. */
function losingAt(db: TestDatabase, at: Point, missed: () => Promise<void>): (point: Point) => Promise<void> {
  let lost = false;
  return async (point) => {
    if (point !== at || lost) return;
    lost = true;
    await dropSlots(db);
    await missed();
  };
}

const anew: readonly Point[] = ['chunk-copied', 'indexes-attached'];
const compared: readonly Point[] = ['caught-up', 'cutover-ready'];

describe('dropped under a run', () => {
  for (const at of [...anew, ...compared]) {
    test(`at ${at}`, async () => {
      await using db = await createDatabase(setup);
      await stopAtPoint(db, change, 'capture-on', { settings });
      await write(db, 1);
      const { events } = await runChange(db, change, {
        // The connection is not what is wrong.
        settings: { ...settings, retryForMs: 0 },
        onPoint: losingAt(db, at, () => write(db, 2)),
      });
      expect(codes(events)).toEqual(anew.includes(at) ? ['slot-lost'] : ['slot-lost', 'rows-compared']);
      expect(restarts(events)).toBe(anew.includes(at) ? 1 : 0);
      await expectMirrored(db);
    });
  }

  test.skipIf(major < 17)('the new one is a failover slot, too (they are from 17 on)', async () => {
    await using db = await createDatabase(setup);
    const drop = losingAt(db, 'caught-up', () => write(db, 1));
    const seen: unknown[] = [];
    await runChange(db, change, {
      settings: { ...settings, failoverSlot: true },
      onPoint: async (point) => {
        await drop(point);
        if (point !== 'slot-renewed') return;
        const slots = `select failover from pg_replication_slots where database = current_database()`;
        seen.push(...(await db.query(slots)).rows);
      },
    });
    expect(seen).toEqual([{ failover: true }]);
    await expectMirrored(db);
  });

  test('under the lock of the swap, again and again, and while what was missed is looked for', async () => {
    await using db = await createDatabase(setup);
    const drops: Partial<Record<Point, number>> = {
      'cutover-locked': 2,
      'range-verified': 1,
      'slot-renewed': 1,
    };
    const { events } = await runChange(db, change, {
      settings: { ...settings, retryForMs: 0 },
      onPoint: async (point) => {
        const left = drops[point] ?? 0;
        if (left === 0) return;
        drops[point] = left - 1;
        await dropSlots(db);
        if (point !== 'cutover-locked') await write(db, 1 + left + (point === 'slot-renewed' ? 2 : 0));
      },
    });
    expect(drops).toEqual({ 'cutover-locked': 0, 'range-verified': 0, 'slot-renewed': 0 });
    const told = codes(events);
    expect(told.filter((code) => code === 'slot-lost')).toHaveLength(4);
    expect(told.at(-1)).toBe('rows-compared');
    await expectMirrored(db);
  });

  test('while the swap is postponed: TRUNCATE, and rows that only the new table has', async () => {
    await using db = await createDatabase(setup);
    let postponed = 0;
    const run = runChange(db, change, {
      settings: { ...settings, postponeCutover: true, reverifyEveryMs: 100_000 },
      onEvent: ({ event }) => {
        postponed += event === 'cutover:postponed' ? 1 : 0;
      },
    });
    await until(() => postponed === 1, { what: 'the run to wait' });
    const client = await db.connect();
    await client.query('begin; truncate t, mirror');
    // Its entries are never sent.
    const { rows } = await client.query(
      `select active_pid as pid from pg_replication_slots where database = current_database()`,
    );
    await client.query('select pg_terminate_backend($1, 5000)', [rows[0]?.['pid']]);
    await client.query(
      'select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = current_database()',
    );
    await client.query('commit');
    await client.end();
    await both(db, `insert into $T select i, 'after' from generate_series(1, 700) as i`);
    await until(() => postponed === 2, { what: 'the run to wait again' });
    await cutover({ connection: { url: db.url } }, 1);
    expect(codes((await run).events)).toEqual(['slot-lost', 'rows-compared']);
    await expectMirrored(db);
  });
});

describe('between two runs', () => {
  const stoppedAt: Readonly<Record<string, Point>> = { anew: 'copied', compared: 'verified' };
  for (const [how, at] of Object.entries(stoppedAt)) {
    test(`${how}: stopped at ${at}`, async () => {
      await using db = await createDatabase(setup);
      await stopAtPoint(db, change, at, { settings: { capture: 'logical' } });
      await dropSlots(db);
      await write(db, 2);
      const { events } = await runChange(db, change, { settings });
      expect(codes(events)).toEqual(how === 'anew' ? ['slot-lost'] : ['slot-lost', 'rows-compared']);
      await expectMirrored(db);
    });
  }

  test('a key of another type, which no index orders alike', async () => {
    await using db = await createDatabase(setup);
    await stopAtPoint(db, toText, 'caught-up', { settings });
    await dropSlots(db);
    await write(db, 2);
    await both(db, 'delete from $T where id between 100 and 200');
    const { events } = await runChange(db, toText, { settings });
    expect(codes(events)).toEqual(['slot-lost', 'rows-compared']);
    await expectMirrored(db);
  });

  const unseen: readonly (readonly [string, string, ChangeInput])[] = [
    [
      'a column that nobody can compare',
      setup,
      { ...change, set: [{ column: 'v', expression: `v || left(random()::text, 0)` }] },
    ],
    ['a key whose equal values may become different ones', setup.replace('id int', 'id numeric'), toText],
  ];
  for (const [what, before, asked] of unseen) {
    test(`${what}: copied anew`, async () => {
      await using db = await createDatabase(before);
      await stopAtPoint(db, asked, 'caught-up', { settings });
      await dropSlots(db);
      await write(db, 2);
      // Another spelling of an equal key, where there is one.
      await both(db, 'update $T set id = id + 0.00 where id = 5');
      const { events } = await runChange(db, asked, { settings });
      expect(codes(events)).toEqual(['slot-lost']);
      expect(restarts(events)).toBe(1);
      await expectMirrored(db);
    });
  }

  test('a row that cannot be compared: copied anew', async () => {
    await using db = await createDatabase(`${setup};
      create table broken ();
      create function same(text) returns text immutable language plpgsql as $$
      begin
        if exists (select from public.broken) then raise 'not now'; end if;
        return $1;
      end $$`);
    const asked = { ...change, set: [{ column: 'v', expression: 'same(v)' }] };
    await stopAtPoint(db, asked, 'caught-up', { settings });
    await dropSlots(db);
    await write(db, 2);
    await db.query('insert into broken default values');
    const { events } = await runChange(db, asked, {
      settings,
      onPoint: async (point) => {
        if (point === 'begun-anew') await db.query('truncate broken');
      },
    });
    expect(codes(events)).toEqual(['slot-lost', 'slot-lost']);
    expect(restarts(events)).toBe(1);
    await expectMirrored(db);
  });

  test('the server gives its WAL up', { timeout: 120_000 }, async () => {
    await using server = await startEmbeddedServer({
      major,
      settings: {
        fsync: 'off',
        log_min_messages: 'panic',
        wal_level: 'logical',
        max_slot_wal_keep_size: '1MB',
        max_wal_size: '64MB',
        min_wal_size: '32MB',
      },
    });
    await using db = await OwnDatabase.create(server, 'shop');
    await db.run(setup);
    await stopAtPoint(db, change, 'settled', { settings });
    await write(db, 2);
    const status = async (): Promise<unknown> =>
      (await db.run('select wal_status from pg_replication_slots')).rows[0]?.['wal_status'];
    for (let segments = 0; (await status()) !== 'lost' && segments < 20; segments += 1) {
      await db.run(`create table filler as select 1; drop table filler`);
      await db.run('select pg_switch_wal()');
      await db.run('checkpoint');
    }
    expect(await status()).toBe('lost');
    const { events } = await runChange(db, change, { settings });
    expect(codes(events)).toEqual(['slot-lost', 'rows-compared']);
    await expectMirrored(db);
  });
});

test('no new slot can be had: the need for the comparison stays, and the next run does it', async () => {
  await using db = await createDatabase(setup);
  await stopAtPoint(db, change, 'settled', { settings });
  await dropSlots(db);
  await write(db, 2);
  const writer = await db.connect();
  await writer.query('begin; create table elsewhere ()');
  const late = await failure(runChange(db, change, { settings: { ...settings, cutoverDeadlineMs: 1000 } }));
  expect(late).toMatchObject({ code: 'slot-not-created', exitCode: 1 });
  expect(String(late['state'])).toContain('migration 1 keeps its state');
  await writer.query('rollback');
  await writer.end();
  const { events } = await runChange(db, change, { settings });
  expect(codes(events)).toEqual(['slot-lost', 'rows-compared']);
  await expectMirrored(db);
});

test('lost all the time: the run ends, and the next one goes on', async () => {
  await using db = await createDatabase(setup);
  const error = await failure(
    runChange(db, change, {
      settings,
      onPoint: async (point) => {
        if (point === 'caught-up' || point === 'range-verified') await dropSlots(db);
      },
    }),
  );
  expect(error).toMatchObject({ code: 'slot-lost', exitCode: 1 });
  await write(db, 2);
  await runChange(db, change, { settings });
  await expectMirrored(db);
});
