/** What is compared, how, and in which pieces: from a migration's plan and the catalog. Pure. */
import type { KeyOrderColumn } from '../catalog/key-order.js';
import type { ValueImage } from '../catalog/value-images.js';
import { rowValues } from '../stream/row-values.js';
import { streamOf, type Stream, type StreamFacts } from '../stream/stream.js';
import type { Way } from '../stream/way.js';
import type { ColumnMapping } from '../model/column-mapping.js';
import type { Key } from '../model/key.js';
import type { Projection } from '../model/projection.js';
import { parseExpression } from '../sql/parse.js';
import { typeOnAnyPath } from '../sql/any-path.js';
import { projectedColumns } from '../sql/projection-sql.js';
import { columnReferences } from '../sql/column-references.js';
import { ident } from '../sql/quote.js';

export type VerifyMode = 'full' | 'sample';

interface ComparedColumn {
  readonly name: string;
  /** Over the projection's row, in `to`'s type. */
  readonly expression: string;
  readonly image: ValueImage;
  /** Over a row of `to`, what its value is there and back; where the change may not keep it, and nobody has brought the row back. */
  readonly canonical?: string;
  /** Generated in both: what `from` holds, whatever its expression gives now. */
  readonly isStored?: boolean;
}

/** A column whose value nobody can foresee. */
interface LeftOut {
  readonly column: string;
  readonly why: string;
}

/** When the tables were swapped: rows that were written since may differ without anything being wrong. Transaction ids as text. */
export interface SwapMoment {
  readonly xid: string;
  readonly inProgress: readonly string[];
}

/**
 * A stream whose two ends are compared. Where it has a log, rows whose keys are in there are left out: it and both tables are
 * read in one snapshot.
 */
export interface VerifyPlan extends Stream {
  readonly compared: readonly ComparedColumn[];
  readonly leftOut: readonly LeftOut[];
  /** Where `to` has been in use since then, and nobody keeps a log of that; else null. */
  readonly sinceSwap: SwapMoment | null;
  /**
   * The key in the order of both tables' indexes: pieces are ranges of it. null when the two are not ordered alike (`integer`
   * to `text`): then pieces are blocks, and rows are looked up.
   */
  readonly order: readonly OrderedKey[] | null;
  /**
   * By blocks: whether the rows of `to` are looked up in `from`, too. Not where a key does not lead back: then the rows of
   * both tables are counted (src/apply/balance.ts).
   */
  readonly bothWays: boolean;
}

export interface OrderedKey {
  readonly from: KeyOrderColumn;
  readonly to: KeyOrderColumn;
  readonly fromType: string;
  readonly toType: string;
}

export interface VerifyFacts {
  readonly stream: StreamFacts;
  readonly sinceSwap: SwapMoment | null;
  readonly images: readonly ValueImage[];
  readonly fromOrder: readonly KeyOrderColumn[] | null;
  readonly toOrder: readonly KeyOrderColumn[] | null;
}

export function verifyPlan({ stream, sinceSwap, images, fromOrder, toOrder }: VerifyFacts): VerifyPlan {
  const { key, projection, columns, to, canonical = [] } = stream.way;
  const stored = storedColumns(columns);
  const leftOut = leftOutColumns(stream.way);
  const skipped = new Set(leftOut.map(({ column }) => column));
  return {
    ...streamOf(stream),
    projection: withStored(projection, stored),
    compared: rowValues(projection, to).flatMap(({ name, expression: computed }) => {
      const image = images.find(({ column }) => column === name);
      if (skipped.has(name) || image === undefined) return [];
      const kept = stored.find(({ target: column }) => column === name);
      const there = canonical.find((column) => column.name === name);
      const asIs = there === undefined ? {} : { canonical: there.expression };
      if (kept === undefined) return [{ name, expression: computed, image, ...asIs }];
      const type = to.columns.find((column) => column.name === name)?.type ?? 'text';
      return [{ name, expression: `${ident(kept.as)}::${typeOnAnyPath(type)}`, image, isStored: true }];
    }),
    leftOut,
    sinceSwap,
    order: commonOrder(key, fromOrder, toOrder),
    bothWays: key.mayCollide !== true,
  };
}

/** Generated columns whose values `from` holds, and the name under which the projection passes them along. */
function storedColumns(
  columns: readonly ColumnMapping[],
): { readonly target: string; readonly source: string; readonly as: string }[] {
  return columns.flatMap(({ target, source, keepsValues }, index) =>
    keepsValues === true && target !== null && source !== null
      ? [{ target, source, as: `ghost_stored_${index + 1}` }]
      : [],
  );
}

/** INSERT gives them no value, so that no layer has them yet. */
function withStored(projection: Projection, stored: ReturnType<typeof storedColumns>): Projection {
  const layers = projection.layers.map((layer, index) => [
    ...layer,
    ...stored.map(({ source, as }) => ({ name: as, expression: ident(index === 0 ? source : as) })),
  ]);
  return { ...projection, layers };
}

/** Known to have another value at each evaluation, and what PostgreSQL computes from it. */
function leftOutColumns({ columns, to, projection }: Pick<Way, 'columns' | 'to' | 'projection'>): LeftOut[] {
  const given = new Set(projectedColumns(projection));
  const out = columns.flatMap(({ target: column, how, volatile, expression }): LeftOut[] => {
    if (column === null) return [];
    if (volatile === true)
      return [{ column, why: `computed by ${expression ?? ''}, another value each time` }];
    if (how !== 'default' || given.has(column)) return [];
    const value = to.columns.find(({ name }) => name === column)?.default ?? null;
    return [{ column, why: value === null ? 'filled by an identity' : `filled by its default ${value}` }];
  });
  const names = new Set(out.map(({ column }) => column));
  const generated = to.columns.filter(
    ({ generated: how, default: expression }) =>
      how !== 'none' && expression !== null && readsAny(expression, names),
  );
  return [...out, ...generated.map(({ name }) => ({ column: name, why: 'generated from such a column' }))];
}

function readsAny(expression: string, names: ReadonlySet<string>): boolean {
  return columnReferences(parseExpression(expression).tree).columns.some((path) =>
    names.has(path.at(-1) ?? ''),
  );
}

/** Types of one operator family are ordered alike, and so are integers that become numeric. */
function commonOrder(
  key: Key,
  fromOrder: readonly KeyOrderColumn[] | null,
  toOrder: readonly KeyOrderColumn[] | null,
): OrderedKey[] | null {
  // Who does not keep keys apart may put them in another order, too: times of another time zone where the clock is put forward.
  if (fromOrder === null || toOrder === null || key.mayCollide === true) return null;
  const pairs: OrderedKey[] = [];
  for (const [index, from] of fromOrder.entries()) {
    const column = key.columns.find(({ name }) => name === from.column);
    const to = toOrder[index];
    if (column === undefined || to === undefined || to.column !== column.targetName) return null;
    const integerToNumeric =
      from.family === 'pg_catalog.integer_ops' && to.family === 'pg_catalog.numeric_ops';
    if (from.family !== to.family && !integerToNumeric) return null;
    if (from.collation !== to.collation) return null;
    pairs.push({ from, to, fromType: column.type, toType: column.targetType });
  }
  const [first] = pairs;
  // Rows are compared by one operator; a key that goes up and down needs several.
  const isUniform = pairs.every(
    ({ from, to }) =>
      from.greater === first?.from.greater &&
      to.greater === first.to.greater &&
      from.descending === first.from.descending,
  );
  return isUniform && pairs.length === key.columns.length ? pairs : null;
}

/**
 * What goes into the row's hash for a column: the exact value, as something that can be hashed; of a large one its own hash.
 * https://www.postgresql.org/docs/current/limits.html: a row is a datum here, of 1 GB at most.
 */
export function digestOf(image: ValueImage, value: string): string {
  return image.large ? hashOf(image, value) : imageOf(image, value);
}

/** The hash of a column's exact value. */
export function hashOf(image: ValueImage, value: string): string {
  // Leaves no copy of the value behind, while what is in a record stays in memory until the row is done.
  if (image.how === 'value' && image.isText) return `pg_catalog.hashtextextended(${value}, 0)`;
  return `pg_catalog.hash_record_extended(row(${imageOf(image, value)}), 0)`;
}

function imageOf({ how, sendFunction }: ValueImage, value: string): string {
  if (how === 'value') return value;
  return how === 'send' ? `${sendFunction}(${value})` : `(${value})::pg_catalog.text`;
}

/** `t."total"` for a row of `to`. */
export function valueIn(row: string, column: string): string {
  return `${row}.${ident(column)}`;
}
