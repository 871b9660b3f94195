/** The rows of a piece in either table, and what is made of each of them to compare it. */
import { fragment, joined, type SqlFragment } from '../sql/fragment.js';
import { projectionFragment } from '../sql/projection-sql.js';
import { ident, qualified } from '../sql/quote.js';
import { equals } from '../stream/key-match.js';
import { keyInFrom, logExclusion, swapExclusion, toExclusion } from './left-out-sql.js';
import type { Piece } from './piece.js';
import { fromWhere, toWhere } from './piece-sql.js';
import { digestOf, hashOf, valueIn, type VerifyPlan } from './verify-plan.js';

/** One of two rows may be missing. Not IS DISTINCT FROM, which looks its operator up on the user's path. */
export const hashesDiffer =
  'not coalesce(s.hash OPERATOR(pg_catalog.=) t.hash, s.hash is null and t.hash is null)';

/** `match`: the key under names of ours, `own`: under its own. */
export type RowPart = 'key' | 'hash' | 'values' | 'match' | 'own';

/** The rows of `from` of a piece as the change maps them, without those that may differ. */
export function fromRows(plan: VerifyPlan, piece: Piece, parts: readonly RowPart[]): SqlFragment {
  const alias = ident(plan.projection.alias);
  const columns = plan.compared.map(({ name, expression }) => `${expression} as ${ident(name)}`);
  const where = [...fromWhere(plan, piece), ...logExclusion(plan, alias)];
  const mapped = projectionFragment(plan.projection, {
    from: `only ${qualified(plan.from)}`,
    ...(where.length === 0 ? {} : { where: joined(where, '\nand ') }),
  });
  return fragment`
    select ${partsOf(plan, 'm', parts)}
    from (
    select ${columns.join(', ')}
    from (
    ${mapped}
    ) as ${alias}
    ) as m${swapExclusion(plan)}`;
}

export function toRows(plan: VerifyPlan, piece: Piece, parts: readonly RowPart[]): SqlFragment {
  const where = [...toWhere(plan, piece), ...toExclusion(plan)];
  return fragment`
    select ${partsOf(plan, 't', parts)}
    from only ${qualified(plan.to)} as t
    where ${where.length === 0 ? 'true' : joined(where, '\nand ')}`;
}

/** Each row of a piece of one table beside its row in the other. */
export function lookedUp(plan: VerifyPlan, piece: Piece): SqlFragment {
  if (piece.kind === 'to blocks') {
    const where = plan.match.map(({ from }, index) => equals(from, 's', keyInFrom(plan, 't', index)));
    return fragment`
      select 'extra' as kind, t.key, null::pg_catalog.text[] as "from", t.values as "to",
        not exists (select from only ${qualified(plan.from)} as s where ${where.join(' and ')}) as differs
      from (
      ${toRows(plan, piece, ['key', 'values', 'own'])}
      ) as t`;
  }
  const where = plan.match.map(({ to }, index) => equals(to, 't', `s.${matchName(index)}`));
  return fragment`
    select case when t.values is null then 'missing' else 'different' end as kind, s.key, s.values as "from",
      t.values as "to", ${hashesDiffer} as differs
    from (
    ${fromRows(plan, piece, ['key', 'hash', 'values', 'match'])}
    ) as s
    left join lateral (
    select ${partsOf(plan, 't', ['hash', 'values'])}
    from only ${qualified(plan.to)} as t
    where ${where.join(' and ')}
    offset 0
    ) as t on true`;
}

/** Of a row, as columns of a select list. */
export function partsOf(plan: VerifyPlan, row: string, parts: readonly RowPart[]): string {
  const texts: Record<RowPart, () => string> = {
    key: () =>
      `array[${plan.key.columns.map(({ targetName }) => `${valueIn(row, targetName)}::pg_catalog.text`).join(', ')}] as key`,
    hash: () => {
      const images = plan.compared.map((column) => digestOf(column.image, comparedIn(row, column)));
      // Hashed once more: a record's hash is linear in those of its columns, so two rows that exchange a value would sum up
      // to the same.
      return `pg_catalog.hashint8extended(pg_catalog.hash_record_extended(row(${images.join(', ')}), 0), 0) as hash`;
    },
    values: () =>
      `array[${plan.compared.map((column) => shownSql(column, comparedIn(row, column))).join(', ')}]::pg_catalog.text[] as values`,
    match: () =>
      plan.match.map(({ to }, index) => `${valueIn(row, to.column)} as ${matchName(index)}`).join(', '),
    own: () => plan.key.columns.map(({ targetName }) => valueIn(row, targetName)).join(', '),
  };
  return parts.map((part) => texts[part]()).join(', ');
}

/** Rows of `to` are those that are called `t`. */
function comparedIn(row: string, { name, canonical }: VerifyPlan['compared'][number]): string {
  return row === 't' && canonical !== undefined ? `(${canonical})` : valueIn(row, name);
}

/** Bytes as they are stored, compressed or not. */
const longestShown = 100_000;

/** As text, for people; of a large value its hash, since the texts of a whole piece are in memory at once. */
function shownSql({ image }: VerifyPlan['compared'][number], value: string): string {
  if (!image.large) return `${value}::pg_catalog.text`;
  const hash = `pg_catalog.concat('(a large value with the hash ', pg_catalog.to_hex(${hashOf(image, value)}), ')')`;
  return `case when pg_catalog.pg_column_size(${value}) OPERATOR(pg_catalog.>) ${longestShown} then ${hash} else ${value}::pg_catalog.text end`;
}

/** A name that no column of the user's has. */
export function matchName(index: number): string {
  return `ghost_key_${index + 1}`;
}
