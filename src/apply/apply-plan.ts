/** A stream, and what apply has to know of the table that it writes to. Pure. */
import type { Index, TableShape } from '../model/table-shape.js';
import type { QualifiedName } from '../model/name.js';
import { isOn, targetNames } from '../stream/key-match.js';
import { rowValues } from '../stream/row-values.js';
import { streamOf, type Stream, type StreamFacts } from '../stream/stream.js';
import type { Key, KeyColumn } from '../model/key.js';
import { keepingProjection, type Holding } from './holding-sql.js';
import type { KeyLog } from '../model/key-log.js';
import type { ProjectedColumn } from '../model/projection.js';
import { onAnyPath } from '../sql/any-path.js';

export interface ApplyPlan extends Stream {
  readonly log: KeyLog;
  /** Rows with equal keys in `from` may have different keys in `to`: `A` and `a` of citext to text. */
  readonly equalKeysMayPart: boolean;
  /** What can make an incoming row conflict with a row of another key. */
  readonly conflicts: readonly Index[];
  /** The columns of `to` as a row-to-be has them: an expression over the projection's, in the column's own type. */
  readonly values: readonly ProjectedColumn[];
  /** Where the columns that only `to` has are held; null where it has none that are kept. */
  readonly holding: Holding | null;
}

export interface ApplyFacts extends StreamFacts {
  readonly log: KeyLog;
  /** Needed where the way has columns that are kept. */
  readonly holding?: QualifiedName;
}

export function applyPlan(facts: ApplyFacts): ApplyPlan {
  const { key, to, kept = [] } = facts.way;
  const holding = kept.length === 0 || facts.holding === undefined ? null : { table: facts.holding, kept };
  const projection =
    holding === null ? facts.way.projection : keepingProjection(facts.way.projection, kept, to);
  return {
    ...streamOf(facts),
    projection,
    holding,
    log: facts.log,
    equalKeysMayPart: !isUntouched(key, to) && !key.columns.every(sameBytesWhenEqual),
    conflicts: to.indexes
      .filter((index) => (index.unique || index.exclusion) && !isOn(index, targetNames(key)))
      .map(onUsersPath),
    values: rowValues(projection, to),
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

/** The key of `to` is `from`'s, at most under another name: what is equal in one is equal in the other. */
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
