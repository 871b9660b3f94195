/** The oracle of the other tests must see every change, and nothing that is none. */
import { isDeepStrictEqual } from 'node:util';
import { expect, test } from 'vitest';
import { catalogSnapshot, tableDigest, tableRows } from '../support/catalog-snapshot.js';
import { createDatabase } from '../support/database.js';
import { ddl, setup } from './ddl.js';

test('the snapshot sees every change', async () => {
  await using db = await createDatabase(setup);
  const role = await db.createRole();
  await db.query(`
    create schema other;
    create domain d as int;
    create type e as enum ('a')`);
  const before = await catalogSnapshot(db, 'public');
  const unnoticed: string[] = [];
  for (const statement of [
    ...ddl,
    'create view v as select * from t',
    'alter table t disable trigger all',
    'alter function nothing() security definer',
    'alter domain d set not null',
    'alter domain d set default 5',
    'alter domain d add check (value > 0) not valid',
    `alter type e add value 'b'`,
    'grant create on schema public to role_placeholder',
  ]) {
    const text = statement.replace('role_placeholder', role.name).replace(' concurrently', '');
    await db.query(`begin; ${text}`);
    if (isDeepStrictEqual(await catalogSnapshot(db, 'public'), before)) unnoticed.push(text);
    await db.query('rollback');
  }
  expect(await catalogSnapshot(db, 'public')).toEqual(before);
  expect(unnoticed).toEqual([]);
});

test('what was made in another order, dropped and made again, or moved to another file is the same', async () => {
  await using one = await createDatabase(`
    create table a (id int primary key, x text, y int check (y > 0));
    create index i on a (x);
    create index j on a (y);
    create table b (id int references a);
    grant select on a to public`);
  await using two = await createDatabase(`
    create table b (id int);
    create table a (gone int, id int, x text, also_gone text, y int check (y > 0));
    alter table a drop column gone, drop column also_gone;
    create index j on a (y);
    grant select on a to public;
    insert into a (id, y) values (1, 1);
    create index i on a (x);
    drop index j;
    create index j on a (y);
    alter table a add primary key (id);
    alter table b add foreign key (id) references a`);
  await two.query('vacuum (full, analyze) a');
  await two.query('reindex table concurrently a');
  expect(await catalogSnapshot(two, 'public')).toEqual(await catalogSnapshot(one, 'public'));
});

test("the reader's settings do not matter and stay", async () => {
  await using db = await createDatabase(`create table t (at timestamptz default '2020-01-01 12:00+02')`);
  const before = await catalogSnapshot(db, 'public');
  await db.query(`set timezone = 'Asia/Tokyo'; set search_path = nowhere`);
  expect(await catalogSnapshot(db, 'public')).toEqual(before);
  expect((await db.query('show timezone')).rows).toEqual([{ TimeZone: 'Asia/Tokyo' }]);
  expect((await db.query('show search_path')).rows).toEqual([{ search_path: 'nowhere' }]);
});

test('sequence values are there when asked for', async () => {
  await using db = await createDatabase(`create table t (id serial); insert into t default values`);
  const { 'sequence values': values } = await catalogSnapshot(db, 'public', { sequenceValues: true });
  expect(values).toEqual({ t_id_seq: { last_value: '1', is_called: true } });
});

test('rows and their digest know no order, but every value and its number', async () => {
  await using db = await createDatabase(`
    create table a (id int, x text);
    insert into a values (1, 'x'), (2, null), (2, null);
    create table b as select * from a order by id desc;
    create table c as select distinct * from a;
    create table d as select id, coalesce(x, '') as x from a`);
  expect(await tableRows(db, 'a')).toEqual(['(1,x)', '(2,)', '(2,)']);
  expect(await tableRows(db, 'b')).toEqual(await tableRows(db, 'a'));
  const digest = await tableDigest(db, 'a');
  expect(digest.rows).toBe(3);
  expect(await tableDigest(db, 'b')).toEqual(digest);
  expect(await tableDigest(db, 'c')).not.toEqual(digest);
  expect(await tableDigest(db, 'd')).not.toEqual(digest);
});
