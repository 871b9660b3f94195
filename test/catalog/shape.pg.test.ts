import { expect, test } from 'vitest';
import { readTableShape } from '../../src/catalog/shape.js';
import type { TableShape } from '../../src/model/table-shape.js';
import { Session } from '../../src/db/session.js';
import { createDatabase } from '../support/database.js';

const setup = `
  create schema app;
  create type app.status as enum ('new', 'done');
  create table app.orders (
    gone int,
    id int primary key,
    status app.status not null default 'new',
    at timestamptz default '2020-01-01 12:00+02',
    lapse interval default '-1 day 02:00',
    total numeric(10, 2)
  );
  alter table app.orders drop column gone;
  create unique index by_status on app.orders (lower(total::text), status desc) include (at) where total > 5;`;

async function read(session: Session): Promise<TableShape> {
  const { oid } = await session.row<{ oid: number }>(`select 'app.orders'::regclass::oid as oid`);
  return await readTableShape(session, oid);
}

/** Without what other tests and other versions change. */
function essence(shape: TableShape): unknown {
  return {
    columns: shape.columns.map(({ attnum, name, type, default: value, notNull }) => [
      attnum,
      name,
      type,
      value,
      notNull,
    ]),
    indexes: shape.indexes.map(({ name, definition, predicate, keys, included, constraint }) => ({
      name,
      definition,
      predicate,
      keys: keys.map(({ column, expression, conflictOperator, collation }) => [
        column,
        expression,
        conflictOperator,
        collation,
      ]),
      included,
      constraint,
    })),
  };
}

const expected = {
  columns: [
    [2, 'id', 'integer', null, true],
    [3, 'status', 'app.status', `'new'::app.status`, true],
    [4, 'at', 'timestamp with time zone', `'2020-01-01 10:00:00+00'::timestamp with time zone`, false],
    [5, 'lapse', 'interval', `'-1 days +02:00:00'::interval`, false],
    [6, 'total', 'numeric(10,2)', null, false],
  ],
  indexes: [
    {
      name: 'orders_pkey',
      definition: 'CREATE UNIQUE INDEX orders_pkey ON app.orders USING btree (id)',
      predicate: null,
      keys: [['id', 'id', 'OPERATOR(pg_catalog.=)', null]],
      included: [],
      constraint: 'orders_pkey',
    },
    {
      name: 'by_status',
      definition:
        'CREATE UNIQUE INDEX by_status ON app.orders USING btree (lower((total)::text), status DESC) INCLUDE (at) WHERE (total > (5)::numeric)',
      predicate: '(total > (5)::numeric)',
      keys: [
        [null, 'lower((total)::text)', 'OPERATOR(pg_catalog.=)', 'pg_catalog."default"'],
        ['status', 'status', 'OPERATOR(pg_catalog.=)', null],
      ],
      included: ['at'],
      constraint: null,
    },
  ],
};

const settings = [
  'search_path = app, public',
  `timezone = 'Asia/Tokyo'`,
  `datestyle = 'German'`,
  `intervalstyle = 'sql_standard'`,
];

async function settingsOf(session: Session): Promise<unknown> {
  return await session.row(`
    select current_setting('search_path') as path, current_setting('timezone') as zone,
      current_setting('datestyle') as date, current_setting('intervalstyle') as interval`);
}

test("the shape does not depend on the session's settings, and leaves them alone", async () => {
  await using db = await createDatabase(setup);
  await using session = await Session.open({ connection: { url: db.url } });
  expect(essence(await read(session))).toEqual(expected);
  await session.batch(settings.map((setting) => `set ${setting}`));
  const before = await settingsOf(session);
  expect(essence(await read(session))).toEqual(expected);
  expect(await settingsOf(session)).toEqual(before);
});

test('in a transaction it sees what that changed, does not end it, and keeps its local settings', async () => {
  await using db = await createDatabase(setup);
  await using session = await Session.open({ connection: { url: db.url } });
  const outside = await settingsOf(session);
  await session.batch(['begin', ...settings.map((setting) => `set local ${setting}`)]);
  await session.execute('alter table app.orders add column more int');
  const inside = await settingsOf(session);
  const shape = await read(session);
  expect(shape.columns.map(({ name }) => name)).toContain('more');
  expect(await settingsOf(session)).toEqual(inside);
  await session.execute('alter table app.orders drop column more');
  await session.batch(['commit']);
  expect(await settingsOf(session)).toEqual(outside);
  expect(essence(await read(session))).toEqual(expected);
});

test('a transaction that is rolled back leaves nothing of it', async () => {
  await using db = await createDatabase(setup);
  await using session = await Session.open({ connection: { url: db.url } });
  const outside = await settingsOf(session);
  await session.batch(['begin', 'alter table app.orders drop column total']);
  await read(session);
  await session.rollback();
  expect(await settingsOf(session)).toEqual(outside);
  expect(essence(await read(session))).toEqual(expected);
});

test('a table that is gone is an error that says so, and the session can go on', async () => {
  await using db = await createDatabase(setup);
  await using session = await Session.open({ connection: { url: db.url } });
  const outside = await settingsOf(session);
  await expect(readTableShape(session, 1)).rejects.toMatchObject({ code: 'table-gone' });
  expect(await settingsOf(session)).toEqual(outside);
});

test('the shape is a record: frozen, and plain JSON', async () => {
  await using db = await createDatabase(setup);
  await using session = await Session.open({ connection: { url: db.url } });
  const shape = await read(session);
  expect(Object.isFrozen(shape)).toBe(true);
  expect(Object.isFrozen(shape.columns[0]?.grants)).toBe(true);
  expect(JSON.parse(JSON.stringify(shape))).toEqual(shape);
});

test('conflict operators come from the operator class and the exclusion constraint', async () => {
  await using db = await createDatabase(`
    create schema app;
    create extension btree_gist schema public;
    create extension citext schema app;
    create table app.orders (
      name app.citext unique,
      short varchar(5) unique,
      parts text[] unique,
      during daterange,
      room int,
      constraint free exclude using gist (room with =, during with &&),
      constraint pattern unique (during)
    );
    create unique index by_pattern on app.orders (short text_pattern_ops);
    create index plain on app.orders (room)`);
  await using session = await Session.open({ connection: { url: db.url } });
  const { indexes } = await read(session);
  expect(
    Object.fromEntries(indexes.map(({ name, keys }) => [name, keys.map((key) => key.conflictOperator)])),
  ).toEqual({
    orders_name_key: ['OPERATOR(app.=)'],
    orders_short_key: ['OPERATOR(pg_catalog.=)'],
    orders_parts_key: ['OPERATOR(pg_catalog.=)'],
    free: ['OPERATOR(pg_catalog.=)', 'OPERATOR(pg_catalog.&&)'],
    pattern: ['OPERATOR(pg_catalog.=)'],
    by_pattern: ['OPERATOR(pg_catalog.=)'],
    plain: [null],
  });
});

test('18: two rows conflict without overlaps by the operators of its constraint', async ({ skip }) => {
  await using db = await createDatabase();
  skip(db.major < 18, 'WITHOUT OVERLAPS is new in 18');
  await db.query(`
    create schema app;
    create extension btree_gist;
    create table app.orders (room int, during daterange, primary key (room, during without overlaps));`);
  await using session = await Session.open({ connection: { url: db.url } });
  const { indexes, constraints } = await read(session);
  expect(indexes[0]).toMatchObject({ unique: true, primary: true, exclusion: true });
  expect(indexes[0]?.keys.map((key) => key.conflictOperator)).toEqual([
    'OPERATOR(pg_catalog.=)',
    'OPERATOR(pg_catalog.&&)',
  ]);
  expect(constraints.find(({ type }) => type === 'primary key')?.columns).toEqual(['room', 'during']);
});

test('an index that a failed CREATE INDEX CONCURRENTLY left behind is not valid', async () => {
  await using db = await createDatabase(`${setup} insert into app.orders values (1), (2)`);
  await expect(
    db.query('create unique index concurrently broken on app.orders (status)'),
  ).rejects.toMatchObject({
    code: '23505',
  });
  await using session = await Session.open({ connection: { url: db.url } });
  const { indexes } = await read(session);
  expect(indexes.map(({ name, valid }) => [name, valid])).toEqual([
    ['orders_pkey', true],
    ['by_status', true],
    ['broken', false],
  ]);
});

test('a second table costs no second plan, and the settings of a transaction are what they were', async () => {
  await using db = await createDatabase(setup);
  await using session = await Session.open({ connection: { url: db.url } });
  const settings = { search_path: 'app', DateStyle: 'SQL, DMY', plan_cache_mode: 'force_custom_plan' };
  const now = (): Promise<object> =>
    session.row(
      `select current_setting('search_path') as search_path, current_setting('DateStyle') as "DateStyle",
         current_setting('plan_cache_mode') as plan_cache_mode`,
    );
  await read(session);
  await session.transaction(
    async () => {
      await read(session);
      expect(await now()).toEqual(settings);
    },
    { settings },
  );
  expect(
    await session.rows(
      `select distinct generic_plans, custom_plans from pg_prepared_statements where name like 'ghost_%'`,
    ),
  ).toEqual([{ generic_plans: 2, custom_plans: 0 }]);
});
