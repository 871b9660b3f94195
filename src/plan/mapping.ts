/**
 * How every column of the new table gets its value: pure, from what the trial has shown.
 *
 * Columns are followed by their number, which a rename keeps and DROP + ADD of the same name does not. A plain change of
 * type passes the value through: INSERT coerces with the same assignment casts as ALTER TYPE does.
 */
import type { Refusal } from '../errors.js';
import { addedColumns } from './added-columns.js';
import { addedSource } from './added-source.js';
import { carriedSource } from './carried-source.js';
import type { ChangeStatement, SetExpression, UserExpression } from './change-types.js';
import { toProjection, type Layer, type LayerColumn } from './layers.js';
import type { ColumnSource, FoundSource } from './column-source.js';
import type { Trial } from './trial-types.js';
import type { ColumnMapping, Projection } from './types.js';
import { resolveReferences } from './user-references.js';

export interface MappingInput {
  /** The source's name, by which expressions may qualify columns. */
  readonly table: string;
  readonly statements: readonly ChangeStatement[];
  readonly set: readonly SetExpression[];
  readonly trial: Trial;
  /** Whether an expression gives the same value each time (no `random()`, no `now()`). */
  readonly isRepeatable: (expression: UserExpression) => boolean;
}

export interface Mapping {
  readonly columns: readonly ColumnMapping[];
  readonly sources: readonly ColumnSource[];
  readonly projection: Projection;
  readonly refusals: readonly Refusal[];
}

export function mapColumns(input: MappingInput): Mapping {
  const { sources, refusals } = columnSources(input);
  return {
    columns: [...sources.map(toColumnMapping), ...droppedColumns(input)],
    sources,
    projection: project(input, sources),
    refusals,
  };
}

/** Where each column of the target comes from, in the target's order. */
function columnSources(input: MappingInput): { sources: ColumnSource[]; refusals: Refusal[] } {
  const { trial, statements, set } = input;
  const added = new Map(
    addedColumns(statements, trial.start, trial.steps).map((column) => [column.column.attnum, column]),
  );
  const refusals: Refusal[] = set
    .filter(({ column }) => !trial.after.columns.some(({ name }) => name === column))
    .map(({ column }) => ({
      code: 'undefined-column',
      message: `--set ${column}: the new table has no such column`,
      hint: 'add it with --alter "add column ..."',
    }));
  const sources = trial.after.columns.map((target): ColumnSource => {
    const setTo = set.find(({ column }) => column === target.name);
    const addition = added.get(target.attnum);
    const found =
      target.generated !== 'none'
        ? generatedSource(target.name, setTo)
        : setTo !== undefined
          ? setSource(input, setTo)
          : addition !== undefined
            ? addedSource(input, target, addition)
            : carriedSource(input, target);
    refusals.push(...found.refusals);
    const source = trial.before.columns.find(({ attnum }) => attnum === target.attnum) ?? null;
    return { ...found.source, target, source };
  });
  return { sources, refusals };
}

function generatedSource(name: string, setTo: SetExpression | undefined): FoundSource {
  const refusals =
    setTo === undefined
      ? []
      : [{ code: 'set-generated', message: `--set ${name}: the column is generated, its expression gives the value` }];
  return { source: { how: 'generated', value: null, dependsOn: [] }, refusals };
}

function setSource({ table, trial, isRepeatable }: MappingInput, { column, expression }: SetExpression): FoundSource {
  const names = trial.start.columns.map(({ name }) => name);
  const { columns, refusals } = resolveReferences(expression, `--set ${column}`, table, names);
  const value = { kind: 'set', expression } as const;
  return {
    source: { how: 'computed', value, dependsOn: columns, ...(isRepeatable(expression) ? {} : { volatile: true }) },
    refusals,
  };
}

function toColumnMapping({ how, target, source, value, volatile }: ColumnSource): ColumnMapping {
  const expression =
    value === null || value.kind === 'pass' ? null : value.kind === 'constant' ? value.sql : value.expression.text;
  return {
    target: target.name,
    targetType: target.type,
    source: source?.name ?? null,
    sourceType: source?.type ?? null,
    how,
    expression,
    ...(volatile === true ? { volatile } : {}),
  };
}

function droppedColumns({ trial }: MappingInput): ColumnMapping[] {
  return trial.before.columns
    .filter(({ attnum }) => !trial.after.columns.some((column) => column.attnum === attnum))
    .map(({ name, type }) => ({
      target: null,
      targetType: null,
      source: name,
      sourceType: type,
      how: 'dropped',
      expression: null,
    }));
}

/**
 * The select that yields these columns. `sources` may be a part of them (a key): then only the columns that they come
 * from are asked for.
 */
export function project(
  { table, trial }: Pick<MappingInput, 'table' | 'trial'>,
  sources: readonly ColumnSource[],
  only: ReadonlySet<number> | null = null,
): Projection {
  const moments = [trial.start, ...trial.steps];
  const taken = new Set(moments.flatMap(({ columns }) => columns.map(({ name }) => name)));
  const privateName = (attnum: number): string => {
    const name = `ghost_set_${attnum}`;
    return taken.has(name) ? `${name}_${taken.size}` : name;
  };
  const wanted = sources.filter(({ value }) => value !== null);
  const set = wanted.flatMap(({ target, value }): LayerColumn[] =>
    value?.kind === 'set'
      ? [
          {
            name: privateName(target.attnum),
            value: { kind: 'expression', sql: inParentheses(value.expression.text) },
            isPrivate: true,
          },
        ]
      : [],
  );
  const setPassed = set.map(({ name }): LayerColumn => ({ name, value: { kind: 'reference', name }, isPrivate: true }));
  const carried = trial.start.columns.filter(({ attnum }) => only === null || only.has(attnum));

  const layers = moments.map((moment, index): Layer => {
    const columns = carried.flatMap(({ attnum, name: original }): LayerColumn[] => {
      const now = moment.columns.find((column) => column.attnum === attnum);
      if (now === undefined) return [];
      const before = moments[index - 1]?.columns.find((column) => column.attnum === attnum)?.name ?? original;
      const own = wanted.find(({ target }) => target.attnum === attnum)?.value;
      const usesNow = own?.kind === 'using' && own.statement === index - 1;
      return [
        {
          name: now.name,
          value: usesNow
            ? { kind: 'expression', sql: inParentheses(own.expression.text) }
            : { kind: 'reference', name: before },
        },
      ];
    });
    return [...columns, ...(index === 0 ? set : setPassed)];
  });
  const last = wanted.map(({ target, value }): LayerColumn => {
    if (value?.kind === 'constant') return { name: target.name, value };
    const name = value?.kind === 'set' ? privateName(target.attnum) : target.name;
    return { name: target.name, value: { kind: 'reference', name } };
  });
  return toProjection(table, [...layers, last]);
}

/** A lone name needs none; the newline keeps a comment inside from reaching the parenthesis. */
function inParentheses(text: string): string {
  return text.includes('--') ? `(${text}\n)` : `(${text})`;
}

