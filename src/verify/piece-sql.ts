/**
 * Where pieces begin and end. A range of the key is asked for under our settings, since the key travels as text; in the statements
 * that compare it stands under the user's, so whatever is ours has its schema.
 */
import { typeOnAnyPath } from '../sql/any-path.js';
import { fragment, joined, param, toQuery, type SqlFragment, type SqlPart } from '../sql/fragment.js';
import { blocksRange } from '../pieces/row-range.js';
import { withinRows } from '../pieces/row-range-sql.js';
import { ident, qualified, type SqlQuery } from '../sql/quote.js';
import type { ComparedBlocks, KeyPosition, KeyRange, Piece } from './piece.js';
import type { OrderedKey, VerifyPlan } from './verify-plan.js';

export interface RangeEnd {
  readonly key: KeyPosition;
  /** As it is read back it lies behind `after`; otherwise the next range would begin before this one. */
  readonly advances: boolean;
}

/**
 * The key at which a range of that many rows ends, in `from`'s index; no row when fewer are left. Only the index is read,
 * where the visibility map allows.
 */
export function rangeEndSql(plan: VerifyPlan, after: KeyPosition | null, rows: number): SqlQuery {
  const order = orderOf(plan);
  const columns = order.map(({ from }) => `s.${ident(from.column)}`);
  const bounds = after === null ? null : boundsOf(order, after);
  const where = bounds === null ? '' : joined(['\nwhere ', compareFrom(order, 's', 'greater', bounds)], '');
  const keys = columns.map((column, index) => `${column}::text as ${keyName(index)}`);
  const readBack = order.map(
    ({ fromType, from }, index) =>
      `e.${keyName(index)}::${typeOnAnyPath(fromType)}${collate(from.collation)}`,
  );
  const advances = bounds === null ? 'true' : compareRows(readBack, order[0]?.from.greater ?? '', bounds);
  return toQuery(fragment`
    select array[${columns.map((_, index) => `e.${keyName(index)}`).join(', ')}] as key, ${advances} as advances
    from (
    select ${keys.join(', ')}
    from only ${qualified(plan.from)} as s${where}
    order by ${sorted(order)}
    offset ${rows - 1}
    limit 1
    ) as e`);
}

/** Keys of `from` in a range of it, as text, in the index's order. */
export function rangeKeysSql(plan: VerifyPlan, range: KeyRange): SqlQuery {
  const order = orderOf(plan);
  const where = withinRange(range, (operator, position) =>
    compareFrom(order, 's', operator, boundsOf(order, position)),
  );
  const keys = order.map(({ from }, index) => `s.${ident(from.column)}::text as ${keyName(index)}`);
  return toQuery(fragment`
    select ${keys.join(', ')}
    from only ${qualified(plan.from)} as s
    where ${where.length === 0 ? 'true' : joined(where, ' and ')}
    order by ${sorted(order)}`);
}

/** Keys of `to` in a piece of blocks, as text, with each row's position. */
export function toKeysSql(plan: VerifyPlan, blocks: ComparedBlocks): SqlQuery {
  const keys = plan.key.columns.map(({ targetName }) => `t.${ident(targetName)}::text`);
  return toQuery(fragment`
    select array[${keys.join(', ')}] as key, t.ctid::text as tid
    from only ${qualified(plan.to)} as t
    where ${withinBlocks('t.ctid', blocks)}`);
}

/** Keys of `from` in a piece of blocks, likewise, in the order of `Key.columns`. */
export function fromKeysSql(plan: VerifyPlan, blocks: ComparedBlocks): SqlQuery {
  const keys = plan.key.columns.map(({ name }) => `s.${ident(name)}::text`);
  return toQuery(fragment`
    select array[${keys.join(', ')}] as key, s.ctid::text as tid
    from only ${qualified(plan.from)} as s
    where ${withinBlocks('s.ctid', blocks)}`);
}

/** Conditions on a row of `from`, which has the projection's alias. */
export function fromWhere(plan: VerifyPlan, piece: Piece): SqlFragment[] {
  if (piece.kind !== 'range') return piece.kind === 'from blocks' ? [withinBlocks('ctid', piece.blocks)] : [];
  const order = orderOf(plan);
  const alias = ident(plan.projection.alias);
  return withinRange(piece.range, (operator, position) =>
    compareFrom(order, alias, operator, boundsOf(order, position)),
  );
}

/** Conditions on a row of `to`, called `t`. */
export function toWhere(plan: VerifyPlan, piece: Piece): SqlFragment[] {
  if (piece.kind !== 'range') return piece.kind === 'to blocks' ? [withinBlocks('t.ctid', piece.blocks)] : [];
  const order = orderOf(plan);
  const columns = order.map(({ to }) => `t.${ident(to.column)}${collate(to.collation)}`);
  return withinRange(piece.range, (operator, position) => {
    // Through `from`'s type, as the rows themselves went.
    const bounds = boundsOf(order, position).map(
      (bound, index) => fragment`${bound}::${typeOnAnyPath(order[index]?.toType ?? '')}`,
    );
    return compareRows(columns, order[0]?.to[operator] ?? '', bounds);
  });
}

type Side = 'greater' | 'notGreater';

function withinRange(
  { after, upTo }: KeyRange,
  compare: (operator: Side, position: KeyPosition) => SqlFragment,
): SqlFragment[] {
  return [
    ...(after === null ? [] : [compare('greater', after)]),
    ...(upTo === null ? [] : [compare('notGreater', upTo)]),
  ];
}

function withinBlocks(ctid: string, { from, to, tid }: ComparedBlocks): SqlFragment {
  if (tid !== undefined) return fragment`${ctid} OPERATOR(pg_catalog.=) ${param(tid)}::pg_catalog.tid`;
  return withinRows(ctid, blocksRange(from, to));
}

function compareFrom(
  order: readonly OrderedKey[],
  row: string,
  operator: Side,
  bounds: readonly SqlFragment[],
): SqlFragment {
  const columns = order.map(({ from }) => `${row}.${ident(from.column)}${collate(from.collation)}`);
  return compareRows(columns, order[0]?.from[operator] ?? '', bounds);
}

/** A position's values, in `from`'s types. */
function boundsOf(order: readonly OrderedKey[], position: KeyPosition): SqlFragment[] {
  return order.map(({ fromType }, index) => fragment`${param(position[index])}::${typeOnAnyPath(fromType)}`);
}

function compareRows(columns: readonly string[], operator: string, bounds: readonly SqlPart[]): SqlFragment {
  return columns.length === 1
    ? fragment`${columns[0] ?? ''} ${operator} ${joined(bounds, ', ')}`
    : fragment`row(${columns.join(', ')}) ${operator} row(${joined(bounds, ', ')})`;
}

/** As the index has them when it is read upwards; otherwise the planner would sort. */
function sorted(order: readonly OrderedKey[]): string {
  const columns = order.map(({ from: { column, collation, less, descending, nullsFirst } }) => {
    const nulls = descending === nullsFirst ? ' nulls last' : ' nulls first';
    return `s.${ident(column)}${collate(collation)} using ${less}${nulls}`;
  });
  return columns.join(', ');
}

function keyName(index: number): string {
  return `k${index + 1}`;
}

function orderOf({ order }: VerifyPlan): readonly OrderedKey[] {
  if (order === null) throw new Error('the tables are not ordered alike');
  return order;
}

function collate(collation: string | null): string {
  return collation === null ? '' : ` collate ${collation}`;
}
