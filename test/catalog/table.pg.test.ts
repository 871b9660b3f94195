import { expect, test } from 'vitest';
import { findTable } from '../../src/catalog/table.js';
import { Session } from '../../src/db/session.js';
import { createDatabase } from '../support/database.js';

const setup = `
  create schema app;
  create schema "My Schema";
  create table orders (id int primary key);
  create table app.orders (id int primary key);
  create unlogged table app."Or""ders 😀" (id int);
  create table "My Schema"."Order" (id int);
  create table app.parted (id int) partition by range (id);
  create table app.parted_1 partition of app.parted for values from (0) to (1);
  create view app.v as select 1 as x;
  create materialized view app.m as select 1 as x;
  create sequence app.s;
  create type app.composite as (x int);`;

test('a name is found as SQL would find it', async () => {
  await using db = await createDatabase(setup);
  await using session = await Session.open({ connection: { url: db.url } });
  const found = async (name: string): Promise<string | null> => {
    const table = await findTable(session, name);
    return table === null ? null : `${table.schema}.${table.name}`;
  };
  expect(await found('orders')).toBe('public.orders');
  expect(await found(' ORDERS ')).toBe('public.orders');
  expect(await found('"ORDERS"')).toBeNull();
  expect(await found('App.Orders')).toBe('app.orders');
  expect(await found('app."Or""ders 😀"')).toBe('app.Or"ders 😀');
  expect(await found('"My Schema"."Order"')).toBe('My Schema.Order');
  expect(await found('"My Schema".Order_')).toBeNull();
  expect(await found('nowhere.orders')).toBeNull();
  expect(await found('parted_1')).toBeNull();
  await session.execute('set search_path = app, public');
  expect(await found('orders')).toBe('app.orders');
  await session.execute('set search_path = nowhere');
  expect(await found('orders')).toBeNull();
  await session.execute('create temporary table orders (id int)');
  expect(await found('orders')).toMatch(/^pg_temp_\d+\.orders$/);
  // An OID is not a name, though to_regclass takes it.
  const { oid } = await session.row<{ oid: number }>(`select 'app.orders'::regclass::oid as oid`);
  expect(await found(`"${oid}"`)).toBeNull();
});

test('what is not a name is a usage error', async () => {
  await using db = await createDatabase();
  await using session = await Session.open({ connection: { url: db.url } });
  for (const name of ['', '1', 'a b', 'a.b.c', 'a; drop table b', '"a', 'a..b', 'a -- b', 'a.*']) {
    await expect(findTable(session, name), name).rejects.toMatchObject({ code: 'bad-name' });
  }
});

test('it says what kind of relation that is', async () => {
  await using db = await createDatabase(setup);
  await using session = await Session.open({ connection: { url: db.url } });
  const facts = async (schema: string, name: string): Promise<unknown[]> => {
    const table = await findTable(session, { schema, name });
    return [table?.kind, table?.persistence, table?.isPartition, table?.isSystem, table?.owner];
  };
  const owner = 'postgres';
  expect(await facts('app', 'orders')).toEqual(['table', 'permanent', false, false, owner]);
  expect(await facts('app', 'Or"ders 😀')).toEqual(['table', 'unlogged', false, false, owner]);
  expect(await facts('app', 'parted')).toEqual(['partitioned table', 'permanent', false, false, owner]);
  expect(await facts('app', 'parted_1')).toEqual(['table', 'permanent', true, false, owner]);
  expect(await facts('app', 'v')).toEqual(['view', 'permanent', false, false, owner]);
  expect(await facts('app', 'm')).toEqual(['materialized view', 'permanent', false, false, owner]);
  expect(await facts('app', 's')).toEqual(['sequence', 'permanent', false, false, owner]);
  expect(await facts('app', 'orders_pkey')).toEqual(['index', 'permanent', false, false, owner]);
  expect(await facts('app', 'composite')).toEqual(['composite type', 'permanent', false, false, owner]);
  expect(await facts('pg_catalog', 'pg_class')).toEqual(['table', 'permanent', false, true, owner]);
  expect(await facts('app', 'nothing')).toEqual([undefined, undefined, undefined, undefined, undefined]);
});

test('a role without rights on the schema gets an answer, not an error', async () => {
  await using db = await createDatabase(setup);
  const role = await db.createRole();
  await using session = await Session.open({ connection: { url: role.url } });
  expect(await findTable(session, 'app.orders')).toMatchObject({ schema: 'app', name: 'orders' });
});
