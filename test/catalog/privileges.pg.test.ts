import { expect, test } from 'vitest';
import { readLacking } from '../../src/catalog/privileges.js';
import { readTableShape } from '../../src/catalog/shape.js';
import { Session } from '../../src/db/session.js';
import { createDatabase, type TestDatabase } from '../support/database.js';

async function missing(url: string): Promise<string[]> {
  await using session = await Session.open({ connection: { url } });
  const { oid } = await session.row<{ oid: number }>(
    `select c.oid from pg_class as c join pg_namespace as n on n.oid = relnamespace where nspname = 'app' and relname = 'orders'`,
  );
  const shape = await readTableShape(session, oid);
  const { own } = await readLacking(session, { shape, definitions: null, created: [] });
  return own.map(({ statement }) => statement);
}

const setup = 'create schema app; create table app.orders (id int primary key)';
const suffix = (db: TestDatabase): string => (db.major >= 16 ? ' with inherit true, set true' : '');

/** Runs what was said to be missing, as an administrator would. */
async function grant(db: TestDatabase, statements: readonly string[]): Promise<void> {
  for (const statement of statements) await db.query(statement);
}

test('a superuser lacks nothing', async () => {
  await using db = await createDatabase(setup);
  expect(await missing(db.url)).toEqual([]);
});

test('an owner lacks CREATE on the database and rights on the schema, until they are granted', async () => {
  await using db = await createDatabase(setup);
  const owner = await db.createRole();
  await db.query(`alter table app.orders owner to ${owner.name}`);
  const statements = await missing(owner.url);
  expect(statements).toEqual([
    `grant create on database ${db.name} to ${owner.name}`,
    `grant create, usage on schema app to ${owner.name}`,
  ]);
  await grant(db, statements);
  expect(await missing(owner.url)).toEqual([]);
});

test("another role lacks membership in the owner's", async () => {
  await using db = await createDatabase(setup);
  const [owner, stranger] = [await db.createRole(), await db.createRole()];
  await db.query(`
    alter table app.orders owner to ${owner.name};
    grant create on database ${db.name} to ${stranger.name};
    grant usage, create on schema app to ${owner.name}`);
  const statements = await missing(stranger.url);
  // What the owner has comes with the membership.
  expect(statements).toEqual([`grant ${owner.name} to ${stranger.name}${suffix(db)}`]);
  await grant(db, statements);
  expect(await missing(stranger.url)).toEqual([]);
});

test('a membership that does not inherit, or (16) cannot SET ROLE, is not enough', async () => {
  await using db = await createDatabase(setup);
  const owner = await db.createRole();
  const member = await db.createRole(`noinherit in role ${owner.name}`);
  await db.query(`
    alter table app.orders owner to ${owner.name};
    grant create on database ${db.name} to ${member.name};
    grant usage, create on schema app to public`);
  const statements = await missing(member.url);
  expect(statements).toEqual([
    db.major >= 16
      ? `grant ${owner.name} to ${member.name} with inherit true`
      : `alter role ${member.name} inherit`,
  ]);
  await grant(db, statements);
  expect(await missing(member.url)).toEqual([]);
  if (db.major < 16) return;
  await db.query(`grant ${owner.name} to ${member.name} with set false`);
  expect(await missing(member.url)).toEqual([`grant ${owner.name} to ${member.name} with set true`]);
});

test('grants made by other roles need these roles', async () => {
  await using db = await createDatabase(setup);
  const [owner, grantor] = [await db.createRole(), await db.createRole()];
  await db.query(`
    grant create on database ${db.name} to ${owner.name};
    grant usage, create on schema app to public;
    alter table app.orders owner to ${owner.name};
    grant select (id) on app.orders to ${grantor.name} with grant option;
    set role ${grantor.name};
    grant select (id) on app.orders to public;
    reset role`);
  const statements = await missing(owner.url);
  expect(statements).toEqual([
    `grant ${grantor.name} to ${owner.name}${db.major >= 16 ? ' with set true' : ''}`,
  ]);
  await grant(db, statements);
  expect(await missing(owner.url)).toEqual([]);
});

test('indexes in a tablespace need CREATE on it', async () => {
  await using db = await createDatabase(`${setup}; set allow_in_place_tablespaces = on`);
  const owner = await db.createRole();
  const tablespace = `${db.name} space`;
  await db.query(`create tablespace "${tablespace}" location ''`);
  try {
    await db.query(`
      create index on app.orders (id) tablespace "${tablespace}";
      grant create on database ${db.name} to ${owner.name};
      grant usage, create on schema app to public;
      alter table app.orders owner to ${owner.name}`);
    const statements = await missing(owner.url);
    expect(statements).toEqual([`grant create on tablespace "${tablespace}" to ${owner.name}`]);
    await grant(db, statements);
    expect(await missing(owner.url)).toEqual([]);
  } finally {
    await db.query(`drop schema app cascade`);
    await db.query(`drop tablespace "${tablespace}"`);
  }
});
