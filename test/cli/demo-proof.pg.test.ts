/** The proof proves something: it passes after PostgreSQL's own ALTER, and fails for each way of losing a write. */
import { expect, test } from 'vitest';
import { ShopApplication } from '../../src/cli/demo/application.js';
import { prove } from '../../src/cli/demo/proof.js';
import { fillTables } from '../../src/cli/demo/shop.js';
import { Session } from '../../src/db/session.js';
import { createDatabase, until } from '../support/database.js';

const rows = 500;

test('a workload is proved, and whatever is not as it wrote it is found', async () => {
  await using db = await createDatabase();
  await using session = await Session.open({ connection: { url: db.url } });
  await fillTables(session, rows);
  await using application = await ShopApplication.start({ url: db.url, writers: 3, seededRows: rows });
  await until(
    () => application.counts.deleted > 5 && application.counts.inserted > 5 && application.writes > 100,
    {
      what: 'writes of every kind',
    },
  );
  await application.stop();
  expect(application.errors).toEqual([]);
  const outcome = async (): Promise<boolean[]> =>
    (await prove(session, 'bigint', { seededRows: rows, counts: application.counts })).map(
      ({ passed }) => passed,
    );

  expect(await outcome()).toEqual([false, true, true, false]);
  await session.batch([
    'alter table orders alter column id type bigint',
    'alter sequence orders_id_seq as bigint',
  ]);
  expect(await outcome()).toEqual([true, true, true, true]);
  // The sequence is where it was, and nothing was written.
  expect(await outcome()).toEqual([true, true, true, true]);
  const asBefore = await prove(session, 'integer', { seededRows: rows, counts: application.counts });
  expect(asBefore.map(({ passed }) => passed)).toEqual([false, true, true, true]);

  const newest = 'where id = (select max(id) from orders)';
  await session.batch([`update orders set total = total + 0.01 ${newest}`]);
  expect(await outcome()).toEqual([true, true, false, true]);
  await session.batch([`update orders set total = total - 0.01 ${newest}`]);
  expect(await outcome()).toEqual([true, true, true, true]);
  await session.batch([`delete from orders ${newest}`]);
  expect(await outcome()).toEqual([true, false, false, true]);
});

test('an error that the application sees is counted, and it goes on', async () => {
  await using db = await createDatabase();
  await using session = await Session.open({ connection: { url: db.url } });
  await fillTables(session, rows);
  await using application = await ShopApplication.start({ url: db.url, writers: 1, seededRows: rows });
  await session.batch(['alter table orders rename to elsewhere']);
  await until(() => application.errorCount > 2, { what: 'errors' });
  await session.batch(['alter table elsewhere rename to orders']);
  const { writes } = application;
  await until(() => application.writes > writes, { what: 'more writes' });
  await application.stop();
  expect(application.errors[0]).toBe('relation "orders" does not exist');
});
