/**
 * After a rollback the table is what it was before the change, with every write that came since: by the catalog of a clone in which the
 * change was never made and the same was written.
 */
import { expect, test } from 'vitest';
import { finalize, rollback, rollforward } from '../../src/index.js';
import { createDatabase } from '../support/database.js';
import { swapChange } from '../support/migration.js';
import { allAtOnce, base, common } from './carried.js';
import { expectSame, shared, expectThereAndBack, writes } from './there-and-back.js';

test('back, with all that can hang on a table', async () => {
  await expectThereAndBack(allAtOnce);
});

test('back, and forward once more: what PostgreSQL makes of the change, with everything that was written on the way', async () => {
  const { setup, change, native } = allAtOnce;
  await using original = await createDatabase(base + shared(setup));
  await using clone = await original.clone();
  const connection = { url: original.url };
  const settings = { cutoverDeadlineMs: 30_000 };
  const { result } = await swapChange(original, { table: 'orders', ...(change ?? common) });
  const id = result.id ?? 0;
  await original.query(writes('id', 1));
  await rollback({ connection, settings }, id);
  await original.query(writes('id', 2));
  await rollforward({ connection, settings }, id);
  await original.query(writes('id', 3));
  await finalize({ connection }, id);
  for (const round of [1, 2, 3]) await clone.query(writes('id', round));
  await clone.query(native ?? '');
  await expectSame(original, clone);
});

test('what the change does not keep is there again in rows that nobody has written', async () => {
  await using db = await createDatabase(`
    create table t (id int primary key, price numeric(8, 2), note text default 'none');
    insert into t select i, i + 0.5, 'n' || i from generate_series(1, 100) as i`);
  const connection = { url: db.url };
  const { result } = await swapChange(db, {
    table: 't',
    alter: ['ALTER COLUMN price TYPE integer', 'DROP COLUMN note'],
  });
  await db.query('update t set price = price + 1 where id = 1; insert into t values (101, 7)');
  await rollback({ connection }, result.id ?? 0);
  const { rows } = await db.query('select * from t where id in (1, 2, 101) order by id');
  expect(rows).toEqual([
    { id: 1, price: '3.00', note: 'n1' },
    { id: 2, price: '2.50', note: 'n2' },
    { id: 101, price: '7.00', note: 'none' },
  ]);
});
