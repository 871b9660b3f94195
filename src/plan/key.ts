/** The row identity: which unique key of the source finds a row in both tables. Pure. */
import type { Refusal } from '../errors.js';
import type { Column, Index, TableShape } from '../catalog/types.js';
import { ident } from '../sql/quote.js';
import type { ColumnSource } from './column-source.js';
import { collisionOf } from './injective.js';
import type { MappingInput } from './mapping-input.js';
import { isNotNull } from './not-null-proof.js';
import { project } from './project.js';
import type { Key } from './types.js';
import { typeWidth } from './type-width.js';

export interface KeyInput extends Pick<MappingInput, 'table' | 'trial'> {
  /** The source's own shape, or that of its unchanged clone. */
  readonly source: TableShape;
  readonly target: TableShape;
  readonly sources: readonly ColumnSource[];
  /** Columns of the key that a migration under way has: an index over these comes first. */
  readonly preferred?: readonly string[] | null;
}

export interface KeyChoice {
  readonly key: Key | null;
  /** Why no other was taken; empty when there is a key. */
  readonly refusals: readonly Refusal[];
}

/**
 * The primary key, or else the best unique index that is complete: valid, on columns only, without a condition, all of
 * them NOT NULL. What its columns become in the target must depend on nothing but its columns, since the change log
 * has only those.
 */
export function chooseKey(input: KeyInput): KeyChoice {
  const candidates = input.source.indexes
    .filter(({ unique, exclusion }) => unique && !exclusion)
    .toSorted((a, b) => rank(input.source, a) - rank(input.source, b))
    .toSorted((a, b) => Number(isPreferred(input, b)) - Number(isPreferred(input, a)));
  const why: string[] = [];
  for (const index of candidates) {
    const problem = unfitness(input.source, index) ?? unmappable(input, index);
    if (problem === null) return { key: toKey(input, index), refusals: [] };
    why.push(`${index.name}: ${problem}`);
  }
  const message =
    why.length === 0
      ? 'the table has no primary key and no unique index: its rows cannot be told apart'
      : `no unique index can identify the rows:\n${why.map((line) => `  ${line}`).join('\n')}`;
  const hint =
    'add a primary key, or a unique index over NOT NULL columns that the change keeps as they are (CREATE UNIQUE INDEX CONCURRENTLY)';
  return { key: null, refusals: [{ code: 'no-key', message, hint }] };
}

function isPreferred({ preferred }: KeyInput, index: Index): boolean {
  const columns = index.keys.map(({ column }) => column ?? '');
  return preferred != null && columns.toSorted().join() === [...preferred].toSorted().join();
}

/** The smaller the better: primary, immediate, few columns, narrow columns. */
function rank(source: TableShape, index: Index): number {
  const width = index.keys.reduce(
    (sum, { column }) => sum + typeWidth(columnOf(source, column)?.type ?? ''),
    0,
  );
  return (index.primary ? 0 : 1e9) + (index.immediate ? 0 : 1e8) + index.keys.length * 1e6 + width;
}

function unfitness(source: TableShape, index: Index): string | null {
  if (!index.valid) return 'it is not valid';
  if (index.predicate !== null) return 'it has a condition';
  for (const { column: name } of index.keys) {
    const column = columnOf(source, name);
    if (column === null) return 'it has an expression';
    if (!isNotNull(source, column)) return `column ${column.name} can be NULL (only NOT NULL or a validated CHECK (${ident(column.name)} IS NOT NULL) proves that it is not)`;
    if (column.generated === 'virtual') return `column ${column.name} is a virtual generated column`;
  }
  return null;
}

function unmappable(input: KeyInput, index: Index): string | null {
  const names = index.keys.flatMap(({ column }) => (column === null ? [] : [column]));
  for (const name of names) {
    const mapped = sourceOf(input, name);
    if (mapped === null) return `the change drops column ${name}`;
    if (mapped.value === null) return `the new table generates column ${mapped.target.name} itself`;
    const other = mapped.dependsOn.find((dependency) => !names.includes(dependency));
    if (other !== undefined)
      return `the new ${mapped.target.name} is computed from ${other}, which is not in the key`;
    if (mapped.volatile === true)
      return `the new ${mapped.target.name} is another value each time it is computed`;
    if (mapped.value.kind !== 'pass' && !isNotNull(input.target, mapped.target))
      return `column ${mapped.target.name} can be NULL in the new table`;
    const collision = collisionOf(mapped);
    if (collision !== null) return collision;
  }
  return null;
}

/** What becomes of a source column. */
function sourceOf({ sources }: KeyInput, name: string): ColumnSource | null {
  return sources.find(({ source }) => source?.name === name) ?? null;
}

function toKey(input: KeyInput, index: Index): Key {
  const mapped = index.keys.map(({ column }) => {
    const found = column === null ? null : sourceOf(input, column);
    if (found === null || found.source === null) throw new Error(`unmapped key column ${column}`);
    return { ...found, source: found.source };
  });
  return {
    index: index.name,
    columns: mapped.map(({ source, target }) => ({
      name: source.name,
      type: source.type,
      collation: source.collation,
      targetName: target.name,
      targetType: target.type,
    })),
    projection: project(input, mapped, new Set(mapped.map(({ source }) => source.attnum))),
    needsHelperIndex: !input.target.indexes.some((other) =>
      findsBy(
        input.target,
        other,
        mapped.map(({ target }) => target),
      ),
    ),
  };
}

/** A unique index that answers "which row has this key?" */
function findsBy(target: TableShape, index: Index, key: readonly Column[]): boolean {
  const names = index.keys.map(({ column }) => column);
  return (
    index.unique &&
    !index.exclusion &&
    index.valid &&
    index.predicate === null &&
    names.length === key.length &&
    key.every(({ name }) => names.includes(name)) &&
    // An index in another collation cannot serve `=` in the column's own.
    index.keys.every(({ column, collation }) => {
      const own = columnOf(target, column)?.collation ?? null;
      return own === null || collation === null || own === collation;
    })
  );
}

function columnOf(shape: TableShape, name: string | null): Column | null {
  return shape.columns.find((column) => column.name === name) ?? null;
}
