import { expect, test } from 'vitest';
import { compareShapes } from '../../src/ddl/compare-shapes.js';
import { ident } from '../../src/sql/quote.js';
import { catalogSnapshot } from '../support/catalog-snapshot.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { longName, oddName } from './maximal-table.js';
import { retargetShape } from './retarget-shape.js';
import {
  cloneSchema,
  cloneTable,
  createMaximal,
  maximal,
  openSession,
  putInPlace,
  shapeOf,
} from './support.js';

test('the clone of a table with everything is the same table', async () => {
  await using db = await createDatabase();
  await createMaximal(db);
  await using session = await openSession(db.url);
  const expected = await catalogSnapshot(db, 'app');
  await cloneTable(session, maximal);
  await putInPlace(db, 'app', oddName, longName);
  expect(await catalogSnapshot(db, 'app')).toEqual(expected);
});

test('source and clone have the same shape, but for the schema and the shared sequence', async () => {
  await using db = await createDatabase();
  await createMaximal(db);
  await using session = await openSession(db.url);
  const clone = await cloneTable(session, maximal);
  const source = await shapeOf(session, maximal);
  expect(source.sequences.map(({ identity, column }) => [identity, column])).toEqual([
    [true, 'id'],
    [false, longName],
    [true, 'always_id'],
  ]);
  const owned = { ...source, sequences: source.sequences.filter(({ identity }) => identity) };
  const differences = compareShapes(retargetShape(owned, cloneSchema), retargetShape(clone, cloneSchema));
  expect(differences.map(({ text }) => text)).toEqual([]);
});

/** Clones `app.orders` over a connection of the role and compares. */
async function expectSameClone(db: TestDatabase, url: string): Promise<void> {
  const expected = await catalogSnapshot(db, 'app');
  {
    await using session = await openSession(url);
    await cloneTable(session, 'app.orders');
  }
  await putInPlace(db, 'app', 'orders');
  expect(await catalogSnapshot(db, 'app')).toEqual(expected);
}

const orders = `
  create schema app;
  create table app.orders (
    id int primary key, customer int generated always as identity unique, total numeric(10, 2) not null check (total > 0)
  );
  create index on app.orders (total);
  comment on table app.orders is 'orders';`;

test('default privileges add nothing to the clone, and a table without any grant stays so', async () => {
  await using db = await createDatabase(orders);
  const [owner, stranger] = [await db.createRole(), await db.createRole()];
  await db.query(`
    grant create on database ${db.name} to ${owner.name};
    grant usage on schema app to ${owner.name};
    alter table app.orders owner to ${owner.name};
    revoke all on app.orders from ${owner.name};
    alter default privileges for role ${owner.name} grant all on tables to public;
    alter default privileges for role ${owner.name} grant all on tables to ${stranger.name} with grant option;
    alter default privileges for role ${owner.name} grant all on sequences to ${stranger.name} with grant option;
    alter default privileges grant all on tables to ${stranger.name};`);
  await using asSuperuser = await db.clone();
  await expectSameClone(db, owner.url);
  await expectSameClone(asSuperuser, asSuperuser.url);
});

test('an owner who is no superuser clones the table with everything', async () => {
  await using db = await createDatabase();
  const { owner } = await createMaximal(db, { foreignGrantors: false });
  await db.query(`grant create on database ${db.name} to ${owner.name}`);
  const expected = await catalogSnapshot(db, 'app');
  {
    await using session = await openSession(owner.url);
    await cloneTable(session, maximal);
  }
  await putInPlace(db, 'app', oddName, longName);
  expect(await catalogSnapshot(db, 'app')).toEqual(expected);
});

test('a member of the owning role clones the table, and the owner owns the clone', async () => {
  await using db = await createDatabase(orders);
  const owner = await db.createRole();
  const member = await db.createRole(`in role ${owner.name}`);
  await db.query(`
    grant create on database ${db.name} to ${member.name};
    alter table app.orders owner to ${owner.name};
    grant usage on schema app to ${owner.name};
    grant select on app.orders to public`);
  await expectSameClone(db, member.url);
});

test('tables and indexes stay in their tablespaces', async () => {
  await using db = await createDatabase(`
    create schema app;
    create extension btree_gist;
    set allow_in_place_tablespaces = on`);
  const [one, two] = [`${db.name} "one"`, `${db.name} 'two'`];
  await db.query(`create tablespace ${ident(one)} location ''`);
  await db.query(`create tablespace ${ident(two)} location ''`);
  try {
    await db.query(`
      create table app.orders (
        id int primary key using index tablespace ${ident(two)},
        note text,
        total int,
        exclude using gist (total with =) with (fillfactor = 60) using index tablespace ${ident(two)}
          where (note <> ' where ') deferrable initially deferred
      ) tablespace ${ident(one)};
      create index on app.orders (note) with (fillfactor = 50) tablespace ${ident(two)} where note <> 'where';
      create index on app.orders (total) tablespace ${ident(one)}`);
    await expectSameClone(db, db.url);
  } finally {
    await db.query(`drop schema app, aside, ${cloneSchema} cascade`);
    await db.query(`drop tablespace ${ident(one)}`);
    await db.query(`drop tablespace ${ident(two)}`);
  }
});
