/** The rows that are found are those for which PostgreSQL refuses the foreign key. */
import { expect, test } from 'vitest';
import { readForeignKeysOut } from '../../src/catalog/definitions-of/foreign-keys.js';
import { Session } from '../../src/db/session.js';
import { orphansSql } from '../../src/verify/orphans-sql.js';
import { createDatabase } from '../support/database.js';

const equals = 'operator(pg_catalog.=)';

test.each([
  {
    what: 'NULL in one column',
    action: 'foreign key (a, b) references pair',
    keys: [
      ['2', 'b'],
      ['5', 'e'],
    ],
  },
  {
    what: 'NULL in one column, MATCH FULL',
    action: 'foreign key (a, b) references pair match full',
    keys: [
      ['2', 'b'],
      ['3', 'c'],
      ['5', 'e'],
    ],
  },
  {
    what: 'the table itself, with another type',
    action: 'foreign key (big) references t (id)',
    keys: [['2', 'b']],
  },
  {
    what: 'a partitioned table',
    action: 'foreign key (a) references parted',
    keys: [
      ['2', 'b'],
      ['5', 'e'],
    ],
  },
  {
    what: 'another collation',
    action: 'foreign key ("K 2") references texts (word)',
    keys: [
      ['3', 'c'],
      ['4', 'd'],
      ['5', 'e'],
    ],
  },
])('$what', async ({ action, keys }) => {
  await using db = await createDatabase(`
    create table pair (x integer, y integer, primary key (x, y)); insert into pair values (1, 1);
    create table parted (id integer primary key) partition by range (id);
    create table parted_1 partition of parted for values from (0) to (10); insert into parted values (1);
    create table texts (word text primary key); insert into texts values ('a'), ('b');
    create table t (id integer unique, "K 2" text collate "C", a integer, b integer, big bigint, primary key (id, "K 2"));
    insert into t values
      (1, 'a', 1, 1, 1), (2, 'b', 2, 1, 7000000000), (3, 'c', 1, null, null), (4, 'd', null, null, 4), (5, 'e', 3, 3, 5);
    alter table t add constraint k ${action} not valid;`);
  await using session = await Session.open({ own: true, connection: { url: db.url } });
  const { rows } = await db.query<{ oid: number }>("select 't'::regclass::oid as oid");
  const [foreignKey] = await readForeignKeysOut(session, rows[0]?.oid ?? 0);
  if (foreignKey === undefined) throw new Error('no foreign key');
  const search = {
    table: foreignKey.table,
    key: ['id', 'K 2'],
    foreignKey,
    operators: foreignKey.columns.map(() => equals),
    references: foreignKey.references,
  };
  const found = await session.rows<{ key: string[] }>(orphansSql(search));
  expect(found.map(({ key }) => key).toSorted(([a], [b]) => Number(a) - Number(b))).toEqual(keys);
  const again = await session.rows<{ key: string[] }>(
    orphansSql({
      ...search,
      among: [
        ['2', 'b'],
        ['9', 'x'],
      ],
    }),
  );
  expect(again.map(({ key }) => key)).toEqual(keys.filter(([id]) => id === '2'));
  await expect(db.query('alter table t validate constraint k')).rejects.toThrow(
    'violates foreign key constraint',
  );
  for (const [id] of keys) await db.query('delete from t where id = $1', [id]);
  await db.query('alter table t validate constraint k');
});
