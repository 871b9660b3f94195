/** The row identity: which unique key of the source finds a row in both tables. Pure. */
import type { Equality } from '../../catalog/equality.js';
import type { Refusal } from '../../errors.js';
import type { Column, Index, TableShape } from '../../model/table-shape.js';
import { ident } from '../../sql/quote.js';
import { parseExpression } from '../../sql/parse.js';
import { columnReferences } from '../../sql/column-references.js';
import type { UserExpression } from '../change/types.js';
import type { ColumnSource } from './column-source.js';
import { collisionOf } from './injective.js';
import type { MappingInput } from './input.js';
import { isNotNull } from './not-null-proof.js';
import { project } from './project.js';
import type { Key, KeyColumn } from '../../model/key.js';
import { typeWidth } from './type-width.js';

export interface KeyInput extends Pick<MappingInput, 'table' | 'trial'> {
  /** The source's own shape, or that of its unchanged clone. */
  readonly source: TableShape;
  readonly target: TableShape;
  readonly sources: readonly ColumnSource[];
  /** Columns of the key that a migration under way has: an index over these comes first. */
  readonly preferred?: readonly string[] | null;
  /** Whether an expression will give the same value as long as the migration takes. */
  readonly isFixed?: (expression: UserExpression) => boolean;
  /** How the types of the target's columns are compared; needed where a key changes its type. */
  readonly equalities?: readonly Equality[];
}

export interface KeyChoice {
  readonly key: Key | null;
  /** Why no other was taken; empty when there is a key. */
  readonly refusals: readonly Refusal[];
}

/**
 * The primary key, or else the best unique index that is complete: valid, on columns only, without a condition, all of
 * them NOT NULL. What its columns become in the target must depend on nothing but its columns, since the change log
 * has only those. One whose keys are known to stay apart is better than any of which that is only seen as the run goes on.
 */
export function chooseKey(input: KeyInput): KeyChoice {
  const candidates = input.source.indexes
    .filter(({ unique, exclusion }) => unique && !exclusion)
    .toSorted((a, b) => rank(input.source, a) - rank(input.source, b))
    .toSorted((a, b) => Number(isPreferred(input, b)) - Number(isPreferred(input, a)));
  const judged = candidates.map((index) => ({
    index,
    problem: unfitness(input.source, index) ?? unmappable(input, index),
  }));
  const usable = judged.flatMap(({ index, problem }) => (problem === null ? [toKey(input, index)] : []));
  const best =
    usable.find((key) => isPreferred(input, indexOf(input, key))) ??
    usable.find(({ mayCollide: collides }) => collides !== true) ??
    usable[0];
  if (best !== undefined) return { key: best, refusals: [] };
  const why = judged.map(({ index, problem }) => `${index.name}: ${problem}`);
  const message =
    why.length === 0
      ? 'the table has no primary key and no unique index: its rows cannot be told apart'
      : `no unique index can identify the rows:\n${why.map((line) => `  ${line}`).join('\n')}`;
  const hint =
    'add a primary key, or a unique index over columns that the change keeps (CREATE UNIQUE INDEX CONCURRENTLY), each of them NOT NULL or with a validated CHECK (column IS NOT NULL)';
  return { key: null, refusals: [{ code: 'no-key', message, hint }] };
}

function indexOf({ source }: KeyInput, key: Key): Index {
  const index = source.indexes.find(({ name }) => name === key.index);
  if (index === undefined) throw new Error(`no index ${key.index}`);
  return index;
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
    if (!isNotNull(source, column))
      return `column ${column.name} can be NULL (only NOT NULL or a validated CHECK (${ident(column.name)} IS NOT NULL) proves that it is not)`;
    if (column.generated === 'virtual') return `column ${column.name} is a virtual generated column`;
  }
  return null;
}

function unmappable(input: KeyInput, index: Index): string | null {
  const names = namesOf(index);
  for (const name of names) {
    const mapped = sourceOf(input, name);
    if (mapped === null) return `the change drops column ${name}`;
    if (mapped.value === null) {
      if (!isGeneratedAsBefore(input, mapped))
        return `the new table generates column ${mapped.target.name} itself, from columns that change`;
      continue;
    }
    const other = mapped.dependsOn.find((dependency) => !names.includes(dependency));
    if (other !== undefined)
      return `the new ${mapped.target.name} is computed from ${other}, which is not in the key`;
    if (mapped.volatile === true)
      return `the new ${mapped.target.name} is another value each time it is computed`;
    if (mapped.value.kind !== 'pass' && !isNotNull(input.target, mapped.target))
      return `column ${mapped.target.name} can be NULL in the new table`;
    if (mapped.value.kind === 'constant') return collisionOf(mapped);
    if (mapped.value.kind !== 'pass' && input.isFixed?.(mapped.value.expression) === false)
      return `the new ${mapped.target.name} is computed by a function that is only STABLE: it may give another key later`;
    if (collisionOf(mapped) !== null && equalityOf(input, mapped.target) === null)
      return `type ${mapped.target.type} has no order, so that no unique index can tell its values apart`;
  }
  return null;
}

/** A stored generated column whose expression stays, over columns whose values stay: so it keeps its value, too. */
function isGeneratedAsBefore({ sources }: KeyInput, { source, target }: ColumnSource): boolean {
  if (source === null || target.default === null) return false;
  if (source.generated !== 'stored' || target.generated !== 'stored' || source.default !== target.default)
    return false;
  const inputs = columnReferences(parseExpression(target.default).tree).columns.map((path) => path.at(-1));
  return inputs.every((name) => {
    const input = sources.find((each) => each.source?.name === name);
    return (
      input?.value?.kind === 'pass' && input.target.name === name && input.source?.type === input.target.type
    );
  });
}

/** Whether different keys of the source may be one in the target, for all that is known. */
function mayCollide(input: KeyInput, index: Index): boolean {
  return namesOf(index).some((name) => {
    const mapped = sourceOf(input, name);
    // A generated column's function may have been replaced since: then the new table has another key than the source.
    return mapped !== null && (mapped.value === null || collisionOf(mapped) !== null);
  });
}

function equalityOf({ equalities }: KeyInput, target: Column): Equality | null {
  const found = equalities?.find(({ typeOid }) => typeOid === target.typeOid);
  return found === undefined || found.operator === null ? null : found;
}

function namesOf(index: Index): string[] {
  return index.keys.flatMap(({ column }) => (column === null ? [] : [column]));
}

/** What becomes of a source column. */
function sourceOf({ sources }: KeyInput, name: string): ColumnSource | null {
  return sources.find(({ source }) => source?.name === name) ?? null;
}

function toKey(input: KeyInput, index: Index): Key {
  const mapped = index.keys.map(({ column }) => {
    const found = column === null ? null : sourceOf(input, column);
    if (found === null || found.source === null) throw new Error(`unmapped key column ${column}`);
    // What the table generates is given as it was: the source's key is the shadow's.
    return { ...found, source: found.source, value: found.value ?? ({ kind: 'pass' } as const) };
  });
  return {
    index: index.name,
    columns: mapped.map(({ source, target }) => ({
      name: source.name,
      type: source.type,
      collation: source.collation,
      targetName: target.name,
      targetType: target.type,
      ...(source.type === target.type ? {} : equalityFacts(input, target)),
    })),
    projection: project(input, mapped, new Set(mapped.map(({ source }) => source.attnum))),
    needsHelperIndex: !input.target.indexes.some((other) =>
      findsBy(
        input.target,
        other,
        mapped.map(({ target }) => target),
      ),
    ),
    ...(mayCollide(input, index) ? { mayCollide: true } : {}),
  };
}

/** Where it is a built-in type's own equality there is nothing to remember. */
function equalityFacts(input: KeyInput, target: Column): Pick<KeyColumn, 'equality'> {
  const equality = equalityOf(input, target);
  if (equality === null || equality.operator === null) return {};
  const { operator, collation } = equality;
  if (operator === 'OPERATOR(pg_catalog.=)' && collation === null) return {};
  return { equality: { operator, collation } };
}

/** A unique index that answers "which row has this key?" */
export function findsBy(target: TableShape, index: Index, key: readonly Column[]): boolean {
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
