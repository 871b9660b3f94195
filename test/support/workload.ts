/**
 * An application at work: writers that do everything an application may do to a table, each write mirrored into a second
 * table in the same transaction. Seeded: the same seed writes the same statements.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { TestDatabase } from './database.js';

export const workloadSetup = `
  create table orders (
    id integer primary key,
    code text not null unique,
    slot integer not null unique deferrable,
    total numeric(12, 2) not null,
    note text
  );
  create table mirror (like orders including all);
  create index orders_total_idx on orders (total);
`;

/** Rows that each writer owns to begin with; writers never touch each other's, so none may ever see an error. */
export const rowsPerWriter = 2_000;

export function fillStatement(writers: number): string {
  const fill = (table: string): string => `
    insert into ${table} select w * 1000000 + i, 'c' || w || '-' || i, w * 1000000 + i, i * 1.5, 'start'
    from generate_series(0, ${writers - 1}) w, generate_series(1, ${rowsPerWriter}) i;`;
  return `${fill('orders')} ${fill('mirror')}`;
}

export interface WriterReport {
  readonly transactions: number;
  readonly errors: readonly Error[];
}

/** Small, fast and good enough: https://prng.di.unimi.it/ calls it splitmix32. */
export function seeded(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = state ^ (state >>> 16);
    mixed = Math.imul(mixed, 0x21f0aaad);
    mixed ^= mixed >>> 15;
    mixed = Math.imul(mixed, 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  };
}

/** Writes until the signal is aborted. */
export async function runWriter(
  db: Pick<TestDatabase, 'url'>,
  writer: number,
  seed: number,
  signal: AbortSignal,
): Promise<WriterReport> {
  const client = new pg.Client({ connectionString: db.url });
  client.on('error', () => {});
  await client.connect();
  const random = seeded(seed * 31 + writer);
  const errors: Error[] = [];
  let transactions = 0;
  let fresh = rowsPerWriter;
  const base = writer * 1_000_000;
  const some = (): number => base + 1 + Math.floor(random() * fresh);
  const both = (statement: string): string[] => [
    statement.replaceAll('$T', 'orders'),
    statement.replaceAll('$T', 'mirror'),
  ];
  try {
    while (!signal.aborted) {
      const statements = transaction();
      try {
        await client.query(['begin', ...statements, 'commit'].join(';\n'));
        transactions += 1;
        // An application thinks too; without a pause four of them write faster than any apply on two cores.
        await sleep(2);
      } catch (error) {
        errors.push(error as Error);
        await client.query('rollback').catch(() => {});
        if (errors.length > 20) break;
      }
    }
  } finally {
    await client.end();
  }
  return { transactions, errors };

  function newRow(): string {
    fresh += 1;
    const id = base + fresh;
    return `(${id}, 'c${id}x', ${id}, ${(random() * 1000).toFixed(2)}, null)`;
  }

  function transaction(): string[] {
    const [a, b, c] = [some(), some(), some()];
    switch (Math.floor(random() * 12)) {
      case 0:
        return both(`insert into $T values ${newRow()}`);
      case 1:
        return both(
          `update $T set total = total + 1, note = 'u${Math.floor(random() * 1e6)}' where id = ${a}`,
        );
      case 2:
        return both(`delete from $T where id = ${a}`);
      case 3: {
        const total = (random() * 100).toFixed(2);
        return both(
          `delete from $T where id = ${a}; insert into $T values (${a}, 'again-${a}-${Math.floor(random() * 1e9)}', ${base + 500_000 + transactions}, ${total}, 'reinserted')`,
        );
      }
      case 4: {
        fresh += 1;
        return both(
          `update $T set id = ${base + fresh} where id = ${a} and not exists (select from $T where id = ${base + fresh})`,
        );
      }
      case 5:
        // One statement that exchanges two unique values: only a deferrable constraint allows it.
        return both(
          `update $T set slot = (select o.slot from $T o where o.id = case $T.id when ${a} then ${b} else ${a} end)
           where id in (${a}, ${b}) and ${a} <> ${b} and (select count(*) from $T where id in (${a}, ${b})) = 2`,
        );
      case 6:
        // A ring of three through a value that nobody has.
        return both(
          `update $T set code = 'tmp-' || code where id = ${a};
           update $T set code = 'c-' || id || '-' || ${Math.floor(random() * 1e6)} where id = ${b};
           update $T set code = 'r-' || id || '-' || ${Math.floor(random() * 1e6)} where id in (${a}, ${c})`,
        );
      case 7:
        return both(
          `insert into $T values ${newRow()} on conflict (id) do update set note = 'conflict';
           insert into $T select id, code || 'z', slot, total, note from $T where id = ${a} on conflict (id) do update set note = 'upserted', total = excluded.total + 2`,
        );
      case 8:
        return both(`update $T set total = total + 0.01 where id between ${a} and ${a + 60}`);
      case 9:
        return [
          ...both(`insert into $T values ${newRow()}`),
          'savepoint s',
          `update orders set note = 'never' where id between ${a} and ${a + 20}`,
          `delete from orders where id = ${b}`,
          'rollback to savepoint s',
          ...both(`update $T set note = 'after savepoint' where id = ${c}`),
        ];
      case 10:
        return [
          `update orders set note = 'rolled back' where id = ${a}`,
          'rollback',
          'begin',
          ...both(`update $T set note = 'kept' where id = ${b}`),
        ];
      default: {
        // Unique values that change hands within one transaction.
        const mark = `h${Math.floor(random() * 1e9)}`;
        return both(
          `update $T set code = '${mark}' where id = ${a}; update $T set code = '${mark}-2' where id = ${a}; update $T set code = '${mark}' where id = ${b} and ${a} <> ${b}`,
        );
      }
    }
  }
}

/** Rows that are in one and not in the other, by the given select lists; empty when every write is there. */
export async function differences(
  client: pg.Client,
  actual: string,
  expected: string,
): Promise<{ side: string; row: string }[]> {
  const { rows } = await client.query<{ side: string; row: string }>(`
    (select 'only in the table' as side, t::text as row from (${actual} except all ${expected}) t limit 5)
    union all
    (select 'only in the mirror', t::text from (${expected} except all ${actual}) t limit 5)`);
  return rows;
}
