/** The table of all benchmarks: about 200 bytes a row, four indexes, an integer key that grows to bigint. */
import type pg from 'pg';

export const table = 'public.orders';
/** The change of the benchmarks, as it follows ALTER TABLE: every row and every index is written anew. */
export const change = 'alter column id type bigint';

const createSql = `
  create table orders (
    id serial,
    customer_id integer not null,
    product_id integer not null,
    quantity integer not null check (quantity > 0),
    total numeric(10,2) not null,
    status text not null default 'new',
    note text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
  )`;

/** Deterministic. Customers and products come in no order, times in the order of the rows, as in a grown table. */
const fillSql = `
  insert into orders (customer_id, product_id, quantity, total, status, note, created_at, updated_at)
  select
    1 + (hashint4(n) & 65535),
    1 + (hashint4(n + 1000000000) & 4095),
    1 + n % 9,
    (n % 100000) / 100.0,
    (array['new', 'paid', 'shipped', 'cancelled'])[1 + n % 4],
    md5(n::text) || ' ' || md5((n + 1)::text) || ' ' || md5((n + 2)::text) || ' ' || left(md5((n + 3)::text), 10 + n % 20),
    timestamptz '2024-01-01' + n * interval '10 seconds',
    timestamptz '2024-01-01' + n * interval '11 seconds'
  from generate_series(1, $1::int) as n`;

const indexStatements = [
  'alter table orders add primary key (id)',
  'create index orders_customer_id_created_at_idx on orders (customer_id, created_at)',
  'create index orders_product_id_idx on orders (product_id)',
  'create index orders_created_at_idx on orders (created_at)',
];

export async function fillTable(client: pg.Client, rows: number) {
  await client.query(createSql);
  await client.query(fillSql, [rows]);
  for (const statement of indexStatements) await client.query(statement);
  // Freezes: nobody measured later has hint bits to set, or autovacuum at work beside it.
  await client.query('vacuum (freeze, analyze) orders');
}

/** Where the copy is compared: the shadow as the tool makes it, a heap without indexes that autovacuum leaves alone. */
export const bareCopyStatements = [
  'create schema bare',
  'create table bare.orders (like orders including defaults including constraints including storage)',
  'alter table bare.orders alter column id drop default',
  `alter table bare.orders ${change}`,
  'alter table bare.orders set (autovacuum_enabled = off, toast.autovacuum_enabled = off)',
];

export async function tableSize(
  client: pg.Client,
): Promise<{ heapMb: number; indexesMb: number; bytesPerRow: number }> {
  const { rows } = await client.query(`
    select
      round(pg_relation_size(oid) / 1e6)::int as "heapMb",
      round(pg_indexes_size(oid) / 1e6)::int as "indexesMb",
      round(pg_relation_size(oid) / greatest(reltuples, 1))::int as "bytesPerRow"
    from pg_class
    where oid = 'orders'::regclass`);
  return rows[0];
}
