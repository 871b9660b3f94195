/**
 * How every column of the new table gets its value: pure, from what the trial has shown.
 *
 * Columns are followed by their number, which a rename keeps and DROP + ADD of the same name does not. A plain change of
 * type passes the value through: INSERT coerces with the same assignment casts as ALTER TYPE does.
 */
import type { Column } from '../../model/table-shape.js';
import type { Refusal } from '../../errors.js';
import { addedColumns } from '../change/added-columns.js';
import { addedSource } from './added-source.js';
import { carriedSource, lastUsing } from './carried-source.js';
import type { SetExpression } from '../change/types.js';
import type { ColumnSource, FoundSource } from './column-source.js';
import type { MappingInput } from './input.js';
import { project } from './project.js';
import type { ColumnMapping } from '../../model/column-mapping.js';
import type { Projection } from '../../model/projection.js';
import { resolveReferences } from './user-references.js';

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
        ? generatedSource(input, target, setTo)
        : setTo !== undefined
          ? setSource(input, target, setTo)
          : addition !== undefined
            ? addedSource(input, target, addition)
            : carriedSource(input, target);
    refusals.push(...found.refusals);
    const source = trial.before.columns.find(({ attnum }) => attnum === target.attnum) ?? null;
    return { ...found.source, target, source };
  });
  return { sources, refusals };
}

function generatedSource(input: MappingInput, target: Column, setTo: SetExpression | undefined): FoundSource {
  const { name } = target;
  const refusals =
    setTo === undefined
      ? []
      : [
          {
            code: 'set-generated',
            message: `--set ${name}: the column is generated, its expression gives the value`,
          },
        ];
  const keepsValues = keepsGenerated(input, target);
  return {
    source: { how: 'generated', value: null, dependsOn: [], ...(keepsValues ? { keepsValues } : {}) },
    refusals,
  };
}

/** It was generated before, and the request gives it no other expression. */
function keepsGenerated({ trial, statements }: MappingInput, { attnum }: Column): boolean {
  const before = trial.before.columns.find((column) => column.attnum === attnum);
  if (before === undefined || before.generated === 'none') return false;
  const moments = [trial.start, ...trial.steps];
  return !statements.some(({ actions }, index) => {
    const name = moments[index]?.columns.find((column) => column.attnum === attnum)?.name;
    return actions.some(({ kind, column }) => kind === 'set expression' && column === name);
  });
}

function setSource(input: MappingInput, target: Column, { column, expression }: SetExpression): FoundSource {
  const { table, trial, isRepeatable } = input;
  const names = trial.start.columns.map(({ name }) => name);
  const { columns, refusals } = resolveReferences(expression, `--set ${column}`, table, names);
  const using = lastUsing(input, target.attnum);
  const twice =
    using === null
      ? []
      : [
          {
            code: 'set-and-using',
            message: `${using.action.label}: --set gives column ${column} a value as well`,
            hint: 'leave out one of the two',
          },
        ];
  return {
    source: {
      how: 'computed',
      value: { kind: 'set', expression },
      dependsOn: columns,
      ...(isRepeatable(expression) ? {} : { volatile: true }),
    },
    refusals: [...refusals, ...twice],
  };
}

function toColumnMapping({ how, target, source, value, volatile, keepsValues }: ColumnSource): ColumnMapping {
  const expression =
    value === null || value.kind === 'pass'
      ? null
      : value.kind === 'constant'
        ? value.sql
        : value.expression.text;
  return {
    target: target.name,
    targetType: target.type,
    source: source?.name ?? null,
    sourceType: source?.type ?? null,
    how,
    expression,
    ...(volatile === true ? { volatile } : {}),
    ...(keepsValues === true ? { keepsValues } : {}),
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
