/**
 * An application at work: writers that do everything an application may do to a table, each write mirrored into a second
 * table in the same transaction. Seeded: the same seed writes the same statements.
 */
import { once } from 'node:events';
import type { Random } from '../../src/lab/random.js';
import { type Transact, Workload } from '../../src/lab/workload.js';
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
const rowsPerWriter = 2_000;

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

/** Writes until the signal is aborted. */
export async function runWriter(
  db: Pick<TestDatabase, 'url'>,
  writer: number,
  seed: number,
  signal: AbortSignal,
): Promise<WriterReport> {
  await using workload = await Workload.start({
    url: db.url,
    writers: [writer],
    seed,
    writer: createWriter,
    // Without a pause four of them write faster than any apply on two cores.
    pauseMs: () => 2,
  });
  if (!signal.aborted) await once(signal, 'abort');
  await workload.stop();
  return { transactions: workload.transactions, errors: workload.errors };
}

function createWriter(writer: number, random: Random): Transact {
  let transactions = 0;
  let fresh = rowsPerWriter;
  const base = writer * 1_000_000;
  const some = (): number => base + random.int(1, fresh);
  const both = (statement: string): string[] => [
    statement.replaceAll('$T', 'orders'),
    statement.replaceAll('$T', 'mirror'),
  ];
  return async (client) => {
    await client.query(['begin', ...transaction(), 'commit'].join(';\n'));
    transactions += 1;
  };

  function newRow(): string {
    fresh += 1;
    const id = base + fresh;
    return `(${id}, 'c${id}x', ${id}, ${(random.next() * 1000).toFixed(2)}, null)`;
  }

  function transaction(): string[] {
    const [a, b, c] = [some(), some(), some()];
    switch (Math.floor(random.next() * 12)) {
      case 0:
        return both(`insert into $T values ${newRow()}`);
      case 1:
        return both(
          `update $T set total = total + 1, note = 'u${Math.floor(random.next() * 1e6)}' where id = ${a}`,
        );
      case 2:
        return both(`delete from $T where id = ${a}`);
      case 3: {
        const total = (random.next() * 100).toFixed(2);
        return both(
          `delete from $T where id = ${a}; insert into $T values (${a}, 'again-${a}-${Math.floor(random.next() * 1e9)}', ${base + 500_000 + transactions}, ${total}, 'reinserted')`,
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
           update $T set code = 'c-' || id || '-' || ${Math.floor(random.next() * 1e6)} where id = ${b};
           update $T set code = 'r-' || id || '-' || ${Math.floor(random.next() * 1e6)} where id in (${a}, ${c})`,
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
        const mark = `h${Math.floor(random.next() * 1e9)}`;
        return both(
          `update $T set code = '${mark}' where id = ${a}; update $T set code = '${mark}-2' where id = ${a}; update $T set code = '${mark}' where id = ${b} and ${a} <> ${b}`,
        );
      }
    }
  }
}
