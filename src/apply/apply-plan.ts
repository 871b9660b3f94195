/** What apply has to know of a migration, taken from its plan. Pure. */
import type { Index, TableShape } from '../model/table-shape.js';
import { isOn, keyMatches, targetNames, type KeyMatch } from '../stream/key-match.js';
import { shadowValues } from '../stream/row-values.js';
import type { PinnedSettings, Plan } from '../model/plan.js';
import type { Key, KeyColumn } from '../model/key.js';
import type { ProjectedColumn, Projection } from '../model/projection.js';
import { onAnyPath } from '../sql/any-path.js';
import type { QualifiedName } from '../model/name.js';

/** The change log as capture made it. */
export interface LogTables {
  /** Every table that may hold a key. */
  readonly parts: readonly QualifiedName[];
  readonly truncations: QualifiedName;
  /** Key columns of each part, in the order of `Key.columns`. */
  readonly columns: readonly string[];
  /** The parts that capture writes to, and the column in which they say how many rows more there are since a write. */
  readonly segments?: readonly QualifiedName[];
  readonly step?: string | null;
}

export interface ApplyPlan {
  /** Migration id, for messages. */
  readonly id: number;
  readonly source: QualifiedName;
  readonly shadow: QualifiedName;
  readonly log: LogTables;
  readonly key: Key;
  readonly projection: Projection;
  /** Under which the projection is evaluated (invariant 13). */
  readonly settings: PinnedSettings;
  /** How each key column is compared, in the order of `Key.columns`. */
  readonly match: readonly KeyMatch[];
  /** Rows with equal keys in the source may have different keys in the shadow: `A` and `a` of citext to text. */
  readonly equalKeysMayPart: boolean;
  /** What can make an incoming row conflict with a row of another key. */
  readonly conflicts: readonly Index[];
  /** The shadow's columns as a row-to-be has them: an expression over the projection's, in the column's own type. */
  readonly values: readonly ProjectedColumn[];
}

export interface ApplyFacts {
  readonly id: number;
  readonly plan: Pick<Plan, 'table' | 'key' | 'projection' | 'source' | 'target' | 'settings'>;
  readonly shadow: QualifiedName;
  readonly log: LogTables;
}

export function applyPlan({ id, plan, shadow, log }: ApplyFacts): ApplyPlan {
  const { key, projection, source, target, settings } = plan;
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
    conflicts: target.indexes
      .filter((index) => (index.unique || index.exclusion) && !isOn(index, targetNames(key)))
      .map(onUsersPath),
    settings,
    values: shadowValues(projection, target),
  };
}

/** Its expressions, which PostgreSQL printed under settings of ours, are evaluated beside the user's. */
function onUsersPath(index: Index): Index {
  return {
    ...index,
    keys: index.keys.map((key) => ({ ...key, expression: onAnyPath(key.expression) })),
    predicate: index.predicate === null ? null : onAnyPath(index.predicate),
  };
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
