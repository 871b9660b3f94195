/** The proof by content finds each way in which a table and its mirror can differ, whatever its types are. */
import { expect, test } from 'vitest';
import { differences } from '../../src/lab/proof.js';
import { createDatabase } from '../support/database.js';

test('what is in one and not in the other, or there less often', async () => {
  await using db = await createDatabase(`
    create table t (id int, total numeric, doc json);
    insert into t values (1, 1.5, '{"a": 1}'), (2, null, null), (2, null, null);
    create table mirror as select * from t`);
  const client = await db.connect();
  const found = async (): Promise<string[]> =>
    (await differences(client, 'select * from t', 'select * from mirror'))
      .map(({ side, row }) => `${side}: ${row}`)
      .toSorted();
  expect(await found()).toEqual([]);
  await db.query('insert into t values (2, null, null)');
  expect(await found()).toEqual(['only in the table: (2,,)']);
  await db.query(`delete from t where id = 2; update t set total = 1.50, doc = '{"a":1}'`);
  expect(await found()).toEqual([
    'only in the mirror: (1,1.5,"{""a"": 1}")',
    'only in the mirror: (2,,)',
    'only in the mirror: (2,,)',
    'only in the table: (1,1.50,"{""a"":1}")',
  ]);
});
