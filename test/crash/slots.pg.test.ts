/** Killed around the life of a slot, which no transaction takes back: status names it, and whoever comes next removes it. */
import { expect, test } from 'vitest';
import { abort, finalize, leftovers, status } from '../../src/index.js';
import { createDatabase, type TestDatabase, until } from '../support/database.js';
import { runChange } from '../support/migration.js';
import { Runner } from './runner.js';
import { runnerIsGone } from './shop.js';

const setup = `create table t (id int primary key); insert into t select generate_series(1, 300)`;
const change = { table: 't', alter: ['ALTER COLUMN id TYPE bigint'] };
const settings = { capture: 'logical' } as const;
const at = (db: TestDatabase) => ({ connection: { url: db.url } });

async function ours(db: TestDatabase): Promise<string[]> {
  const { rows } = await db.query<{ name: string }>(`
    select 'slot' as name from pg_replication_slots where database = current_database()
    union all select 'publication' from pg_publication
    order by 1`);
  return rows.map(({ name }) => name);
}

const ways = {
  abort: async (db: TestDatabase) => await abort(at(db), 1),
  'the same command': async (db: TestDatabase) => {
    expect((await runChange(db, change, { settings })).result.rows).toBe(300);
  },
  finalize: async (db: TestDatabase) => await finalize(at(db), 1),
};

/** The server goes on making it: nobody tells a backend that its client is gone while it waits. */
test.each(['abort', 'the same command'] as const)('while the slot is waited for, then %s', async (way) => {
  await using db = await createDatabase(setup);
  const writer = await db.connect();
  await writer.query('begin; select pg_current_xact_id()');
  await using runner = new Runner({ url: db.url, change, settings });
  await until(() => runner.lines.some(({ event }) => event === 'lock:missed'), {
    what: 'the run to say that it waits',
  });
  runner.kill('SIGKILL');
  await runner.ended();
  const next = ways[way](db);
  // It has to end what the killed run has left at work, whenever that is.
  await writer.query('commit');
  await next;
  expect(await ours(db)).toEqual([]);
});

test.each([
  ['shadow-built', 'abort', 'unread'],
  ['swapped', 'finalize', 'left'],
] as const)('at %s, then %s', async (point, way, concern) => {
  await using db = await createDatabase(setup);
  await using runner = new Runner({ url: db.url, change, settings, actions: [{ point, action: 'kill' }] });
  await runner.reached(point);
  await runner.ended();
  await runnerIsGone(db);
  expect(await ours(db)).toContain('slot');
  expect((await status(at(db)))[0]?.slot).toMatchObject({ active: false, concern });
  await ways[way](db);
  expect(await ours(db)).toEqual([]);
  expect(await leftovers(at(db))).toEqual([]);
});
