/** Changes for the oracle test: each is run natively in a clone and by the tool in the original. */
import type { ChangeInput } from '../support/migration.js';

export interface ChangeCase extends Omit<ChangeInput, 'table'> {
  readonly name: string;
  readonly table?: string;
  /** Instead of the common table; run in an empty database. */
  readonly setup?: string;
  /** What PostgreSQL does when no tool is there; by default the `alter` and `statements` as they are. */
  readonly native?: readonly string[];
  readonly minMajor?: number;
  readonly expect?: 'copy' | 'native';
}

/** A table with one of everything that this tool carries. */
export const commonSetup = `
  create type mood as enum ('sad', 'ok', 'happy');
  create domain positive as integer check (value > 0);
  create table orders (
    id serial primary key,
    customer_id integer not null,
    total numeric(12, 2) not null default 0,
    status varchar(20) not null default 'new',
    feeling mood default 'ok',
    quantity positive default 1,
    tags text[] default '{}',
    doc jsonb,
    note text collate "C",
    created_at timestamptz not null default '2026-01-01 00:00:00+00',
    upper_status text generated always as (upper(status)) stored,
    constraint total_not_negative check (total >= 0),
    constraint orders_customer_note_key unique (customer_id, note)
  ) with (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05);
  create index orders_created_idx on orders (created_at desc nulls last) where status <> 'gone';
  create index orders_lower_note_idx on orders (lower(note)) include (total);
  create index orders_doc_idx on orders using gin (doc jsonb_path_ops);
  alter table orders alter column doc set storage external, alter column note set statistics 77;
  alter table orders alter column customer_id set (n_distinct = -0.5);
  comment on table orders is 'what people bought';
  comment on column orders.total is 'with tax';
  comment on constraint total_not_negative on orders is 'refunds are elsewhere';
  comment on index orders_created_idx is 'for the front page';
  insert into orders (customer_id, total, status, feeling, quantity, tags, doc, note, created_at)
  select i % 97, i * 1.25, case when i % 7 = 0 then 'paid' else 'new' end,
         (array['sad', 'ok', 'happy', null])[1 + i % 4]::mood, 1 + i % 5, array['a' || i, 'b'],
         case when i % 3 = 0 then null else jsonb_build_object('n', i, 'x', null) end,
         case when i % 11 = 0 then null else 'Note ' || i end,
         timestamptz '2026-01-01 00:00:00+00' + i * interval '1 minute'
  from generate_series(1, 2000) as i;
  delete from orders where id % 50 = 0;
  update orders set status = 'sent' where id % 13 = 0;
  analyze orders;
`;

const growSequence = 'alter sequence orders_id_seq as bigint';

export const changes: readonly ChangeCase[] = [
  {
    name: 'int key to bigint',
    alter: ['ALTER COLUMN id TYPE bigint'],
    native: ['alter table orders alter column id type bigint', growSequence],
    expect: 'copy',
  },
  {
    name: 'conversion with USING and an added column',
    alter: [
      `ALTER COLUMN total TYPE bigint USING (total*100)::bigint, ADD COLUMN currency varchar(3) NOT NULL DEFAULT 'USD'`,
    ],
    expect: 'copy',
  },
  {
    name: 'several --alter',
    alter: ['ALTER COLUMN id TYPE bigint', 'RENAME COLUMN note TO remark', 'DROP COLUMN tags'],
    native: [
      'alter table orders alter column id type bigint',
      growSequence,
      'alter table orders rename column note to remark',
      'alter table orders drop column tags',
    ],
  },
  {
    name: 'rename, then USING with the new name',
    alter: ['RENAME COLUMN total TO price', 'ALTER COLUMN price TYPE integer USING round(price)::integer'],
  },
  {
    name: 'swapped names',
    alter: [
      'RENAME COLUMN note TO x',
      'RENAME COLUMN status TO note',
      'RENAME COLUMN x TO status',
      'ALTER COLUMN customer_id TYPE bigint',
    ],
  },
  {
    name: 'drop and add of the same name',
    alter: ['DROP COLUMN doc', 'ADD COLUMN doc text', 'ALTER COLUMN customer_id TYPE bigint'],
  },
  {
    name: 'enum to text',
    alter: ['ALTER COLUMN feeling DROP DEFAULT, ALTER COLUMN feeling TYPE text USING feeling::text'],
  },
  {
    name: 'text to enum',
    setup: `create type mood as enum ('sad', 'ok'); create table orders (id int primary key, feeling text); insert into orders select i, case when i % 3 = 0 then 'sad' when i % 3 = 1 then 'ok' end from generate_series(1, 300) i`,
    alter: ['ALTER COLUMN feeling TYPE mood USING feeling::mood'],
  },
  {
    name: 'varchar shortened, rows fit',
    setup: `create table orders (id int primary key, status varchar(20)); create index on orders (status); insert into orders select i, left('abcdefg', i % 6) from generate_series(1, 300) i`,
    alter: ['ALTER COLUMN status TYPE varchar(5)'],
    expect: 'copy',
  },
  {
    name: 'varchar widened is metadata only',
    alter: ['ALTER COLUMN status TYPE varchar(40)'],
    setup: `create table orders (id int primary key, status varchar(20)); insert into orders values (1, 'x')`,
    expect: 'native',
  },
  {
    name: 'timestamptz to timestamp',
    alter: [`ALTER COLUMN created_at TYPE timestamp USING created_at AT TIME ZONE 'Europe/Berlin'`],
  },
  { name: 'timestamptz to date', alter: ['ALTER COLUMN created_at TYPE date'] },
  { name: 'numeric scale', alter: ['ALTER COLUMN total TYPE numeric(10,1)'] },
  {
    name: 'jsonb to text, its index dropped first',
    statements: ['DROP INDEX orders_doc_idx; ALTER TABLE orders ALTER COLUMN doc TYPE text USING doc::text'],
    native: ['drop index orders_doc_idx', 'alter table orders alter column doc type text using doc::text'],
  },
  {
    name: 'array element type',
    alter: ['ALTER COLUMN tags DROP DEFAULT, ALTER COLUMN tags TYPE varchar(10)[]'],
  },
  { name: 'domain to base type', alter: ['ALTER COLUMN quantity TYPE bigint'] },
  {
    name: 'generated column added',
    alter: ['ADD COLUMN gross numeric GENERATED ALWAYS AS (total * 1.19) STORED'],
  },
  { name: 'generated column retyped', alter: ['ALTER COLUMN upper_status TYPE varchar(30)'] },
  {
    name: 'generated column dropped',
    alter: ['DROP COLUMN upper_status, ALTER COLUMN id TYPE bigint'],
    native: ['alter table orders drop column upper_status, alter column id type bigint', growSequence],
  },
  {
    name: 'constant default added',
    alter: ['ADD COLUMN flag boolean NOT NULL DEFAULT false', 'ALTER COLUMN customer_id TYPE bigint'],
  },
  {
    name: 'default changed later in the same request',
    alter: [
      'ADD COLUMN n integer DEFAULT 1',
      'ALTER COLUMN n SET DEFAULT 2',
      'ALTER COLUMN customer_id TYPE bigint',
    ],
  },
  { name: 'collation', alter: ['ALTER COLUMN note TYPE text COLLATE "POSIX"'] },
  {
    name: 'set not null',
    alter: ['ALTER COLUMN created_at DROP NOT NULL, ALTER COLUMN quantity SET NOT NULL'],
    expect: 'copy',
  },
  { name: 'check added', alter: ['ADD CONSTRAINT sane CHECK (quantity < 100)'], expect: 'copy' },
  {
    name: 'check not valid is metadata only',
    alter: ['ADD CONSTRAINT sane CHECK (quantity < 3) NOT VALID'],
    expect: 'native',
  },
  {
    name: 'check not valid carried through a copy',
    alter: ['ADD CONSTRAINT sane CHECK (quantity < 3) NOT VALID', 'ALTER COLUMN id TYPE bigint'],
    native: [
      'alter table orders add constraint sane check (quantity < 3) not valid',
      'alter table orders alter column id type bigint',
      growSequence,
    ],
  },
  {
    name: 'unique added',
    alter: ['ADD CONSTRAINT orders_created_key UNIQUE (created_at, id)'],
    expect: 'copy',
  },
  {
    name: 'primary key replaced',
    alter: ['DROP CONSTRAINT orders_pkey, ADD CONSTRAINT orders_pk PRIMARY KEY (id, created_at)'],
  },
  {
    name: 'index created and dropped',
    statements: [
      'CREATE INDEX orders_total_idx ON orders (total) WHERE total > 100; DROP INDEX orders_lower_note_idx;',
    ],
    native: [
      'create index orders_total_idx on orders (total) where total > 100',
      'drop index orders_lower_note_idx',
    ],
    expect: 'copy',
  },
  {
    name: 'comments',
    statements: [
      `COMMENT ON COLUMN public.orders.note IS 'it''s here'; COMMENT ON TABLE orders IS NULL; ALTER TABLE orders ALTER COLUMN customer_id TYPE bigint`,
    ],
    native: [
      `comment on column orders.note is 'it''s here'`,
      'comment on table orders is null',
      'alter table orders alter column customer_id type bigint',
    ],
  },
  {
    name: 'storage, statistics, options',
    alter: [
      'ALTER COLUMN note SET STORAGE MAIN, ALTER COLUMN total SET STATISTICS 500, SET (fillfactor = 70), ALTER COLUMN customer_id TYPE bigint',
    ],
  },
  {
    name: 'indexes that depend on an extension: rebuilt by ALTER, and not',
    setup: `create extension btree_gist;
      create table orders (id int primary key, n int, v text);
      create index orders_n on orders (n); create index orders_v on orders (v);
      alter index orders_n depends on extension btree_gist; alter index orders_v depends on extension btree_gist;
      insert into orders select i, i, 'v' from generate_series(1, 50) as i;`,
    alter: ['ALTER COLUMN n TYPE bigint'],
    expect: 'copy',
  },
  { name: 'rebuild only', rewrite: true, native: [], expect: 'copy' },
  {
    name: 'drop default and not null only',
    alter: ['ALTER COLUMN status DROP DEFAULT, ALTER COLUMN status DROP NOT NULL'],
    expect: 'native',
  },
  { name: 'drop column only', alter: ['DROP COLUMN tags'], expect: 'native' },
  {
    name: 'rename constraint',
    alter: ['RENAME CONSTRAINT total_not_negative TO total_ok', 'ALTER COLUMN customer_id TYPE bigint'],
  },
  {
    name: '--set on an existing column',
    set: [{ column: 'status', expression: `upper(status)` }],
    native: [`update orders set status = upper(status)`],
    expect: 'copy',
  },
  {
    name: '--set on an added column',
    alter: ['ADD COLUMN cents bigint'],
    set: [{ column: 'cents', expression: '(orders.total * 100)::bigint' }],
    native: ['alter table orders add column cents bigint', 'update orders set cents = (total * 100)::bigint'],
  },
  {
    name: 'identity column retyped',
    setup: `create table orders (id int generated always as identity (start 10 increment 5 cache 3) primary key, v text);
            insert into orders (v) select 'v' || i from generate_series(1, 100) i;
            comment on sequence orders_id_seq is 'numbers'; grant usage on sequence orders_id_seq to public`,
    alter: ['ALTER COLUMN id TYPE bigint'],
  },
  {
    name: 'composite key, odd names',
    table: 'app."Große Tabelle 🐘"',
    setup: `create schema app;
            create table app."Große Tabelle 🐘" ("select" int, "a ""quoted"" one" text, "User" uuid default gen_random_uuid() unique,
              v int, constraint "Große PK 🐘" primary key ("select", "a ""quoted"" one"));
            create index "🐘 idx" on app."Große Tabelle 🐘" (("v" + 1)) where "v" > 3;
            insert into app."Große Tabelle 🐘" select i % 10, 'k' || i, md5(i::text)::uuid, i from generate_series(1, 500) i`,
    alter: ['ALTER COLUMN "v" TYPE numeric USING "v" / 2.0, ALTER "select" TYPE bigint'],
  },
  {
    name: 'names of 63 bytes',
    table: 't'.repeat(63),
    setup: `create table ${'t'.repeat(63)} (${'c'.repeat(63)} int constraint ${'p'.repeat(63)} primary key, b int);
            create index ${'i'.repeat(63)} on ${'t'.repeat(63)} (b);
            insert into ${'t'.repeat(63)} select i, i from generate_series(1, 300) i`,
    alter: ['ALTER COLUMN b TYPE bigint'],
  },
  {
    name: 'exclusion, deferrable and partial unique constraints',
    setup: `create table orders (id int primary key deferrable initially deferred, during int4range, n int,
              constraint no_overlap exclude using gist (during with &&), constraint n_key unique (n) deferrable);
            create unique index orders_partial on orders (n) where n > 10;
            alter table orders cluster on orders_pkey; alter table orders replica identity full;
            insert into orders select i, int4range(i * 10, i * 10 + 5), i from generate_series(1, 400) i`,
    alter: ['ALTER COLUMN n TYPE bigint'],
  },
  {
    name: 'nulls not distinct and include',
    minMajor: 15,
    setup: `create table orders (id int primary key, n int, v text); create unique index orders_n on orders (n) include (v) nulls not distinct with (fillfactor = 60);
            insert into orders select i, nullif(i, 7), 'v' from generate_series(1, 400) i`,
    alter: ['ALTER COLUMN n TYPE bigint'],
  },
  {
    name: 'virtual generated column and not enforced check',
    minMajor: 18,
    setup: `create table orders (id int primary key, n int, twice int generated always as (n * 2) virtual, constraint hm check (n > 1000) not enforced);
            insert into orders (id, n) select i, i from generate_series(1, 400) i`,
    alter: ['ALTER COLUMN id TYPE bigint'],
  },
  {
    name: 'unlogged table without primary key',
    setup: `create unlogged table orders (a int not null, b text not null, v int); create unique index orders_u on orders (a, b);
            insert into orders select i, 'b' || i, i from generate_series(1, 400) i`,
    alter: ['ALTER COLUMN v TYPE bigint'],
  },
  {
    name: 'empty table',
    setup: `create table orders (id int primary key, v text)`,
    alter: ['ALTER COLUMN id TYPE bigint'],
  },
  {
    name: 'wide values out of line',
    setup: `create table orders (id int primary key, big text, raw bytea); alter table orders alter big set storage external;
            insert into orders select i, repeat(md5(i::text), 500), decode(repeat('00ff', 3000), 'hex') from generate_series(1, 60) i`,
    alter: ['ALTER COLUMN id TYPE bigint'],
  },
  {
    name: 'dropped columns in the past, missing values',
    setup: `create table orders (gone int, id int primary key, v text); insert into orders select i, i, 'x' from generate_series(1, 300) i;
            alter table orders drop column gone; alter table orders add column late int not null default 42`,
    alter: ['ALTER COLUMN id TYPE bigint'],
  },
];
