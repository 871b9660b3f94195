/** A table with what hangs on it: there, back, there and back again, with writes on the way. */
import { expect } from 'vitest';
import { finalize, rollback, rollforward } from '../../src/index.js';
import { catalogSnapshot, tableRows } from '../support/catalog-snapshot.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { swapChange } from '../support/migration.js';
import { base, common, type CarriedCase } from './carried.js';

const schemas = ['public', 'app', 'Odd Schema'];
/** Roles belong to the whole server, and the tests share it. */
export const shared = (setup: string): string =>
  setup.replaceAll(
    /create role (\w+);/g,
    (_, role) =>
      `do $$ begin create role ${String(role)}; exception when duplicate_object or unique_violation then null; end $$;`,
  );

/** Of both shapes; the key has another name in one of them. */
export const writes = (key: string, round: number): string => `
  update orders set total = total + 1 where ${key} % 7 = ${round};
  insert into orders (region, total) values (null, 12), (null, 13);
  delete from orders where ${key} = (select max(${key}) from orders)`;
const keyChange = (key: string, round: number): string =>
  `update orders set ${key} = ${key} + ${1000 * round} where ${key} = ${290 + round}`;

export async function expectSame(actual: TestDatabase, expected: TestDatabase): Promise<void> {
  const [one, other] = [await actual.connect(), await expected.connect()];
  for (const schema of schemas) {
    const options = { sequenceValues: true };
    expect(await catalogSnapshot(one, schema, options)).toEqual(
      await catalogSnapshot(other, schema, options),
    );
  }
  expect(await tableRows(one, 'orders')).toEqual(await tableRows(other, 'orders'));
}

/** At the end the table is as it is in a clone in which the change was never made, and the same was written. */
export async function expectThereAndBack({ setup, change }: CarriedCase): Promise<void> {
  await using original = await createDatabase(base + shared(setup));
  await using clone = await original.clone();
  const key =
    (change ?? common).alter?.some((action) => action.startsWith('RENAME COLUMN id')) === true ? 'key' : 'id';
  // A row that changes its key in the new table is a new one for the column that only the old one has.
  const drops = change?.alter?.some((action) => action.startsWith('DROP')) === true;
  const connection = { url: original.url };
  const settings = { cutoverDeadlineMs: 30_000 };
  const write = async (round: 1 | 2 | 3): Promise<void> => {
    const names = [round === 2 ? 'id' : key, 'id'] as const;
    for (const [index, db] of [original, clone].entries()) {
      await db.query(writes(names[index] ?? '', round));
      if (round === 2 || !drops) await db.query(keyChange(names[index] ?? '', round));
    }
  };
  const { result } = await swapChange(original, { table: 'orders', ...(change ?? common) });
  const id = result.id ?? 0;
  await write(1);
  await rollback({ connection, settings }, id);
  await write(2);
  await rollforward({ connection, settings }, id);
  await write(3);
  await rollback({ connection, settings }, id);
  await finalize({ connection }, id);
  await expectSame(original, clone);
  expect((await original.query(`select nspname from pg_namespace where nspname like 'ghost%'`)).rows).toEqual(
    [{ nspname: 'ghost' }],
  );
}
