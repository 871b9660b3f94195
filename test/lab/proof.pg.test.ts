/** The proof proves something: it passes after PostgreSQL's own ALTER, and fails for each way of losing a write. */
import { expect, test } from 'vitest';
import { prove } from '../../src/lab/proof.js';
import { fillTables } from '../../src/lab/seed.js';
import { Workload } from '../../src/lab/workload.js';
import { Session } from '../../src/db/session.js';
import { createDatabase, until } from '../support/database.js';

const rows = 500;

test('a workload is proved, and whatever is not as it wrote it is found', async () => {
  await using db = await createDatabase();
  await using session = await Session.open({ connection: { url: db.url } });
  await fillTables(session, rows);
  await using workload = await Workload.start({ url: db.url, writers: 3, seededRows: rows });
  await until(() => workload.counts.deleted > 5 && workload.counts.inserted > 5 && workload.writes > 100, {
    what: 'writes of every kind',
  });
  await workload.stop();
  expect(workload.errors).toEqual([]);
  const outcome = async (): Promise<boolean[]> =>
    (await prove(session, rows, workload.counts)).map(({ passed }) => passed);

  expect(await outcome()).toEqual([false, true, true, false]);
  await session.batch([
    'alter table orders alter column id type bigint',
    'alter sequence orders_id_seq as bigint',
  ]);
  expect(await outcome()).toEqual([true, true, true, true]);
  // The sequence has been moved, but nothing was written.
  expect(await outcome()).toEqual([true, true, true, true]);

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
  await using workload = await Workload.start({ url: db.url, writers: 1, seededRows: rows });
  await session.batch(['alter table orders rename to elsewhere']);
  await until(() => workload.errorCount > 2, { what: 'errors' });
  await session.batch(['alter table elsewhere rename to orders']);
  const { writes } = workload;
  await until(() => workload.writes > writes, { what: 'more writes' });
  await workload.stop();
  expect(workload.errors[0]).toBe('relation "orders" does not exist');
});
