/**
 * SQL of the comparison. Each statement compares one piece of both tables in one snapshot, and leaves out in that same
 * snapshot what the log has: a write and its entry commit together, and so do the entry's end and the row of `to`. So a busy
 * table gives no false alarm, and whatever differs is a difference.
 *
 * Pieces are compared under the user's settings, for the expressions in them: whatever is ours has its schema. Where a
 * piece ends is asked under ours, since the key travels as text.
 *
 * Nested parts are not indented: the user's expressions are in them, and may have string literals of several lines.
 */
import { equals } from '../stream/key-match.js';
import { keysOf } from '../stream/key-sql.js';
import { typeOnAnyPath } from '../sql/any-path.js';
import { projectionSql } from '../sql/projection-sql.js';
import { ident, literal, qualified, sql, type SqlQuery } from '../sql/quote.js';
import type { KeyLog } from '../model/key-log.js';
import {
  digestOf,
  hashOf,
  valueIn,
  type OrderedKey,
  type SwapMoment,
  type VerifyPlan,
} from './verify-plan.js';

/** For sessions that verify: several of them share the work, and statistics must not make a piece a scan of all. */
export const verifySettings: Readonly<Record<string, string>> = {
  jit: 'off',
  max_parallel_workers_per_gather: '0',
  enable_seqscan: 'off',
  enable_tidscan: 'on',
};

/** One of two rows may be missing. Not IS DISTINCT FROM, which looks its operator up on the user's path. */
const hashesDiffer = 'not coalesce(s.hash OPERATOR(pg_catalog.=) t.hash, s.hash is null and t.hash is null)';

/** Values of the key of `from` as text, in the index's order. */
export type KeyPosition = readonly string[];

/** Above `after`, up to and with `upTo`; null: no limit on that side. */
export interface KeyRange {
  readonly after: KeyPosition | null;
  readonly upTo: KeyPosition | null;
}

export interface ComparedBlocks {
  readonly from: number;
  readonly to: number;
  /** This row alone. */
  readonly tid?: string;
}

/** A piece of both tables, or of one whose rows are looked up in the other. */
export type Piece =
  | { readonly kind: 'range'; readonly range: KeyRange }
  | { readonly kind: 'from blocks' | 'to blocks'; readonly blocks: ComparedBlocks };

export interface Digest {
  /** `from` was truncated, and `to` has not followed yet: nothing can be compared. */
  readonly truncated: boolean;
  readonly fromRows: number;
  readonly toRows: number;
  /** Rows that differ, or something that shows that some do. */
  readonly same: boolean;
}

/** `missing`: in `from` alone. `extra`: in `to` alone. */
export interface DifferentRow {
  readonly kind: 'missing' | 'extra' | 'different';
  /** Of the key of `to`, as text. */
  readonly key: readonly string[];
  /** As text, in the order of `VerifyPlan.compared`; null where there is no row. */
  readonly from: readonly (string | null)[] | null;
  readonly to: readonly (string | null)[] | null;
}

/** Before the snapshot: TRUNCATE, which snapshots do not see, is then either over or waits. */
export function lockSql({ from, to, log }: VerifyPlan): string {
  const tables = [from, to, ...(log?.parts ?? [])];
  return `lock table ${tables.map((table) => `only ${qualified(table)}`).join(', ')} in access share mode`;
}

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
  const sorted = order.map(
    ({ from }, index) => `${columns[index]}${collate(from.collation)} using ${from.less}${nullsOf(from)}`,
  );
  const values = new Parameters();
  const where = after === null ? '' : `\nwhere ${compareFrom(order, 's', 'greater', values.position(after))}`;
  const keys = columns.map((column, index) => `${column}::text as ${keyName(index)}`);
  const readBack = order.map(
    ({ fromType, from }, index) =>
      `e.${keyName(index)}::${typeOnAnyPath(fromType)}${collate(from.collation)}`,
  );
  const advances =
    after === null
      ? 'true'
      : compareRows(readBack, order[0]?.from.greater ?? '', boundsOf(order, values.position(after)));
  return {
    text: sql`
      select array[${columns.map((_, index) => `e.${keyName(index)}`).join(', ')}] as key, ${advances} as advances
      from (
      select ${keys.join(', ')}
      from only ${qualified(plan.from)} as s${where}
      order by ${sorted.join(', ')}
      offset ${rows - 1}
      limit 1
      ) as e`,
    values: values.all,
  };
}

export function digestSql(plan: VerifyPlan, piece: Piece): SqlQuery {
  const values = new Parameters();
  const truncated = `${truncatedSql(plan)} as truncated`;
  if (piece.kind === 'range') {
    const digest = 'pg_catalog.count(*) as rows, coalesce(pg_catalog.sum(hash), 0) as hash';
    return {
      text: sql`
        select ${truncated}, s.rows as "fromRows", t.rows as "toRows", s.rows OPERATOR(pg_catalog.=) t.rows and s.hash OPERATOR(pg_catalog.=) t.hash as same
        from (
        select ${digest} from (
        ${fromRows(plan, piece, values, ['hash'])}
        ) as s
        ) as s
        cross join (
        select ${digest} from (
        ${toRows(plan, piece, values, ['hash'])}
        ) as t
        ) as t`,
      values: values.all,
    };
  }
  const [rows, none] = piece.kind === 'from blocks' ? ['"fromRows"', '"toRows"'] : ['"toRows"', '"fromRows"'];
  return {
    text: sql`
      select ${truncated}, pg_catalog.count(*) as ${rows}, 0 as ${none}, coalesce(not pg_catalog.bool_or(differs), true) as same
      from (
      ${lookedUp(plan, piece, values)}
      ) as looked`,
    values: values.all,
  };
}

/** The rows that differ in a piece, by key; `limit` at most. */
export function differencesSql(plan: VerifyPlan, piece: Piece, limit: number): SqlQuery {
  const values = new Parameters();
  if (piece.kind !== 'range') {
    return {
      text: sql`
        select kind, key, "from", "to"
        from (
        ${lookedUp(plan, piece, values)}
        ) as looked
        where differs
        order by key
        limit ${limit}`,
      values: values.all,
    };
  }
  const parts: readonly Part[] = ['key', 'hash', 'values', 'match'];
  const on = plan.match.map(({ to }, index) =>
    equals({ ...to, column: matchName(index) }, 't', `s.${matchName(index)}`),
  );
  return {
    text: sql`
      select
        case when s.key is null then 'extra' when t.key is null then 'missing' else 'different' end as kind,
        coalesce(s.key, t.key) as key, s.values as "from", t.values as "to"
      from (
      ${fromRows(plan, piece, values, parts)}
      ) as s
      full join (
      ${toRows(plan, piece, values, parts)}
      ) as t on ${on.join(' and ')}
      where ${hashesDiffer}
      order by 2
      limit ${limit}`,
    values: values.all,
  };
}

/** Keys of `to` in a piece of blocks, as text, with each row's position. */
export function toKeysSql(plan: VerifyPlan, blocks: ComparedBlocks): SqlQuery {
  const keys = plan.key.columns.map(({ targetName }) => `t.${ident(targetName)}::text`);
  const values = new Parameters();
  return {
    text: sql`
      select array[${keys.join(', ')}] as key, t.ctid::text as tid
      from only ${qualified(plan.to)} as t
      where ${blocksWhere('t.ctid', blocks, values)}`,
    values: values.all,
  };
}

/** Keys of `from` in a piece of blocks, likewise, in the order of `Key.columns`. */
export function fromKeysSql(plan: VerifyPlan, blocks: ComparedBlocks): SqlQuery {
  const keys = plan.key.columns.map(({ name }) => `s.${ident(name)}::text`);
  const values = new Parameters();
  return {
    text: sql`
      select array[${keys.join(', ')}] as key, s.ctid::text as tid
      from only ${qualified(plan.from)} as s
      where ${blocksWhere('s.ctid', blocks, values)}`,
    values: values.all,
  };
}

/** Keys of `from` in a range of it, as text, in the index's order. */
export function rangeKeysSql(plan: VerifyPlan, { after, upTo }: KeyRange): SqlQuery {
  const order = orderOf(plan);
  const values = new Parameters();
  const where = [
    ...(after === null ? [] : [compareFrom(order, 's', 'greater', values.position(after))]),
    ...(upTo === null ? [] : [compareFrom(order, 's', 'notGreater', values.position(upTo))]),
  ];
  const columns = order.map(({ from }) => `s.${ident(from.column)}`);
  const sorted = order.map(
    ({ from }, index) => `${columns[index]}${collate(from.collation)} using ${from.less}${nullsOf(from)}`,
  );
  return {
    text: sql`
      select ${columns.map((column, index) => `${column}::text as k${index + 1}`).join(', ')}
      from only ${qualified(plan.from)} as s
      where ${where.length === 0 ? 'true' : where.join(' and ')}
      order by ${sorted.join(', ')}`,
    values: values.all,
  };
}

/** `match`: the key under names of ours, `own`: under its own. */
type Part = 'key' | 'hash' | 'values' | 'match' | 'own';

/** The rows of `from` of a piece as the change maps them, without those that may differ. */
function fromRows(plan: VerifyPlan, piece: Piece, values: Parameters, parts: readonly Part[]): string {
  const alias = ident(plan.projection.alias);
  const columns = plan.compared.map(({ name, expression }) => `${expression} as ${ident(name)}`);
  const where = [fromWhere(plan, piece, values), logExclusion(plan, alias)].filter((text) => text !== '');
  const mapped = projectionSql(plan.projection, {
    from: `only ${qualified(plan.from)}`,
    ...(where.length === 0 ? {} : { where: where.join('\nand ') }),
  });
  return sql`
    select ${partsOf(plan, 'm', parts)}
    from (
    select ${columns.join(', ')}
    from (
    ${mapped}
    ) as ${alias}
    ) as m${swapExclusion(plan)}`;
}

function toRows(plan: VerifyPlan, piece: Piece, values: Parameters, parts: readonly Part[]): string {
  const where = [toWhere(plan, piece, values), toExclusion(plan)].filter((text) => text !== '');
  return sql`
    select ${partsOf(plan, 't', parts)}
    from only ${qualified(plan.to)} as t
    where ${where.length === 0 ? 'true' : where.join('\nand ')}`;
}

/** Each row of a piece of one table beside its row in the other. */
function lookedUp(plan: VerifyPlan, piece: Piece, values: Parameters): string {
  if (piece.kind === 'to blocks') {
    const where = plan.match.map(({ from }, index) => equals(from, 's', keyInFrom(plan, 't', index)));
    return sql`
      select 'extra' as kind, t.key, null::pg_catalog.text[] as "from", t.values as "to",
        not exists (select from only ${qualified(plan.from)} as s where ${where.join(' and ')}) as differs
      from (
      ${toRows(plan, piece, values, ['key', 'values', 'own'])}
      ) as t`;
  }
  const where = plan.match.map(({ to }, index) => equals(to, 't', `s.${matchName(index)}`));
  return sql`
    select case when t.values is null then 'missing' else 'different' end as kind, s.key, s.values as "from",
      t.values as "to", ${hashesDiffer} as differs
    from (
    ${fromRows(plan, piece, values, ['key', 'hash', 'values', 'match'])}
    ) as s
    left join lateral (
    select ${partsOf(plan, 't', ['hash', 'values'])}
    from only ${qualified(plan.to)} as t
    where ${where.join(' and ')}
    offset 0
    ) as t on true`;
}

function partsOf(plan: VerifyPlan, row: string, parts: readonly Part[]): string {
  const texts: Record<Part, () => string> = {
    key: () =>
      `array[${plan.key.columns.map(({ targetName }) => `${valueIn(row, targetName)}::pg_catalog.text`).join(', ')}] as key`,
    hash: () => {
      const images = plan.compared.map(({ name, image }) => digestOf(image, valueIn(row, name)));
      // Hashed once more: a record's hash is linear in those of its columns, so two rows that exchange a value would sum up
      // to the same.
      return `pg_catalog.hashint8extended(pg_catalog.hash_record_extended(row(${images.join(', ')}), 0), 0) as hash`;
    },
    values: () =>
      `array[${plan.compared.map((column) => shownSql(column, valueIn(row, column.name))).join(', ')}]::pg_catalog.text[] as values`,
    match: () =>
      plan.match.map(({ to }, index) => `${valueIn(row, to.column)} as ${matchName(index)}`).join(', '),
    own: () => plan.key.columns.map(({ targetName }) => valueIn(row, targetName)).join(', '),
  };
  return parts.map((part) => texts[part]()).join(', ');
}

/** Bytes as they are stored, compressed or not. */
const longestShown = 100_000;

/** As text, for people; of a large value its hash, since the texts of a whole piece are in memory at once. */
function shownSql({ image }: VerifyPlan['compared'][number], value: string): string {
  if (!image.large) return `${value}::pg_catalog.text`;
  const hash = `pg_catalog.concat('(a large value with the hash ', pg_catalog.to_hex(${hashOf(image, value)}), ')')`;
  return `case when pg_catalog.pg_column_size(${value}) OPERATOR(pg_catalog.>) ${longestShown} then ${hash} else ${value}::pg_catalog.text end`;
}

function keyName(index: number): string {
  return `k${index + 1}`;
}

/** A name that no column of the user's has. */
function matchName(index: number): string {
  return `ghost_key_${index + 1}`;
}

function fromWhere(plan: VerifyPlan, piece: Piece, values: Parameters): string {
  if (piece.kind !== 'range')
    return piece.kind === 'from blocks' ? blocksWhere('ctid', piece.blocks, values) : '';
  const order = orderOf(plan);
  const alias = ident(plan.projection.alias);
  const { after, upTo } = piece.range;
  return [
    ...(after === null ? [] : [compareFrom(order, alias, 'greater', values.position(after))]),
    ...(upTo === null ? [] : [compareFrom(order, alias, 'notGreater', values.position(upTo))]),
  ].join('\nand ');
}

function toWhere(plan: VerifyPlan, piece: Piece, values: Parameters): string {
  if (piece.kind !== 'range')
    return piece.kind === 'to blocks' ? blocksWhere('t.ctid', piece.blocks, values) : '';
  const order = orderOf(plan);
  const { after, upTo } = piece.range;
  const compare = (operator: 'greater' | 'notGreater', position: readonly string[]): string => {
    const columns = order.map(({ to }) => `t.${ident(to.column)}${collate(to.collation)}`);
    // Through `from`'s type, as the rows themselves went.
    const bounds = order.map(
      ({ fromType, toType }, index) =>
        `${position[index]}::${typeOnAnyPath(fromType)}::${typeOnAnyPath(toType)}`,
    );
    return compareRows(columns, order[0]?.to[operator] ?? '', bounds);
  };
  return [
    ...(after === null ? [] : [compare('greater', values.position(after))]),
    ...(upTo === null ? [] : [compare('notGreater', values.position(upTo))]),
  ].join('\nand ');
}

function compareFrom(
  order: readonly OrderedKey[],
  row: string,
  operator: 'greater' | 'notGreater',
  position: readonly string[],
): string {
  const columns = order.map(({ from }) => `${row}.${ident(from.column)}${collate(from.collation)}`);
  return compareRows(columns, order[0]?.from[operator] ?? '', boundsOf(order, position));
}

function boundsOf(order: readonly OrderedKey[], position: readonly string[]): string[] {
  return order.map(({ fromType }, index) => `${position[index]}::${typeOnAnyPath(fromType)}`);
}

function compareRows(columns: readonly string[], operator: string, bounds: readonly string[]): string {
  return columns.length === 1
    ? `${columns[0]} ${operator} ${bounds[0]}`
    : `row(${columns.join(', ')}) ${operator} row(${bounds.join(', ')})`;
}

function blocksWhere(ctid: string, { from, to, tid }: ComparedBlocks, values: Parameters): string {
  if (tid !== undefined) return `${ctid} OPERATOR(pg_catalog.=) ${values.add(tid)}::pg_catalog.tid`;
  const [first, last] = [values.add(`(${from},0)`), values.add(`(${to},0)`)];
  return `${ctid} OPERATOR(pg_catalog.>=) ${first}::pg_catalog.tid and ${ctid} OPERATOR(pg_catalog.<) ${last}::pg_catalog.tid`;
}

function truncatedSql({ log }: VerifyPlan): string {
  return log === null ? 'false' : `exists (select from only ${qualified(log.truncations)})`;
}

/** Without the rows of `from` whose key is in the log. */
function logExclusion({ log, match }: VerifyPlan, row: string): string {
  if (log === null) return '';
  const where = match.map(({ from }, index) =>
    equals(from, row, `ghost_log.${ident(log.columns[index] ?? '')}`),
  );
  return `not exists (select from (\n${logKeys(log, log.columns.map(ident))}\n) as ghost_log where ${where.join(' and ')})`;
}

/** Without the rows of `from` that were written again in `to`. */
function swapExclusion({ sinceSwap, match, to: table }: VerifyPlan): string {
  if (sinceSwap === null) return '';
  const where = match.map(({ to }) => equals(to, 'n', `m.${ident(to.column)}`));
  return sql`

    where not exists (
    select from only ${qualified(table)} as n
    where ${where.join(' and ')} and ${isSinceSwap(sinceSwap, 'n')}
    )`;
}

function toExclusion(plan: VerifyPlan): string {
  const { sinceSwap, log, match } = plan;
  if (sinceSwap !== null) return `not ${isSinceSwap(sinceSwap, 't')}`;
  if (log === null) return '';
  const names = plan.key.columns.map(
    ({ name }, index) => `${ident(log.columns[index] ?? '')} as ${ident(name)}`,
  );
  const keys = keysOf(plan.key, logKeys(log, names));
  const where = match.map(({ to }) => equals(to, 't', `ghost_log.${ident(to.column)}`));
  const inTheLog = `exists (select from (\n${keys}\n) as ghost_log where ${where.join(' and ')})`;
  if (plan.order !== null) return `not ${inTheLog}`;
  // Keys that are equal in `from` may be two in `to` (citext to text): the one in the log leads to both.
  const back = match.map(({ from }, index) =>
    equals({ ...from, column: log.columns[index] ?? '' }, 'ghost_back', keyInFrom(plan, 't', index)),
  );
  return (
    `not ${inTheLog}\n` +
    `and not exists (select from (\n${logKeys(log, log.columns.map(ident))}\n) as ghost_back where ${back.join(' and ')})`
  );
}

function logKeys({ parts }: KeyLog, columns: readonly string[]): string {
  return parts
    .map((part) => `select ${columns.join(', ')} from only ${qualified(part)}`)
    .join('\nunion all\n');
}

/** The nth column of the key of the row of `to`, as `from` has it. */
function keyInFrom(plan: VerifyPlan, row: string, index: number): string {
  const column = plan.key.columns[index];
  if (column === undefined) throw new Error('no such key column');
  const value = `${row}.${ident(column.targetName)}`;
  return column.type === column.targetType ? value : `${value}::${typeOnAnyPath(column.type)}`;
}

/** By the transaction that wrote the row: later than the swap's, or one that was under way then. */
function isSinceSwap({ xid, inProgress }: SwapMoment, row: string): string {
  const ids = inProgress.map(literal);
  const wasOpen =
    ids.length === 0
      ? ''
      : ` or ${row}.xmin::pg_catalog.text OPERATOR(pg_catalog.=) any (array[${ids.join(', ')}])`;
  return `(pg_catalog.age(${row}.xmin) OPERATOR(pg_catalog.<) pg_catalog.age(${literal(xid)}::pg_catalog.xid)${wasOpen})`;
}

function orderOf({ order }: VerifyPlan): readonly OrderedKey[] {
  if (order === null) throw new Error('the tables are not ordered alike');
  return order;
}

function collate(collation: string | null): string {
  return collation === null ? '' : ` collate ${collation}`;
}

/** As the index has them when it is read upwards; otherwise the planner would sort. */
function nullsOf({ descending, nullsFirst }: OrderedKey['from']): string {
  return descending === nullsFirst ? ' nulls last' : ' nulls first';
}

class Parameters {
  readonly all: string[] = [];

  add(value: string): string {
    this.all.push(value);
    return `$${this.all.length}`;
  }

  position(position: KeyPosition): string[] {
    return position.map((value) => this.add(value));
  }
}
