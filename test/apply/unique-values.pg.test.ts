/** Rows that hand unique values to each other arrive, in whatever order their keys are applied (invariant 5). */
import { expect, test } from 'vitest';
import { applyBatch } from '../../src/apply/batch.js';
import { blocksRange } from '../../src/pieces/row-range.js';
import { FailedError } from '../../src/errors.js';
import { until } from '../support/database.js';
import { SmallMigration, type SmallMigrationOptions } from './small-migration.js';

const primaryKey = 'alter table ghost_new_1.t add primary key (id)';

/** n is unique, rows 1 to 100 have n = id. */
function numbered(unique: string, rows = 100): SmallMigrationOptions {
  return {
    before: 'create extension btree_gist',
    // Deferrable in the source, so that any rearrangement is one statement there.
    source: 'id int primary key, n int unique deferrable initially deferred, active bool',
    shadow: 'id bigint, n bigint, active bool',
    indexes: [primaryKey, unique],
    seed: `insert into public.t select i, i, true from generate_series(1, ${rows}) as i`,
  };
}

const kinds: [string, string][] = [
  ['unique constraint', 'alter table ghost_new_1.t add constraint n_key unique (n)'],
  ['unique index of two columns', 'create unique index n_key on ghost_new_1.t (n, active)'],
  ['expression', 'create unique index n_key on ghost_new_1.t ((n * 2), (coalesce(active, false)))'],
  ['partial', 'create unique index n_key on ghost_new_1.t (n) where active'],
  ['deferrable', 'alter table ghost_new_1.t add constraint n_key unique (n) deferrable initially deferred'],
  [
    'exclusion',
    "alter table ghost_new_1.t add constraint n_key exclude using gist (n with =, int8range(n, n, '[]') with &&)",
  ],
];

/** One after the other, in the same table. */
const changes: [string, string][] = [
  ['two rows swap', 'update public.t set n = 3 - n where id <= 2'],
  ['three rows in a circle', 'update public.t set n = n % 3 + 1 where id <= 3'],
  ['all move up by one', 'update public.t set n = n + 1'],
  ['all move down by one', 'update public.t set n = n - 1'],
  [
    'a value passes to a new row',
    `do $$ declare value int; begin
       select n into value from public.t where id = 1;
       update public.t set n = null where id = 1;
       insert into public.t values (1000, value, true);
     end $$`,
  ],
  [
    'the holder is deleted',
    `do $$ declare value int; begin
       delete from public.t where id = 2 returning n into value;
       update public.t set n = value where id = 50;
     end $$`,
  ],
  ['the holder gets another key', 'update public.t set id = 2000 where id = 3'],
];

test.each(kinds)('%s: values that pass from row to row', async (_, unique) => {
  await using m = await SmallMigration.ready(numbered(unique));
  for (const [what, change] of changes) {
    await m.write(change);
    // One by one, from the last: each comes before the one that has its value.
    for (let entry = await m.count('ghost.log_1'); entry >= 1; entry -= 1) await m.applyEntries(entry);
    await m.catchUp();
    expect([what, await m.differences()]).toEqual([what, []]);
    expect(await m.backlog()).toBe(0);
    await m.session.execute('vacuum ghost.log_1');
  }
});

test('NULLS NOT DISTINCT: the one row without a value is another one now', async ({ skip }) => {
  await using m = await SmallMigration.ready({
    ...numbered('create index n_key on ghost_new_1.t (n)'),
    seed: `insert into public.t select i, nullif(i, 1), true from generate_series(1, 100) as i`,
  });
  if (m.db.major < 15) skip('NULLS NOT DISTINCT came with 15');
  await m.db.query('create unique index nulls_key on ghost_new_1.t (n, active) nulls not distinct');
  await m.write(
    'begin; update public.t set n = 2 where id = 1; update public.t set n = null where id = 2; commit',
  );
  await m.applyEntries(2);
  await m.applyEntries(1);
  expect(await m.differences()).toEqual([]);
});

test('a chain longer than a batch', async () => {
  await using m = await SmallMigration.ready(numbered(kinds[0]?.[1] ?? '', 20_000));
  await m.write('update public.t set n = n + 1');
  let batches = 0;
  await m.catchUp({ onProgress: () => (batches += 1) });
  expect(batches).toBeGreaterThan(2);
  expect(await m.differences()).toEqual([]);
});

/**
 * Invariant 5. The applier stops while it maps the keys of its batch; the two rows swap; it goes on. At READ COMMITTED the
 * rows that it then reads are of another moment than those it has taken away, and the insert fails with 23505, each time.
 */
test('rows that swap in the middle of a batch', async () => {
  await using m = await SmallMigration.ready({
    before: `
      create function public.held(k int) returns int language plpgsql volatile
      as 'begin perform pg_advisory_lock_shared(5); perform pg_advisory_unlock_shared(5); return k; end'`,
    source: 'id int primary key, n int unique deferrable initially deferred',
    indexes: [primaryKey, 'alter table ghost_new_1.t add unique (n)'],
    expressions: { id: 'public.held(id)' },
    seed: 'insert into public.t values (1, 1), (2, 2)',
  });
  await m.write('update public.t set n = n where id = 1');
  const holder = await m.db.connect();
  await holder.query('select pg_advisory_lock(5)');
  const plan = await m.applyPlan();
  const batch = applyBatch(
    m.session,
    plan,
    { table: { schema: 'ghost', name: 'log_1' }, range: blocksRange(0, 10) },
    { clearHolders: true },
  );
  await until(() => m.count(`pg_locks where locktype = 'advisory' and not granted`), {
    what: 'the applier stops',
  });
  await m.write('update public.t set n = 3 - n');
  await holder.query('select pg_advisory_unlock(5)');
  await expect(batch).resolves.toMatchObject({ entries: 1 });
  await m.catchUp();
  expect(await m.differences()).toEqual([]);
});

test('rows that violate a new constraint are named, both of them, and nothing is lost', async () => {
  await using m = await SmallMigration.ready({
    source: 'id int primary key, email text',
    shadow: 'id bigint, email text',
    indexes: [primaryKey, 'create unique index email_key on ghost_new_1.t (lower(email))'],
    seed: `insert into public.t select i, 'user' || i from generate_series(1, 100) as i`,
  });
  await m.write(
    `update public.t set email = 'USER2' where id = 1; update public.t set email = 'ok' where id = 3`,
  );
  const error = await m.catchUp().catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(FailedError);
  expect(error).toMatchObject({
    code: 'unique-violation',
    details: { constraint: 'email_key', keys: ['id=1', 'id=2'], reason: 'unique' },
  });
  // Everything else was applied; the entry waits for its row to be put right.
  expect(await m.logged()).toEqual(['1']);
  expect(await m.count(`ghost_new_1.t where id = 3 and email = 'ok'`)).toBe(1);
  expect(await m.count(`ghost_new_1.t where id = 2`)).toBe(1);
  await m.write(`update public.t set email = 'one' where id = 1`);
  await m.catchUp();
  expect(await m.differences()).toEqual([]);
});

test('two new rows that violate an exclusion constraint', async () => {
  await using m = await SmallMigration.ready({
    source: 'id int primary key, during int4range',
    indexes: [
      primaryKey,
      'alter table ghost_new_1.t add constraint no_overlap exclude using gist (during with &&)',
    ],
  });
  await m.write(`insert into public.t values (1, '[1,5)'), (2, '[3,9)'), (3, '[9,10)')`);
  await expect(m.catchUp()).rejects.toMatchObject({
    code: 'unique-violation',
    details: { constraint: 'no_overlap', keys: ['id=2', 'id=1'] },
  });
  await m.write(`delete from public.t where id = 1`);
  await m.catchUp();
  expect(await m.differences()).toEqual([]);
});
