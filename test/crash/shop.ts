/**
 * What the crash tests migrate: wide rows in several chunks, everything that may hang on a table, a mirror that gets each
 * write too; and the oracle: what the same ALTER leaves natively in a clone.
 */
import type pg from 'pg';
import { expect } from 'vitest';
import { finalize, type MigrationResult } from '../../src/index.js';
import { differences } from '../../src/lab/proof.js';
import { type CatalogSnapshot, catalogSnapshot } from '../support/catalog-snapshot.js';
import { createDatabase, type TestDatabase, until } from '../support/database.js';
import type { ChangeInput } from '../support/migration.js';
import { fillStatement, runWriter, type WriterReport } from '../support/workload.js';

export const setup = `
  create table customers (id int primary key);
  insert into customers values (1);
  create table orders (
    id serial primary key,
    code text not null unique,
    slot integer not null unique deferrable,
    total numeric(12, 2) not null,
    note text,
    customer int not null default 1 references customers,
    pad text not null default repeat('x', 700)
  );
  create index orders_total_idx on orders (total);
  create view order_notes as select code, note from orders where note is not null;
  create table items (order_id int references orders on update cascade on delete cascade);
  create table mirror (
    id integer primary key,
    code text not null unique,
    slot integer not null unique deferrable,
    total numeric(12, 2) not null,
    note text
  );
  ${fillStatement(4)}
  -- Of writer 0, who does not run.
  insert into items values (7);
  comment on column orders.note is 'free text';
  analyze;
`;

const alter =
  'ALTER COLUMN id TYPE bigint, ALTER COLUMN total TYPE numeric(20,4), ADD COLUMN extra int DEFAULT 7';
export const change: ChangeInput = { table: 'orders', alter: [alter] };
/** What so many writes that change nothing leave in the log, in a moment: it is then too long to be left alone. */
export const muchWriting = `insert into ghost.log_1 (k1) select n % 400 + 1 from generate_series(1, 300000) as n`;

/** So small a table is four or five chunks; a shorter time would be one block each on a busy machine. */
export const settings = { chunkTimeMs: 200 };
/** Of the mirror, as the change makes them. */
const expectedRows = `
  select id::bigint, code, slot, total::numeric(20,4), note, 1, repeat('x', 700), 7 from mirror`;

/** Databases to migrate, all alike, and the catalog that each of them must have afterwards. */
export class Shop implements AsyncDisposable {
  private constructor(
    private readonly original: TestDatabase,
    readonly native: CatalogSnapshot,
  ) {}

  static async open(): Promise<Shop> {
    const original = await createDatabase(setup);
    await using clone = await original.clone();
    await clone.query(`alter table orders ${alter}; alter sequence orders_id_seq as bigint`);
    return new Shop(original, await snapshot(await clone.connect()));
  }

  async database(): Promise<TestDatabase> {
    return await this.original.clone();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.original[Symbol.asyncDispose]();
  }

  /** The migration is over and done: rows, catalog, and nothing left. Nobody writes any more. */
  async expectMigrated(db: Database): Promise<void> {
    await expectMigrated(db, this.native);
  }
}

export type Database = Pick<TestDatabase, 'url' | 'connect'>;

export async function snapshot(client: pg.Client): Promise<CatalogSnapshot> {
  return await catalogSnapshot(client, 'public', { sequenceValues: true });
}

export async function expectMigrated(db: Database, native: CatalogSnapshot): Promise<void> {
  const client = await db.connect();
  expect(await differences(client, 'select * from orders', expectedRows)).toEqual([]);
  // The run itself has cleared away all but what finalize is for.
  expect(await leftovers(client)).toEqual([{ nspname: 'ghost_old_1' }]);
  await finalize({ connection: { url: db.url } }, 1);
  expect(await snapshot(client)).toEqual(native);
  expect(await leftovers(client)).toEqual([]);
  const { rows } = await client.query('select id, phase, error from ghost.migrations');
  expect(rows).toEqual([{ id: 1, phase: 'finalized', error: null }]);
}

/** Of a migration, its records excepted. */
export async function leftovers(client: pg.Client): Promise<unknown[]> {
  const { rows } = await client.query(
    `select nspname from pg_namespace where nspname like 'ghost\\_%' union all
     select relname from pg_class where relnamespace = to_regnamespace('ghost') and relname ~ '^(log|pending|truncations)_' union all
     select typname from pg_type where typnamespace = to_regnamespace('ghost') and typname ~ '^key_' union all
     select proname from pg_proc where pronamespace = to_regnamespace('ghost') union all
     select tgname from pg_trigger where tgname like 'ghost\\_%' union all
     select pubname from pg_publication where pubname like 'ghost\\_%' union all
     select slot_name from pg_replication_slots where database = current_database() and slot_name like 'ghost\\_%' union all
     select 'chunk ' || from_block from ghost.chunks`,
  );
  return rows;
}

/** Somebody who goes on writing, whatever happens to the run. */
export class Writer implements AsyncDisposable {
  readonly #stop = new AbortController();
  readonly #work: Promise<WriterReport>;

  constructor(
    private readonly db: TestDatabase,
    private readonly seed: number,
    writer = 1,
  ) {
    this.#work = runWriter(db, writer, seed, this.#stop.signal);
  }

  /** Waits until it has written so and so many rows more. */
  async writes(more: number): Promise<void> {
    const client = await this.db.connect();
    const written = async (): Promise<number> => {
      const { rows } = await client.query<{ n: string }>(
        `select n_tup_ins + n_tup_upd + n_tup_del as n from pg_stat_user_tables where relname = 'mirror'`,
      );
      return Number(rows[0]?.n);
    };
    const before = await written();
    await until(async () => (await written()) > before + more, { what: 'a writer at work' });
    await client.end();
  }

  /** @throws Error when it has seen one, or has hardly written */
  async stop(): Promise<void> {
    this.#stop.abort();
    const { errors, transactions } = await this.#work;
    const trouble = errors.length > 0 ? errors.map(({ message }) => message).join('; ') : null;
    if (trouble !== null || transactions < 10)
      throw new Error(`writer with seed ${this.seed}, ${transactions} transactions: ${trouble ?? 'too few'}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#work.catch(() => undefined);
  }
}

/** A killed runner's backend ends when the server sees that its client is gone; until then another run is refused. */
export async function runnerIsGone(db: Database): Promise<void> {
  const client = await db.connect();
  await until(
    async () => {
      const { rows } = await client.query(
        `select from pg_locks where locktype = 'advisory' and classid = ${0x67683031}
           and database = (select oid from pg_database where datname = current_database())`,
      );
      return rows.length === 0;
    },
    { what: 'the end of the backend of the killed runner' },
  );
  await client.end();
}

export interface Chunk {
  readonly from: number;
  readonly to: number;
  readonly rows: number;
}

/** None when the copy is over, or has not begun. */
export async function chunks(client: pg.Client): Promise<Chunk[]> {
  const { rows: found } = await client.query(
    `select from pg_tables where schemaname = 'ghost' and tablename = 'chunks'`,
  );
  if (found.length === 0) return [];
  const { rows } = await client.query<Chunk>(
    `select from_block::int as "from", to_block::int as "to", rows::int as rows from ghost.chunks order by from_block`,
  );
  return rows;
}

/** Blocks that are in two of them. */
export function overlaps(list: readonly Chunk[]): Chunk[] {
  return list.filter((chunk, index) => chunk.from < (list[index - 1]?.to ?? 0));
}

export function expectSwapped(result: Pick<MigrationResult, 'id' | 'native' | 'old'>): void {
  expect(result).toMatchObject({ id: 1, native: false, old: 'ghost_old_1.orders' });
}
