/** How a row of one table is found in the other: the comparisons that the indexes of both can serve. Pure. */
import type { Index, TableShape } from '../model/table-shape.js';
import type { Key, KeyColumn } from '../model/key.js';
import { ident } from '../sql/quote.js';

export interface KeyMatch {
  readonly from: Comparison;
  readonly to: Comparison;
}

/** The equality of an index, said in full: with another operator or collation the index could not be used. */
export interface Comparison {
  readonly column: string;
  /** `OPERATOR(schema.=)`. */
  readonly operator: string;
  /** Qualified and quoted; null when the type has none. */
  readonly collation: string | null;
}

const builtinEquality = 'OPERATOR(pg_catalog.=)';

/** How each column of the key is compared, in its order. Pure. */
export function keyMatches(key: Key, from: TableShape, to: TableShape): KeyMatch[] {
  const fromIndex = from.indexes.find((index) => index.name === key.index);
  const toIndex = to.indexes.find(
    (index) => index.unique && index.predicate === null && isOn(index, targetNames(key)),
  );
  return key.columns.map((column) => {
    const inFrom = comparison(fromIndex, column.name) ?? {
      column: column.name,
      operator: builtinEquality,
      collation: column.collation,
    };
    const inTo = comparison(toIndex, column.targetName) ?? {
      column: column.targetName,
      // A helper index of our own has the type's default operator class.
      operator:
        column.equality?.operator ?? (column.type === column.targetType ? inFrom.operator : builtinEquality),
      collation:
        to.columns.find((each) => each.name === column.targetName)?.collation ?? defaultCollation(column),
    };
    return { from: inFrom, to: inTo };
  });
}

/** Said aloud where a key in another collation would otherwise impose its own, and keep the index from being used. */
function defaultCollation({ collation, targetType, equality }: KeyColumn): string | null {
  if (equality !== undefined) return equality.collation;
  return collation !== null && /^(text|character)/.test(targetType) ? 'pg_catalog."default"' : null;
}

export function targetNames(key: Key): string[] {
  return key.columns.map((column) => column.targetName);
}

/** A unique index over exactly these columns. */
export function isOn(index: Index, columns: readonly string[]): boolean {
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

/** `<row>."id" OPERATOR(pg_catalog.=) (<other> collate ...)`. */
export function equals(side: Comparison, row: string, other: string): string {
  const value = side.collation === null ? other : `(${other} collate ${side.collation})`;
  return `${row}.${ident(side.column)} ${side.operator} ${value}`;
}
