/**
 * Everything at once: rows come, go, move, change their key and swap unique values, while the copy, the purge and the
 * applier run. What the source is at the end is what the shadow must be. The seed is in the test's name: change it there.
 */
import { expect, test } from 'vitest';
import { Session } from '../../src/db/session.js';
import { Random } from '../../src/lab/random.js';
import { until } from '../support/database.js';
import { crewOf } from '../../src/pieces/crew.js';
import { SmallMigration } from './small-migration.js';

const rows = 20_000;
/** Few enough rows are written to that their values pass from hand to hand all the time. */
const hot = 100;

function randomWrite(random: (below: number) => number): string {
  const one = random(hot) + 1;
  const other = random(hot) + 1;
  const any = random(rows) + 1;
  const swap = (condition: string): string => `
    update public.t as t
    set code = o.code
    from public.t as o
    where (t.id, o.id) in ((${one}, ${other}), (${other}, ${one})) ${condition}`;
  return [
    `update public.t set v = v + 1, filler = repeat('y', ${random(900)}) where id = ${any}`,
    swap('and t.id <> o.id'),
    swap('and t.id <> o.id'),
    `update public.t set code = code + 1 where id between ${one} and ${one} + 10`,
    `delete from public.t where id = ${any}`,
    `insert into public.t (id, code, v) values (${any}, ${any} + 1000000, 0) on conflict (id) do nothing`,
    `update public.t set id = id + ${rows} where id = ${any}`,
    `begin; delete from public.t where id = ${one}; savepoint s; update public.t set v = -1 where id = ${any};
     rollback to s; insert into public.t (id, code, v) values (${one}, ${one} - 1000000, 1) on conflict (id) do nothing; commit`,
    `begin; update public.t set v = v + 1 where id = ${any}; rollback`,
  ][random(9)] as string;
}

test.each([1, 20_260_729])('seed %i', async (seed) => {
  await using m = await SmallMigration.start({
    source: `
      id int primary key,
      code bigint constraint code_key unique deferrable initially deferred,
      v int,
      filler text`,
    shadow: 'id bigint, code numeric, v int, filler text',
    indexes: [
      'alter table ghost_new_1.t add primary key (id)',
      'alter table ghost_new_1.t add constraint code_key unique (code) deferrable initially deferred',
      'create unique index code_again on ghost_new_1.t ((code * 2)) where code is not null',
    ],
    seed: `insert into public.t select i, i, 0, repeat('x', 500) from generate_series(1, ${rows}) as i`,
  });
  await using second = await Session.open({ connection: { url: m.db.url } });
  const numbers = new Random(seed);
  const random = (below: number): number => Math.floor(numbers.next() * below);
  let writes = 0;
  const failures = new Set<unknown>();
  const stop = new AbortController();
  const writer = async (): Promise<void> => {
    const client = await m.db.connect();
    await client.query(`set deadlock_timeout = '10ms'`);
    while (!stop.signal.aborted) {
      try {
        await client.query(randomWrite(random));
        writes += 1;
      } catch (error) {
        await client.query('rollback');
        failures.add((error as { code?: string }).code);
      }
    }
  };
  const writers = Promise.all([writer(), writer(), writer()]);
  /** Work that is done in less than a few writes would meet none of them. */
  const someWrites = async (): Promise<void> => {
    const enough = writes + 20;
    await until(() => writes >= enough, { what: 'writes' });
  };
  try {
    await m.copy({ crew: crewOf([m.session, second]), chunkTimeMs: () => 20, permission: someWrites });
    await someWrites();
    await m.purge();
    await m.buildIndexes();
    for (let round = 0; round < 20; round += 1) {
      await m.catchUp({ permission: someWrites });
      if (round % 5 === 0) await m.drain();
    }
  } finally {
    stop.abort();
    await writers;
  }
  await m.drain();
  // A conflict is the writers' own affair; anything else would be of our making.
  expect([...failures].filter((code) => code !== '23505' && code !== '40P01')).toEqual([]);
  expect(writes).toBeGreaterThan(500);
  expect(await m.differences()).toEqual([]);
});
