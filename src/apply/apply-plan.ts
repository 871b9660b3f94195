/** What apply has to know of a migration, taken from its plan. Pure. */
import type { Index, TableShape } from '../catalog/types.js';
import type { Key, KeyColumn, Plan, ProjectedColumn, Projection } from '../plan/types.js';
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
  /** What can make an incoming row conflict with a row of another key. */
  readonly conflicts: readonly Index[];
  /** The shadow's columns as a row-to-be has them: an expression over the projection's, in the column's own type. */
  readonly values: readonly ProjectedColumn[];
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
    conflicts: target.indexes.filter(
      (index) => (index.unique || index.exclusion) && !isOn(index, targetNames(key)),
    ),
    values: shadowValues(projection, target),
  };
}

const builtinEquality = 'OPERATOR(pg_catalog.=)';

function keyMatches(key: Key, source: TableShape, target: TableShape): KeyMatch[] {
  const sourceIndex = source.indexes.find((index) => index.name === key.index);
  const targetIndex = target.indexes.find(
    (index) => index.unique && index.predicate === null && isOn(index, targetNames(key)),
  );
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
      collation:
        target.columns.find((each) => each.name === column.targetName)?.collation ?? defaultCollation(column),
    };
    return { source: bySource, shadow: byTarget };
  });
}

/** Said aloud where a key in another collation would otherwise impose its own, and keep the index from being used. */
function defaultCollation({ collation, targetType }: KeyColumn): string | null {
  return collation !== null && /^(text|character)/.test(targetType) ? 'pg_catalog."default"' : null;
}

function targetNames(key: Key): string[] {
  return key.columns.map((column) => column.targetName);
}

function isOn(index: Index, columns: readonly string[]): boolean {
  return (
    !index.exclusion &&
    index.keys.length === columns.length &&
    columns.every((name) => index.keys.some((key) => key.column === name))
  );
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
        column.collation ===
          (target.columns.find((each) => each.name === column.targetName)?.collation ?? null),
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

/**
 * The projection leaves conversions of a plain ALTER TYPE to INSERT; comparing has to make them itself. Generated columns can
 * be unique too, and are computed only when the row is in.
 */
function shadowValues(projection: Projection, target: TableShape): ProjectedColumn[] {
  const given = new Set(projectedColumns(projection));
  return target.columns.map(({ name, type, generated, default: expression }) => {
    if (given.has(name)) return { name, expression: `${ident(name)}::${type}` };
    // Anything else that is not given gets its default, which no row of the source can ask for.
    return {
      name,
      expression: generated === 'none' || expression === null ? `null::${type}` : `(${expression})`,
    };
  });
}

/** `<row>."id" OPERATOR(pg_catalog.=) (<other> collate ...)`. */
export function equals(side: Comparison, row: string, other: string): string {
  const value = side.collation === null ? other : `(${other} collate ${side.collation})`;
  return `${row}.${ident(side.column)} ${side.operator} ${value}`;
}
