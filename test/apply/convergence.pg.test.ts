/** The shadow becomes what the source is, whatever was written (invariant 3). */
import { expect, test } from 'vitest';
import { Session } from '../../src/db/session.js';
import { SmallMigration, type SmallMigrationOptions } from './small-migration.js';

const plain: SmallMigrationOptions = {
  source: 'id int primary key, v text',
  shadow: 'id bigint, v text',
  seed: `insert into public.t select i, 'v' || i from generate_series(1, 1000) as i`,
};

test('inserts, updates, deletes and re-inserts arrive, and applying nothing changes nothing', async () => {
  await using m = await SmallMigration.ready(plain);
  await m.write(`
    insert into public.t values (1001, 'new'), (1002, null);
    update public.t set v = null where id = 1;
    update public.t set v = 'twice' where id = 2;
    update public.t set v = 'thrice' where id = 2;
    delete from public.t where id between 3 and 100;
    insert into public.t values (3, 'again');
    update public.t set id = 5000 where id = 200`);
  await m.catchUp();
  expect(await m.differences()).toEqual([]);
  expect(await m.backlog()).toBe(0);
  expect((await m.catchUp()).keysApplied).toBe(0);
  expect(await m.differences()).toEqual([]);
});

test('a key may be composite, of text and uuid, under odd names', async () => {
  await using m = await SmallMigration.ready({
    source: `"Region" text collate "C", "a ""b"" c" uuid, n int, primary key ("Region", "a ""b"" c")`,
    shadow: `"Region" text collate "C", "a ""b"" c" uuid, n bigint`,
    seed: `insert into public.t select 'r' || i % 3, md5(i::text)::uuid, i from generate_series(1, 500) as i`,
  });
  await m.write(`
    update public.t set n = -n where n % 5 = 0;
    delete from public.t where n % 7 = 0;
    update public.t set "Region" = 'it''s' where n % 11 = 0`);
  await m.catchUp();
  expect(await m.differences()).toEqual([]);
});

test('a key may be converted, renamed and put into another collation', async () => {
  await using m = await SmallMigration.ready({
    source: 'a text collate "C", b int, v int, primary key (a, b)',
    shadow: 'aa text, b text, v int',
    renamed: { a: 'aa' },
    seed: `insert into public.t select 'a' || i, i, i from generate_series(1, 300) as i`,
  });
  await m.write(
    `update public.t set v = 0 where b % 3 = 0; delete from public.t where b % 7 = 0; insert into public.t values ('x', 1, 1)`,
  );
  await m.catchUp();
  expect(await m.differences()).toEqual([]);
});

test.each([
  ['citext', 'text', 'a', 'A'],
  ['numeric', 'text', '1.0', '1.00'],
  ['double precision', 'text', '0', '-0'],
])(
  'equal keys that look different and are two keys in the shadow: %s to %s',
  async (from, to, before, after) => {
    await using m = await SmallMigration.ready({
      before: 'create extension citext',
      source: `k ${from} primary key, v int`,
      shadow: `k ${to}, v int`,
      seed: `insert into public.t values ('${before}', 1), ('2', 2)`,
    });
    await m.write(`update public.t set k = '${after}' where v = 1`);
    // One entry at a time, as when they lie in different parts of the log.
    expect(await m.logged()).toHaveLength(2);
    await m.applyEntries(1);
    await m.applyEntries(2);
    expect(await m.differences()).toEqual([]);
  },
);

test('entries of a transaction that was open during a pass are found by the next', async () => {
  await using m = await SmallMigration.ready(plain);
  const late = await m.db.connect();
  await late.query(`begin; update public.t set v = 'late' where id = 1`);
  await m.write(`update public.t set v = 'early' where id = 2`);
  await m.catchUp();
  expect(await m.differences()).toEqual([]);
  await late.query('commit');
  expect(await m.differences()).not.toEqual([]);
  await m.catchUp();
  expect(await m.differences()).toEqual([]);
});

test('a TRUNCATE empties the shadow, whatever was written before, after and between', async () => {
  await using m = await SmallMigration.ready(plain);
  await m.write(`update public.t set v = 'lost' where id = 1; insert into public.t values (2000, 'lost')`);
  await m.write(
    `begin; insert into public.t values (3000, 'lost'); truncate public.t; insert into public.t values (1, 'kept'); commit`,
  );
  await m.write(`truncate public.t`);
  await m.write(`insert into public.t values (1, 'kept'), (4000, 'kept')`);
  await m.catchUp();
  expect(await m.differences()).toEqual([]);
  expect(await m.count('ghost_new_1.t')).toBe(2);
  expect(await m.count('ghost.truncations_1')).toBe(0);
});

test('entries applied before a TRUNCATE are not needed after it', async () => {
  await using m = await SmallMigration.ready(plain);
  await m.write(`insert into public.t values (2000, 'applied')`);
  await m.catchUp();
  await m.write(`truncate public.t; insert into public.t values (2000, 'again')`);
  await m.catchUp();
  expect(await m.differences()).toEqual([]);
});

test('generated and identity columns are the table’s own and the source’s', async () => {
  await using m = await SmallMigration.ready({
    source: `id int generated always as identity primary key, n int, double int generated always as (n * 2) stored unique`,
    shadow: `id bigint generated always as identity, n int, double int generated always as (n * 2) stored`,
    indexes: [
      'alter table ghost_new_1.t add primary key (id)',
      'alter table ghost_new_1.t add unique (double)',
    ],
    seed: `insert into public.t (n) select i from generate_series(1, 100) as i`,
  });
  await m.write(
    `update public.t set n = 1000 where id = 1; update public.t set n = 1 where id = 2; insert into public.t (n) values (2)`,
  );
  await m.applyEntries(2);
  await m.catchUp();
  expect(await m.differences()).toEqual([]);
});

test('the drain applies everything, a TRUNCATE too', async () => {
  await using m = await SmallMigration.ready(plain);
  await m.write(`update public.t set v = 'x' where id <= 10; delete from public.t where id = 11`);
  expect(await m.drain()).toBe(11);
  expect(await m.differences()).toEqual([]);
  await m.write(`truncate public.t; insert into public.t values (7, 'seven')`);
  // Entries stay: the log goes with the swap.
  expect(await m.drain()).toBe(12);
  expect(await m.differences()).toEqual([]);
  await m.catchUp();
  expect([await m.backlog(), await m.count('ghost.truncations_1')]).toEqual([0, 0]);
  expect(await m.differences()).toEqual([]);
});

test('the segments change places, each key is kept once, and the disk comes back (old snapshots or not)', async () => {
  await using m = await SmallMigration.ready(plain);
  const { session } = m;
  const { keeper } = m.capture;
  const old = await m.db.connect();
  await old.query('begin isolation level repeatable read; select 1 from pg_class limit 1');
  for (let round = 0; round < 40; round += 1) await m.write(`update public.t set v = 'r${round}'`);
  const rows = await m.count('public.t');
  expect(await m.backlog()).toBe(40 * rows);
  expect(await keeper.switch(session)).toBe(true);
  expect(await keeper.compact(session)).toBe(true);
  expect(await m.count('ghost.pending_1')).toBe(rows);
  await m.write(`update public.t set v = 'last' where id <= 10`);
  expect(await m.count('ghost.log_b_1')).toBe(10);
  expect(await keeper.switch(session)).toBe(true);

  // Somebody has written to the idle segment and is not done: it stays, and so do the places.
  const writer = await m.db.connect();
  await writer.query(`begin; update public.t set v = 'open' where id = 20`);
  expect(await keeper.switch(session)).toBe(false);
  expect(await keeper.compact(session)).toBe(true);
  expect(await keeper.switch(session)).toBe(true);
  expect(await keeper.compact(session)).toBe(false);
  await writer.query('commit');
  expect(await keeper.compact(session)).toBe(true);
  expect(await m.backlog()).toBe(rows);
  await m.catchUp();
  expect(await m.differences()).toEqual([]);
  expect(await m.backlog()).toBe(0);
  const { rows: sizes } = await m.db.query(
    `select sum(pg_relation_size(c))::int as bytes from unnest('{ghost.log_1,ghost.log_b_1,ghost.pending_1}'::regclass[]) as c`,
  );
  expect(sizes).toEqual([{ bytes: 0 }]);
});

test('several workers share the keys, unique values that change hands included', async () => {
  await using m = await SmallMigration.ready({
    source: 'id int primary key, n int unique deferrable initially deferred, v text',
    indexes: ['alter table ghost_new_1.t add primary key (id)', 'alter table ghost_new_1.t add unique (n)'],
    seed: `insert into public.t select i, i, 'x' from generate_series(1, 25000) as i`,
  });
  const helpers: Session[] = [];
  let passes = 0;
  let written = 0;
  await m.write('update public.t set n = 25001 - n');
  await m.catchUp({
    maxWorkers: 3,
    helpers: async (count) => {
      while (helpers.length < count) helpers.push(await Session.open({ connection: { url: m.db.url } }));
      return helpers.slice(0, count);
    },
    until: ({ entries }) => {
      passes += 1;
      return entries === 0;
    },
    at: async () => {
      // As much again in each of the first passes: one worker does not get to the end of it.
      if (passes < written || written >= 4) return;
      written += 1;
      await m.write('update public.t set n = 25001 - n, v = v || 1');
    },
  });
  expect(helpers.length).toBeGreaterThanOrEqual(1);
  expect(await m.differences()).toEqual([]);
  await Promise.all(helpers.map((helper) => helper.close()));
});

test('writers that are faster than apply: it says so with both rates, and does not end before they do', async () => {
  await using m = await SmallMigration.ready({
    ...plain,
    seed: `insert into public.t select i, 'v' || i from generate_series(1, 25000) as i`,
  });
  const told: { written: number; applied: number }[] = [];
  let passes = 0;
  let written = 0;
  await m.write(`update public.t set v = 'start'`);
  await m.catchUp({
    onOutrun: (rates) => told.push(rates),
    until: ({ entries }) => {
      passes += 1;
      return entries <= 1000;
    },
    at: async () => {
      if (passes < written || told.length > 0) return;
      written += 1;
      await m.write(`update public.t set v = 'w${written}'`);
    },
  });
  expect(told).toHaveLength(1);
  expect(told[0]?.written).toBeGreaterThan(0);
  expect(told[0]?.applied).toBeGreaterThan(0);
  expect(written).toBeGreaterThanOrEqual(4);
  expect(await m.differences()).toEqual([]);
});
