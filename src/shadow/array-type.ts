/**
 * The array type of a table's row type. PostgreSQL names it `_orders`; `_orders_1` where that was taken when the table was made,
 * `__orders` where it was taken later (by a table `_orders`, say). `SET SCHEMA` takes it along under its name, so the
 * clone's must have the source's, or the swap finds the name taken.
 */
import { randomInt } from 'node:crypto';
import type { TableShape } from '../model/table-shape.js';
import type { Session } from '../db/session.js';
import { ident, qualified } from '../sql/quote.js';

/** In the transaction that made the clone, in a schema with nothing else in it. */
export async function nameArrayType(session: Session, source: TableShape, schema: string): Promise<void> {
  const { name } = source.name;
  const { wanted, found } = await session.row<{ wanted: string | null; found: string | null }>({
    text: `
      select
        (
          select a.typname::text from pg_class as c
          join pg_type as t on t.oid = c.reltype
          join pg_type as a on a.oid = t.typarray
          where c.oid = $1::oid
        ) as wanted,
        (
          select a.typname::text from pg_class as c
          join pg_type as t on t.oid = c.reltype
          join pg_type as a on a.oid = t.typarray
          where c.oid = to_regclass($2)
        ) as found`,
    values: [source.oid, qualified({ schema, name })],
  });
  if (wanted === null || found === null || found === wanted) return;
  await session.batch(renamingStatements(name, wanted, schema));
}

/** None where the name is not one that PostgreSQL would have made of it. */
export function renamingStatements(name: string, wanted: string, schema: string): string[] {
  const underscores = /^_*/.exec(wanted)?.[0].length ?? 0;
  const own = /^_*/.exec(name)?.[0].length ?? 0;
  const level = underscores - own;
  const plain = (count: number): string => `${'_'.repeat(count)}${name}`;
  const rest = wanted.slice(plain(level).length);
  if (level < 1 || !wanted.startsWith(plain(level)) || !/^(_\d+)?$/.test(rest)) return [];
  const tries = rest === '' ? 0 : Number(rest.slice(1));
  const taken = Array.from({ length: tries }, (_, at) => (at === 0 ? plain(level) : `${plain(level)}_${at}`));
  const type = (each: string): string => qualified({ schema, name: each });
  const create = (each: string): string => `create type ${type(each)} as ()`;
  const passing = `ghost_name_${randomInt(1_000_000_000)}`;
  // A table gets a name for it that is free when the table gets its own, and another one as soon as a type takes that.
  const moved = Array.from({ length: level - 1 }, (_, at) => plain(at + 1));
  return [
    ...(level > 1
      ? moved.flatMap((each, at) => [...(at === level - 2 ? taken.map(create) : []), create(each)])
      : [
          `alter table ${type(name)} rename to ${ident(passing)}`,
          ...taken.map(create),
          `alter table ${type(passing)} rename to ${ident(name)}`,
        ]),
    ...[...taken, ...moved].map((each) => `drop type ${type(each)}`),
  ];
}
