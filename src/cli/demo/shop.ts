/** The shop of the demo: one table that outgrows its integer key, and a mirror of it to prove things with. */
import { Session } from '../../db/session.js';
import type { EmbeddedServer } from '../../lab/embedded-server.js';

export const shop = {
  database: 'shop',
  /** The application's role: it owns nothing and knows nothing of pg-ghost. */
  user: 'shop_app',
  password: 'shop_app',
  table: 'public.orders',
  change: 'ALTER COLUMN id TYPE bigint',
} as const;

export const statuses = ['new', 'paid', 'shipped', 'cancelled'] as const;

/** Before the rows: without indexes, which are faster built afterwards. */
const createTablesSql = `
  create table orders (
    id serial,
    customer_id integer not null,
    status text not null default 'new',
    total numeric(10,2) not null,
    note text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
  );
  comment on table orders is 'What customers ordered';
  comment on column orders.total is 'in euros, with tax';
  create table orders_mirror (like orders);
  alter table orders_mirror alter column id type bigint, alter column id drop default`;

/** Deterministic: two demos have the same rows. */
const seedSql = `
  insert into orders (customer_id, status, total, note, created_at, updated_at)
  select 1 + (n::bigint * 7919) % 50000,
         (array['new', 'paid', 'shipped', 'cancelled'])[1 + n % 4],
         (n % 100000) / 100.0,
         case when n % 3 = 0 then repeat('gift wrap ', 1 + n % 8) end,
         timestamptz '2024-01-01' + n * interval '30 seconds',
         timestamptz '2024-01-01' + n * interval '31 seconds'
  from generate_series(1, $1::int) as n`;

const finishTablesSql = `
  alter table orders
    add primary key (id),
    add constraint orders_total_check check (total >= 0),
    add constraint orders_status_check check (status in ('new', 'paid', 'shipped', 'cancelled'));
  create index orders_customer_id_idx on orders (customer_id, created_at desc);
  create index orders_created_at_idx on orders (created_at);
  create index orders_open_idx on orders (created_at) where status = 'new';
  insert into orders_mirror select * from orders;
  alter table orders_mirror add primary key (id)`;

const grantSql = `
  create role ${shop.user} login password '${shop.password}';
  grant select, insert, update, delete on orders, orders_mirror to ${shop.user};
  grant usage on sequence orders_id_seq to ${shop.user}`;

/** Creates the database and the role, and fills the tables. */
export async function seed(server: EmbeddedServer, rows: number, signal: AbortSignal): Promise<void> {
  await using admin = await Session.open({ connection: { url: server.url(), environment: {} }, signal });
  await admin.batch([`create database ${shop.database}`]);
  await using session = await Session.open({
    connection: { url: server.url(shop.database), environment: {} },
    signal,
  });
  await fillTables(session, rows);
  await session.batch([grantSql]);
}

/** Creates `orders` and its mirror in the session's database, with `rows` rows each. */
export async function fillTables(session: Session, rows: number): Promise<void> {
  await session.batch([createTablesSql]);
  await session.execute({ text: seedSql, values: [rows] });
  await session.batch([finishTablesSql]);
  // Not in the batch above, which is one transaction.
  await session.batch(['vacuum (analyze) orders']);
  await session.batch(['vacuum (analyze) orders_mirror']);
}
