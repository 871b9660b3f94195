/** What capture from the WAL has left where it should have left nothing: it is named, and it goes; what is not ours stays. */
import { expect, test } from 'vitest';
import { abort, leftovers, plan, status } from '../../src/index.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { failure, request, runChange, stopAtPoint } from '../support/migration.js';

const setup = `
  create table t (id int primary key, v text);
  insert into t select i, 'v' || i from generate_series(1, 500) as i`;
const change = { table: 't', alter: ['ALTER COLUMN id TYPE bigint'] };
const settings = { capture: 'logical' } as const;
const at = (db: TestDatabase) => ({ connection: { url: db.url } });
const slotName = /^ghost_1_[0-9a-f]{32}$/u;

async function slots(db: TestDatabase): Promise<string[]> {
  const { rows } = await db.query<{ name: string }>(
    `select slot_name::text as name from pg_replication_slots where database = current_database() order by 1`,
  );
  return rows.map(({ name }) => name);
}

async function publications(db: TestDatabase): Promise<string[]> {
  const { rows } = await db.query<{ name: string }>(
    `select pubname::text as name from pg_publication order by 1`,
  );
  return rows.map(({ name }) => name);
}

async function nothingIsLeft(db: TestDatabase): Promise<void> {
  expect(await slots(db)).toEqual([]);
  expect(await publications(db)).toEqual([]);
  expect(await leftovers(at(db))).toEqual([]);
}

test('a prepare that fails once its slot is there', async () => {
  await using db = await createDatabase(setup);
  const error = await failure(
    runChange(db, change, {
      settings,
      onPoint: async (point) => {
        if (point !== 'shadow-built') return;
        expect(await slots(db)).toHaveLength(1);
        throw new Error('as if the disk were full');
      },
    }),
  );
  expect(error.message).toContain('as if the disk were full');
  await abort(at(db), 1).catch(() => undefined);
  await nothingIsLeft(db);
});

test('the state is gone: what is left is named, plan refuses the table, and abort removes it', async () => {
  await using db = await createDatabase(setup);
  await stopAtPoint(db, change, 'copied', { settings });
  expect(await leftovers(at(db))).toEqual([]);
  await db.query('drop schema ghost cascade');
  expect(await leftovers(at(db))).toMatchObject([
    {
      id: 1,
      things: [
        expect.stringMatching(/^slot ghost_1_[0-9a-f]{32}$/u),
        'publication ghost_capture_1',
        'schema ghost_new_1',
        'schema ghost_old_1',
      ],
    },
  ]);
  expect(await plan({ ...at(db), request: request(change) })).toMatchObject({
    verdict: 'refused',
    reasons: [{ code: 'leftover-capture', message: expect.stringContaining('"ghost_capture_1"') as unknown }],
  });
  await abort(at(db), 1);
  await nothingIsLeft(db);
  expect((await runChange(db, change, { settings })).result.rows).toBe(500);
  await nothingIsLeft(db);
});

test('nothing is left but the slot: the next run drops it, abort does, and neither one of another name', async () => {
  await using db = await createDatabase(setup);
  const make = (name: string) =>
    db.query(`select pg_create_logical_replication_slot($1, 'pgoutput')`, [name]);
  const stray = 'ghost_7_0123456789abcdef0123456789abcdef';
  const others = ['ghost_7_0123456789abcdef', `ghost_${db.name}`, `${stray}_x`];
  for (const name of [stray, ...others]) await make(name);
  expect(await leftovers(at(db))).toMatchObject([{ id: 7, things: [`slot ${stray}`] }]);
  await abort(at(db), 7);
  expect(await slots(db)).toEqual(others.toSorted());
  expect(await failure(abort(at(db), 7))).toMatchObject({ reasons: [{ code: 'no-such-migration' }] });

  await make(stray);
  const { result, events } = await runChange(db, change, { settings: { capture: 'triggers' } });
  expect(result.id).toBe(1);
  expect(events).toContainEqual(expect.objectContaining({ event: 'warning', code: 'stray-slot' }));
  expect(await slots(db)).toEqual(others.toSorted());
});

test('a slot that came after its abort', async () => {
  await using db = await createDatabase(setup);
  await stopAtPoint(db, change, 'copied', { settings });
  const [name = ''] = await slots(db);
  await abort(at(db), 1);
  expect(await failure(abort(at(db), 1))).toMatchObject({ reasons: [{ code: 'already-ended' }] });
  await db.query(`select pg_create_logical_replication_slot($1, 'pgoutput')`, [name]);
  expect(await leftovers(at(db))).toMatchObject([{ id: 1, things: [`slot ${name}`] }]);
  expect((await status(at(db)))[0]?.slot).toMatchObject({ name, concern: 'left' });
  await abort(at(db), 1);
  await nothingIsLeft(db);
});

test('a copy of the database: the slot is that of the original, is named, and stays', async () => {
  await using db = await createDatabase(setup);
  await stopAtPoint(db, change, 'copied', { settings });
  await using copy = await db.clone();
  expect(await status(at(copy))).toMatchObject([
    {
      origin: 'copied',
      slot: { name: expect.stringMatching(slotName) as unknown, database: db.name, concern: 'elsewhere' },
    },
  ]);
  expect(await leftovers(at(copy))).toEqual([]);
  await abort(at(copy), 1);
  expect(await slots(db)).toHaveLength(1);
  expect(await publications(copy)).toEqual([]);
  // And from a dump without the state: nobody there knows whose it is.
  await copy.query('drop schema if exists ghost cascade');
  await runChange(copy, change, { settings: { capture: 'triggers' } });
  expect((await runChange(db, change, { settings })).result.rows).toBe(500);
  await nothingIsLeft(db);
});

test('a slot that standbys keep a copy of, where the server has such', async () => {
  await using db = await createDatabase(setup);
  const failoverSlot = { ...settings, failoverSlot: true };
  if (db.major < 17) {
    expect(await failure(runChange(db, change, { settings: failoverSlot }))).toMatchObject({
      exitCode: 3,
      reasons: [{ code: 'failover-slot' }],
    });
    return;
  }
  let kinds: unknown[] = [];
  await runChange(db, change, {
    settings: failoverSlot,
    onPoint: async (point) => {
      if (point === 'copied')
        kinds = (
          await db.query(
            'select failover, temporary from pg_replication_slots where database = current_database()',
          )
        ).rows;
    },
  });
  expect(kinds).toEqual([{ failover: true, temporary: false }]);
  await nothingIsLeft(db);
});
