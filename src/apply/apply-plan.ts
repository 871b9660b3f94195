/** What apply has to know of a migration, taken from its plan. Pure. */
import type { Index, TableShape } from '../catalog/types.js';
import type { Key, KeyColumn, Plan, Projection } from '../plan/types.js';
import { ident, type QualifiedName } from '../sql/quote.js';
import { projectedColumns } from '../sql/projection.js';

/** The change log as capture made it. */
export interface LogTables {
  readonly entries: QualifiedName;
  readonly truncations: QualifiedName;
  /** Key columns of `entries`, in the order of `Key.columns`. */
  readonly columns: readonly string[];
}

export interface ApplyPlan {
  /** Migration id, for messages. */
  readonly id: number;
  readonly source: QualifiedName;
  readonly shadow: QualifiedName;
  readonly log: LogTables;
  readonly key: Key;
  readonly projection: Projection;
  /** How each key column is compared, in the order of `Key.columns`. */
  readonly match: readonly KeyMatch[];
  /** Rows with equal keys in the source may have different keys in the shadow: `A` and `a` of citext to text. */
  readonly equalKeysMayPart: boolean;
  /** What can make an incoming row conflict with another. */
  readonly conflicts: readonly Index[];
  /** Columns of the shadow that the projection does not give, as expressions over those that it gives. */
  readonly derived: readonly { readonly name: string; readonly expression: string }[];
}

export interface KeyMatch {
  readonly source: Comparison;
  readonly shadow: Comparison;
}

/** The equality of an index, said in full: with another operator or collation the index could not be used. */
export interface Comparison {
  readonly column: string;
  /** `OPERATOR(schema.=)`. */
  readonly operator: string;
  /** Qualified and quoted; null when the type has none. */
  readonly collation: string | null;
}

export interface ApplyFacts {
  readonly id: number;
  readonly plan: Pick<Plan, 'table' | 'key' | 'projection' | 'source' | 'target'>;
  readonly shadow: QualifiedName;
  readonly log: LogTables;
}

export function applyPlan({ id, plan, shadow, log }: ApplyFacts): ApplyPlan {
  const { key, projection, source, target } = plan;
  if (key === null || projection === null || source === null || target === null) {
    throw new Error('only a plan to copy can be applied');
  }
  return {
    id,
    source: plan.table,
    shadow,
    log,
    key,
    projection,
    match: keyMatches(key, source, target),
    equalKeysMayPart: !isUntouched(key, target) && !key.columns.every(sameBytesWhenEqual),
    conflicts: target.indexes.filter((index) => index.unique || index.exclusion),
    derived: derivedColumns(projection, target),
  };
}

const builtinEquality = 'OPERATOR(pg_catalog.=)';

function keyMatches(key: Key, source: TableShape, target: TableShape): KeyMatch[] {
  const sourceIndex = source.indexes.find((index) => index.name === key.index);
  const names = key.columns.map((column) => column.targetName);
  const targetIndex = target.indexes.find((index) => index.unique && index.predicate === null && isOn(index, names));
  return key.columns.map((column) => {
    const bySource = comparison(sourceIndex, column.name) ?? {
      column: column.name,
      operator: builtinEquality,
      collation: column.collation,
    };
    const byTarget = comparison(targetIndex, column.targetName) ?? {
      column: column.targetName,
      // A helper index of our own has the type's default operator class; types that differ are built-in ones here.
      operator: column.type === column.targetType ? bySource.operator : builtinEquality,
      collation: target.columns.find((each) => each.name === column.targetName)?.collation ?? null,
    };
    return { source: bySource, shadow: byTarget };
  });
}

function isOn(index: Index, columns: readonly string[]): boolean {
  return index.keys.length === columns.length && columns.every((name) => index.keys.some((key) => key.column === name));
}

function comparison(index: Index | undefined, column: string): Comparison | null {
  const key = index?.keys.find((each) => each.column === column);
  if (key === undefined || key.conflictOperator === null) return null;
  return { column, operator: key.conflictOperator, collation: key.collation };
}

/** The shadow's key is the source's, at most under another name: what is equal in one is equal in the other. */
function isUntouched(key: Key, target: TableShape): boolean {
  const isName = (expression: string): boolean => /^("([^"]|"")+"|[a-z_][a-z0-9_]*)$/.test(expression);
  return (
    key.projection.layers.every((layer) => layer.every((column) => isName(column.expression))) &&
    key.columns.every(
      (column) =>
        column.type === column.targetType &&
        column.collation === (target.columns.find((each) => each.name === column.targetName)?.collation ?? null),
    )
  );
}

const typesOfOneImage = new Set([
  'smallint',
  'integer',
  'bigint',
  'oid',
  'uuid',
  'boolean',
  'date',
  'bytea',
  'timestamp without time zone',
  'timestamp with time zone',
]);

/**
 * Equal values are the same bytes, so they convert to the same value too. Not so for numeric (1.0 and 1.00), citext,
 * char(n), floats (-0), text in a nondeterministic collation, and whatever is not known here: taking those for types
 * whose keys may part costs a second look at each key, no more.
 */
function sameBytesWhenEqual(column: KeyColumn): boolean {
  const isPlainText = /^(text|character varying(\(\d+\))?)$/.test(column.type) && column.collation === null;
  return isPlainText || typesOfOneImage.has(column.type.replace(/^(timestamp)\(\d\)/, '$1'));
}

/** Generated columns can be unique too, and are computed by the table only when the row is already in. */
function derivedColumns(projection: Projection, target: TableShape): ApplyPlan['derived'] {
  const given = new Set(projectedColumns(projection));
  return target.columns
    .filter((column) => !given.has(column.name))
    .map((column) => ({
      name: column.name,
      expression:
        column.generated !== 'none' && column.default !== null ? `(${column.default})` : `null::${column.type}`,
    }));
}

/** `<row>."id" OPERATOR(pg_catalog.=) (<other> collate ...)`. */
export function equals(side: Comparison, row: string, other: string): string {
  const value = side.collation === null ? other : `(${other} collate ${side.collation})`;
  return `${row}.${ident(side.column)} ${side.operator} ${value}`;
}
