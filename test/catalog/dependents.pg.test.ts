import { expect, test } from 'vitest';
import { dependentKinds } from '../../src/catalog/dependent-kinds.js';
import { readDependents } from '../../src/catalog/dependents.js';
import { findTable } from '../../src/catalog/table.js';
import type { Dependent, DependentKind } from '../../src/model/dependent.js';
import { Session } from '../../src/db/session.js';
import { createDatabase } from '../support/database.js';

const schema = `
  create schema app;
  create table app.customers (id int primary key, name text);
  create table app.orders (
    id serial primary key, parent int, customer int, total numeric, note text, seq int generated always as identity,
    constraint total_check check (total > 0)
  );
  create index on app.orders (total);
  create function app.notice() returns trigger language plpgsql as 'begin return null; end';`;

interface Case {
  readonly kind: DependentKind;
  readonly sql: string;
  /** Names, and what else is to be found about them. */
  readonly found: readonly (string | Partial<Dependent>)[];
  /** Also found with it. */
  readonly besides?: readonly DependentKind[];
  readonly since?: number;
}

const viewSql = 'create view app.open_orders as select id, total from app.orders;';

const cases: readonly Case[] = [
  {
    kind: 'foreign-key-in',
    sql: `create table app.lines (id int, "Order" int constraint "Fk" references app.orders);
      create table app.parted (id int, o int references app.orders) partition by range (id);
      create table app.parted_1 partition of app.parted for values from (0) to (10)`,
    found: ['constraint Fk on table app.lines', 'constraint parted_o_fkey on table app.parted'],
  },
  {
    kind: 'foreign-key-out',
    sql: 'alter table app.orders add constraint fk foreign key (customer) references app.customers',
    found: ['constraint fk on table app.orders'],
  },
  {
    kind: 'foreign-key-self',
    sql: 'alter table app.orders add foreign key (parent) references app.orders',
    found: ['constraint orders_parent_fkey on table app.orders'],
  },
  {
    kind: 'trigger',
    sql: `create trigger tr after insert or update of total on app.orders for each row when (new.total > 5)
      execute function app.notice()`,
    found: ['trigger tr on table app.orders'],
  },
  {
    kind: 'constraint-trigger',
    sql: `create constraint trigger tr after insert on app.orders deferrable for each row execute function app.notice()`,
    found: ['trigger tr on table app.orders'],
  },
  {
    kind: 'trigger-elsewhere',
    sql: `create constraint trigger tr after insert on app.customers from app.orders deferrable for each row
      execute function app.notice()`,
    found: ['trigger tr on table app.customers'],
  },
  {
    kind: 'rule',
    sql: 'create rule r as on delete to app.orders do also notify orders',
    found: ['rule r on table app.orders'],
  },
  {
    kind: 'rule-elsewhere',
    sql: 'create rule r as on delete to app.customers do also delete from app.orders where customer = old.id',
    found: ['rule r on table app.customers'],
  },
  {
    kind: 'view',
    sql: `${viewSql}
      create view app.large as select * from app.open_orders where total > 1000;
      create view app.larger as select l.* from app.large as l join app.orders as o using (id)`,
    found: [
      { name: 'view app.large', via: { oid: expect.any(Number), name: 'view app.open_orders' } },
      { name: 'view app.larger', via: null },
      { name: 'view app.open_orders', via: null, catalog: 'pg_class', extension: null },
    ],
  },
  {
    kind: 'view',
    // By the primary key, which makes the other columns dependent on it.
    sql: 'create view app.grouped as select id, note, count(*) from app.orders group by id',
    found: ['view app.grouped'],
  },
  {
    kind: 'materialized-view',
    sql: `${viewSql}
      create materialized view app.cache as select * from app.open_orders;
      create index on app.cache (id)`,
    found: [
      { name: 'materialized view app.cache', via: { oid: expect.any(Number), name: 'view app.open_orders' } },
    ],
    besides: ['view'],
  },
  {
    kind: 'view-trigger',
    sql: `${viewSql}
      create trigger tr instead of insert on app.open_orders for each row execute function app.notice()`,
    found: [
      {
        name: 'trigger tr on view app.open_orders',
        via: { oid: expect.any(Number), name: 'view app.open_orders' },
      },
    ],
    besides: ['view'],
  },
  {
    kind: 'view-rule',
    sql: `${viewSql} create rule r as on insert to app.open_orders do instead nothing`,
    found: [
      {
        name: 'rule r on view app.open_orders',
        via: { oid: expect.any(Number), name: 'view app.open_orders' },
      },
    ],
    besides: ['view'],
  },
  {
    kind: 'row-level-security',
    sql: 'alter table app.orders enable row level security',
    found: ['row level security of table app.orders'],
  },
  {
    kind: 'row-level-security',
    sql: 'alter table app.orders force row level security',
    found: ['forced row level security of table app.orders'],
  },
  {
    kind: 'policy',
    sql: 'create policy p on app.orders using (customer = 1)',
    found: ['policy p on table app.orders'],
  },
  {
    kind: 'policy-elsewhere',
    sql: 'create policy p on app.customers using (id in (select customer from app.orders))',
    found: ['policy p on table app.customers'],
  },
  {
    kind: 'function-body',
    sql: `create function app.number() returns bigint language sql begin atomic select count(*) from app.orders; end`,
    found: ['function app.number()'],
  },
  {
    kind: 'function-row-type',
    sql: `create function app.of(o app.orders) returns int language sql as 'select 1';
      create function app.all_of() returns setof app.orders language sql begin atomic select * from app.orders; end;
      create function app.array_of(variadic o app.orders[]) returns int language sql as 'select 1';
      create function app.out_of(out o app.orders, out n int) language sql as 'select null::app.orders, 1'`,
    found: [
      'function app.all_of()',
      'function app.array_of(app.orders[])',
      'function app.of(app.orders)',
      'function app.out_of()',
    ],
  },
  {
    kind: 'function-row-type',
    sql: `${viewSql} create function app.of(o app.open_orders) returns int language sql as 'select 1'`,
    found: [
      {
        name: 'function app.of(app.open_orders)',
        via: { oid: expect.any(Number), name: 'view app.open_orders' },
      },
    ],
    besides: ['view'],
  },
  {
    kind: 'row-type-column',
    sql: `create table app.history (id int, was app.orders, all_of app.orders[]);
      create type app.pair as (one app.orders)`,
    found: [
      'column all_of of table app.history',
      'column one of composite type app.pair',
      'column was of table app.history',
    ],
  },
  {
    kind: 'row-type',
    sql: `create domain app.valid_order as app.orders check ((value).total > 0)`,
    found: ['type app.valid_order'],
    // The domain's CHECK.
    besides: ['other'],
  },
  {
    kind: 'default-elsewhere',
    sql: `alter table app.customers alter id set default nextval('app.orders_id_seq')`,
    found: ['default value for column id of table app.customers'],
  },
  {
    kind: 'extended-statistics',
    sql: 'create statistics app.st on total, note from app.orders',
    found: ['statistics object app.st'],
  },
  {
    kind: 'publication',
    sql: 'create publication pub for table app.orders',
    found: ['publication of table app.orders in publication pub'],
  },
  {
    kind: 'publication-schema',
    sql: 'create publication pub for tables in schema app',
    found: ['publication pub'],
    since: 15,
  },
  {
    kind: 'publication-all-tables',
    sql: 'create publication pub for all tables',
    found: ['publication pub'],
  },
  {
    kind: 'inheritance-parent',
    sql: 'create table app.parent (id int not null); alter table app.orders inherit app.parent',
    found: ['table app.parent'],
  },
  {
    kind: 'inheritance-child',
    sql: 'create table app.child () inherits (app.orders)',
    found: [{ name: 'table app.child', catalog: 'pg_class' }],
    // It inherited the serial's default too.
    besides: ['default-elsewhere'],
  },
  {
    kind: 'partition-of',
    sql: `create table app.parted (like app.customers) partition by range (id);
      drop table app.orders;
      create table app.orders partition of app.parted for values from (0) to (10)`,
    found: ['table app.parted'],
  },
  {
    kind: 'partition',
    sql: `drop table app.orders;
      create table app.orders (id int primary key, n text) partition by range (id);
      create index on app.orders (n);
      create table app.orders_1 partition of app.orders for values from (0) to (10)`,
    found: ['table app.orders_1'],
    besides: ['partitioned-table'],
  },
  {
    kind: 'partitioned-table',
    sql: `drop table app.orders; create table app.orders (id int) partition by range (id)`,
    found: ['partitioned table app.orders'],
  },
  {
    kind: 'typed-table',
    sql: `create type app.order_type as (id int); drop table app.orders; create table app.orders of app.order_type`,
    found: ['type app.order_type'],
  },
  {
    kind: 'extension-member',
    sql: 'create extension btree_gist; alter extension btree_gist add table app.orders',
    found: ['table app.orders belongs to extension btree_gist'],
  },
  {
    kind: 'depends-on-extension',
    sql: 'create extension btree_gist; alter index app.orders_total_idx depends on extension btree_gist',
    found: ['index app.orders_total_idx depends on extension btree_gist'],
  },
  {
    kind: 'view',
    sql: `create extension btree_gist; ${viewSql} alter extension btree_gist add view app.open_orders`,
    found: [{ name: 'view app.open_orders', extension: 'btree_gist' }],
  },
  {
    kind: 'other',
    sql: `create function app.to_text(app.orders) returns text language sql as 'select 1::text';
      create cast (app.orders as text) with function app.to_text(app.orders)`,
    found: ['cast from app.orders to text'],
    besides: ['function-row-type'],
  },
];

async function dependentsOf(url: string): Promise<Dependent[]> {
  await using session = await Session.open({ connection: { url } });
  return await readDependents(session, (await findTable(session, 'app.orders'))?.oid ?? 0);
}

test('a table by itself has none', async () => {
  await using db = await createDatabase(schema);
  await db.query(`
    comment on table app.orders is 'x';
    grant all on app.orders to public;
    create table app.unrelated (id int references app.customers)`);
  expect(await dependentsOf(db.url)).toEqual([]);
});

for (const { kind, sql, found, besides = [], since = 14 } of cases) {
  test(`${kind}: ${found.map((each) => (typeof each === 'string' ? each : each.name)).join(', ')}`, async ({
    skip,
  }) => {
    await using db = await createDatabase();
    skip(db.major < since, `PostgreSQL ${db.major} has no such thing; ${since} has`);
    await db.query(schema);
    await db.query(sql);
    const all = await dependentsOf(db.url);
    expect(all.filter((each) => each.kind === kind)).toEqual(
      found.map(
        (each) => expect.objectContaining(typeof each === 'string' ? { name: each } : each) as unknown,
      ),
    );
    expect([...new Set(all.map((each) => each.kind))].toSorted()).toEqual([kind, ...besides].toSorted());
  });
}

test('subscription', async () => {
  await using db = await createDatabase(schema);
  const name = `sub_${db.name}`;
  await db.query(
    `create subscription ${name} connection 'host=localhost' publication p with (connect = false)`,
  );
  try {
    await db.query(`
      insert into pg_subscription_rel (srsubid, srrelid, srsubstate)
      select oid, 'app.orders'::regclass, 'i' from pg_subscription where subname = '${name}'`);
    expect(await dependentsOf(db.url)).toMatchObject([
      { kind: 'subscription', name: `subscription ${name}` },
    ]);
  } finally {
    await db.query(`alter subscription ${name} set (slot_name = none)`);
    await db.query(`drop subscription ${name}`);
  }
});

test('security label', async () => {
  await using db = await createDatabase(schema);
  // No provider is installed here; the catalog takes the row that one would have written.
  await db.query(`set allow_system_table_mods = on`);
  await db.query(`
    insert into pg_seclabel (objoid, classoid, objsubid, provider, label)
    select 'app.orders'::regclass, 'pg_class'::regclass, n, 'dummy', 'secret' from generate_series(0, 1) as n`);
  expect((await dependentsOf(db.url)).map(({ kind, name }) => [kind, name])).toEqual([
    ['security-label', 'security label (dummy) of column id of table app.orders'],
    ['security-label', 'security label (dummy) of table app.orders'],
  ]);
});

test('a role without any rights reads the same', async () => {
  await using db = await createDatabase(schema);
  const role = await db.createRole();
  const name = `sub_${db.name}`;
  await db.query(`
    create view app.v as select * from app.orders;
    create policy p on app.orders using (true);
    create statistics app.st on total, note from app.orders;
    create publication pub for table app.orders;
    create publication everything for all tables`);
  await db.query(
    `create subscription ${name} connection 'host=localhost' publication p with (connect = false)`,
  );
  try {
    await db.query(`
      insert into pg_subscription_rel (srsubid, srrelid, srsubstate)
      select oid, 'app.orders'::regclass, 'i' from pg_subscription where subname = '${name}'`);
    const expected = await dependentsOf(db.url);
    expect(expected).toHaveLength(6);
    expect(await dependentsOf(role.url)).toEqual(expected);
  } finally {
    await db.query(`alter subscription ${name} set (slot_name = none)`);
    await db.query(`drop subscription ${name}`);
  }
});

test("the tool's own capture triggers are left out, others of such a name are not", async () => {
  await using db = await createDatabase(schema);
  await db.query(`
    create schema ghost;
    create function ghost.capture_1() returns trigger language plpgsql as 'begin return null; end';
    create trigger ghost_capture_1 after insert on app.orders for each row execute function ghost.capture_1();
    create trigger ghost_capture_x after insert on app.orders for each row execute function app.notice();
    create function ghost.capture_2() returns trigger language plpgsql as 'begin return null; end';
    comment on function ghost.capture_2() is 'pg-ghost: migration 2, capture, 00000000-0000-0000-0000-000000000000';
    create trigger ghost_capture_2 after insert on app.orders for each row execute function ghost.capture_2();
    create trigger renamed after insert on app.orders for each row execute function ghost.capture_2()`);
  // By the mark of the function that they run, not by a name.
  expect((await dependentsOf(db.url)).map(({ name }) => name)).toEqual([
    'trigger ghost_capture_1 on table app.orders',
    'trigger ghost_capture_x on table app.orders',
  ]);
});

test('every kind is explained and has a test', () => {
  const tested = new Set<string>(['subscription', 'security-label', ...cases.map(({ kind }) => kind)]);
  expect(Object.keys(dependentKinds).filter((kind) => !tested.has(kind))).toEqual([]);
});
