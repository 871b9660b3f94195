/** A critical limit ends a run wherever it is before the swap, not only where it may be throttled. */
import { expect, test } from 'vitest';
import { set, status } from '../../src/index.js';
import { createDatabase } from '../support/database.js';
import { failure, runChange } from '../support/migration.js';
import { HeldRun } from './held-run.js';

const setup = `create table t (id int primary key, v text);
  create index on t (v);
  insert into t select i, 'v' || i from generate_series(1, 1000) as i`;
const change = { table: 't', alter: ['ALTER COLUMN id TYPE bigint'] };

test.each([
  { holdAt: 'purged', phase: 'purge' },
  { holdAt: 'indexes-attached', phase: 'index' },
  { holdAt: 'caught-up', phase: 'catch-up' },
  { holdAt: 'settled', phase: 'settle' },
  { holdAt: 'verified', phase: 'cutover' },
  { holdAt: 'cutover-ready', phase: 'cutover' },
] as const)('at $holdAt', async ({ holdAt, phase }) => {
  await using db = await createDatabase(setup);
  const connection = { url: db.url };
  // Without a look at the rows where that is still to come: it is ended by the throttle itself.
  const run = new HeldRun(db.url, change, { holdAt, verify: holdAt === 'verified' ? 'full' : 'off' });
  await run.held();
  await set({ connection }, 1, { 'critical-xid-age': '0' });
  await run.throttled(/^the transaction ID age .* is above --critical-xid-age 0$/);
  run.letGo();
  expect(await failure(run.ended)).toMatchObject({ code: 'critical-limit', exitCode: 1 });
  expect((await status({ connection }, 1))[0]).toMatchObject({ phase, error: { code: 'critical-limit' } });
  expect(run.count('cutover:try')).toBe(0);
  const { result } = await runChange(db, change);
  expect(result.rows).toBe(1000);
});

test('while the swap is postponed', async () => {
  await using db = await createDatabase(setup);
  const connection = { url: db.url };
  const run = new HeldRun(db.url, change, { postponeCutover: true });
  await run.told('cutover:postponed');
  await set({ connection }, 1, { 'critical-xid-age': '0' });
  expect(await failure(run.ended)).toMatchObject({ code: 'critical-limit' });
  await runChange(db, change);
});

test('a swap that is under way is brought to its end, and what follows it', async () => {
  await using db = await createDatabase(`${setup}; create table child (t_id int references t)`);
  const run = new HeldRun(db.url, change, { holdAt: 'cutover-locked', maxHoldMs: 60_000 });
  await run.held();
  await set({ connection: { url: db.url } }, 1, { 'critical-xid-age': '0' });
  await run.throttled(/--critical-xid-age 0$/);
  run.letGo();
  await run.ended;
  const { rows } = await db.query(
    `select convalidated from pg_constraint where conrelid = 'child'::regclass and contype = 'f'`,
  );
  expect(rows).toEqual([{ convalidated: true }]);
});
