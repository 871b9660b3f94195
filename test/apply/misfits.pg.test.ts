/** A write that the new shape cannot take: the application is not disturbed, and the row is named. */
import { expect, test } from 'vitest';
import { drain } from '../../src/apply/applier.js';
import { SmallMigration } from './small-migration.js';

test('rows that no longer fit are named, the others applied, and repaired ones follow', async () => {
  await using m = await SmallMigration.ready({
    source: 'id int primary key, v text',
    shadow: 'id bigint, v int not null constraint positive check (v > 0)',
    expressions: { v: 'v::int' },
    seed: 'insert into public.t select i, i from generate_series(1, 5000) as i',
  });
  await m.write(`update public.t set v = (v::int + 1)::text`);
  await m.write(
    `update public.t set v = 'x' where id = 77; update public.t set v = '-1' where id = 4000; update public.t set v = null where id = 5000`,
  );
  await expect(m.catchUp()).rejects.toMatchObject({
    code: 'row-does-not-fit',
    exitCode: 1,
    details: { keys: expect.arrayContaining(['id=77', 'id=4000', 'id=5000']) },
    state: expect.stringContaining('source untouched'),
  });
  expect(await m.backlog()).toBeLessThanOrEqual(6);
  await m.write(`update public.t set v = '1' where id in (77, 4000); delete from public.t where id = 5000`);
  await m.catchUp();
  expect(await m.differences()).toEqual([]);
});

test('a key that the new type cannot hold', async () => {
  await using m = await SmallMigration.ready({ source: 'id bigint primary key', shadow: 'id int' });
  await m.write('insert into public.t values (1), (3000000000)');
  await expect(m.catchUp()).rejects.toMatchObject({
    code: 'row-does-not-fit',
    details: { reason: 'cast', keys: ['id=3000000000'], sqlState: '22003' },
  });
  expect(await m.count('ghost_new_1.t')).toBe(1);
});

test('the drain lets the server’s error through', async () => {
  await using m = await SmallMigration.ready({ source: 'id bigint primary key', shadow: 'id int' });
  await m.write('insert into public.t values (3000000000)');
  await expect(m.drain()).rejects.toMatchObject({ code: '22003' });
  expect(await m.backlog()).toBe(1);
});

test('the drain meets deferred constraints too, and not only the commit', async () => {
  await using m = await SmallMigration.ready({
    source: 'id int primary key, n int',
    indexes: [
      'alter table ghost_new_1.t add primary key (id)',
      'alter table ghost_new_1.t add constraint n_key unique (n) deferrable initially deferred',
    ],
    seed: 'insert into public.t values (1, 1)',
  });
  await m.write('insert into public.t values (2, 1)');
  const plan = await m.readyToDrain();
  await m.session.batch(['begin']);
  await expect(drain(m.session, plan)).rejects.toMatchObject({ code: '23505', constraint: 'n_key' });
  await m.session.batch(['rollback']);
});
