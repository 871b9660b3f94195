/** What is compared, how, and in which pieces: from a migration's plan and the catalog. Pure. */
import type { KeyOrderColumn } from '../catalog/key-order.js';
import type { TableShape } from '../model/table-shape.js';
import type { ValueImage } from '../catalog/value-images.js';
import { keyMatches, type KeyMatch } from '../stream/key-match.js';
import { shadowValues } from '../stream/row-values.js';
import type { ColumnMapping, PinnedSettings, Plan } from '../model/plan.js';
import type { Key } from '../model/key.js';
import type { Projection } from '../model/projection.js';
import { parseExpression } from '../sql/parse.js';
import { typeOnAnyPath } from '../sql/any-path.js';
import { projectedColumns } from '../sql/projection.js';
import { columnReferences } from '../sql/references.js';
import { ident } from '../sql/quote.js';
import type { QualifiedName } from '../model/name.js';

export type VerifyMode = 'full' | 'sample';

export interface ComparedColumn {
  readonly name: string;
  /** Over the projection's row, in the shadow's type. */
  readonly expression: string;
  readonly image: ValueImage;
  /** Generated in both: what the source holds, whatever its expression gives now. */
  readonly isStored?: boolean;
}

/** A column whose value nobody can foresee. */
export interface LeftOut {
  readonly column: string;
  readonly why: string;
}

/** Rows that may differ without anything being wrong. */
export type Exclusion =
  /** Those whose keys are in the change log: it and both tables are read in one snapshot. */
  | {
      readonly kind: 'log';
      readonly parts: readonly QualifiedName[];
      readonly truncations: QualifiedName;
      readonly columns: readonly string[];
    }
  /** After the swap: those that were written since. Transaction ids as text. */
  | { readonly kind: 'since-swap'; readonly swapXid: string; readonly inProgress: readonly string[] };

export interface VerifyPlan {
  /** Before the swap the source; after it the old table. */
  readonly source: QualifiedName;
  /** Before the swap the shadow; after it the new table. */
  readonly shadow: QualifiedName;
  readonly key: Key;
  readonly projection: Projection;
  /** Under which it is evaluated (invariant 13). */
  readonly settings: PinnedSettings;
  readonly match: readonly KeyMatch[];
  readonly compared: readonly ComparedColumn[];
  readonly leftOut: readonly LeftOut[];
  readonly exclusion: Exclusion;
  /**
   * The key in the order of both tables' indexes: pieces are ranges of it. null when the two are not ordered alike (`integer`
   * to `text`): then pieces are blocks, and rows are looked up.
   */
  readonly order: readonly OrderedKey[] | null;
  /**
   * By blocks: whether the shadow's rows are looked up in the source, too. Not where a key does not lead back: then the rows of
   * both tables are counted (src/apply/balance.ts).
   */
  readonly bothWays: boolean;
}

export interface OrderedKey {
  readonly source: KeyOrderColumn;
  readonly shadow: KeyOrderColumn;
  readonly sourceType: string;
  readonly targetType: string;
}

export interface VerifyFacts {
  readonly plan: Pick<Plan, 'columns' | 'settings'> & {
    readonly source: TableShape;
    readonly target: TableShape;
    readonly key: Key;
    readonly projection: Projection;
  };
  readonly tables: { readonly source: QualifiedName; readonly shadow: QualifiedName };
  readonly exclusion: Exclusion;
  readonly images: readonly ValueImage[];
  readonly sourceOrder: readonly KeyOrderColumn[] | null;
  readonly shadowOrder: readonly KeyOrderColumn[] | null;
}

export function verifyPlan({
  plan,
  tables,
  exclusion,
  images,
  sourceOrder,
  shadowOrder,
}: VerifyFacts): VerifyPlan {
  const { key, projection, source, target } = plan;
  const stored = storedColumns(plan.columns);
  const leftOut = leftOutColumns(plan);
  const skipped = new Set(leftOut.map(({ column }) => column));
  return {
    ...tables,
    key,
    projection: withStored(projection, stored),
    settings: plan.settings,
    match: keyMatches(key, source, target),
    compared: shadowValues(projection, target).flatMap(({ name, expression: computed }) => {
      const image = images.find(({ column }) => column === name);
      if (skipped.has(name) || image === undefined) return [];
      const kept = stored.find(({ target: column }) => column === name);
      if (kept === undefined) return [{ name, expression: computed, image }];
      const type = target.columns.find((column) => column.name === name)?.type ?? 'text';
      return [{ name, expression: `${ident(kept.as)}::${typeOnAnyPath(type)}`, image, isStored: true }];
    }),
    leftOut,
    exclusion,
    order: commonOrder(key, sourceOrder, shadowOrder),
    bothWays: key.mayCollide !== true,
  };
}

/** Generated columns whose values the source holds, and the name under which the projection passes them along. */
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
export function leftOutColumns({
  columns,
  target,
  projection,
}: {
  readonly columns: readonly ColumnMapping[];
  readonly target: TableShape;
  readonly projection: Projection;
}): LeftOut[] {
  const given = new Set(projectedColumns(projection));
  const out = columns.flatMap(({ target: column, how, volatile, expression }): LeftOut[] => {
    if (column === null) return [];
    if (volatile === true)
      return [{ column, why: `computed by ${expression ?? ''}, another value each time` }];
    if (how !== 'default' || given.has(column)) return [];
    const value = target.columns.find(({ name }) => name === column)?.default ?? null;
    return [{ column, why: value === null ? 'filled by an identity' : `filled by its default ${value}` }];
  });
  const names = new Set(out.map(({ column }) => column));
  const generated = target.columns.filter(
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
  sourceOrder: readonly KeyOrderColumn[] | null,
  shadowOrder: readonly KeyOrderColumn[] | null,
): OrderedKey[] | null {
  // Who does not keep keys apart may put them in another order, too: times of another time zone where the clock is put forward.
  if (sourceOrder === null || shadowOrder === null || key.mayCollide === true) return null;
  const pairs: OrderedKey[] = [];
  for (const [index, source] of sourceOrder.entries()) {
    const column = key.columns.find(({ name }) => name === source.column);
    const shadow = shadowOrder[index];
    if (column === undefined || shadow === undefined || shadow.column !== column.targetName) return null;
    const integerToNumeric =
      source.family === 'pg_catalog.integer_ops' && shadow.family === 'pg_catalog.numeric_ops';
    if (source.family !== shadow.family && !integerToNumeric) return null;
    if (source.collation !== shadow.collation) return null;
    pairs.push({ source, shadow, sourceType: column.type, targetType: column.targetType });
  }
  const [first] = pairs;
  // Rows are compared by one operator; a key that goes up and down needs several.
  const isUniform = pairs.every(
    ({ source, shadow }) =>
      source.greater === first?.source.greater &&
      shadow.greater === first.shadow.greater &&
      source.descending === first.source.descending,
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

/** `t."total"` for a row of the shadow. */
export function shadowValue(row: string, column: string): string {
  return `${row}.${ident(column)}`;
}
