/** The value of a column that the source has as well: passed through, converted, or given by USING. */
import type { Column } from '../../model/table-shape.js';
import type { Refusal } from '../../errors.js';
import type { Action } from '../change/types.js';
import type { FoundSource } from './column-source.js';
import type { MappingInput } from './input.js';
import type { TrialColumn, TrialStep } from '../trial/types.js';
import { resolveReferences } from './user-references.js';

const mergeHint =
  'merge them into one ALTER TABLE (one --alter), or use --set COLUMN=EXPRESSION over the source row';

export function carriedSource(input: MappingInput, target: Column): FoundSource {
  const { trial } = input;
  const moments = [trial.start, ...trial.steps];
  const retyped = trial.steps.flatMap((_, index) =>
    hasOtherType(moments, index, target.attnum) ? [index] : [],
  );
  const using = lastUsing(input, target.attnum);
  const source = trial.before.columns.find(({ attnum }) => attnum === target.attnum);
  const name = source?.name ?? target.name;
  // INSERT casts once, from the first type to the last: what a type in between would have done to the value is lost.
  const castsAfter = retyped.filter((index) => using === null || index > using.statement);
  const refusals: Refusal[] = [];
  if (castsAfter.length > (using === null ? 1 : 0)) {
    const message = `column ${name} changes its type in more than one statement`;
    refusals.push({ code: 'retyped-twice', message, hint: mergeHint });
  }
  if (isAlteredTwiceAtOnce(input, target.attnum)) {
    // PostgreSQL takes it when the type stays the same, and then the last action wins.
    const message = `column ${name} has two TYPE actions in one statement`;
    refusals.push({ code: 'retyped-twice', message, hint: 'leave out one of the two' });
  }
  if (using === null) {
    const how = retyped.length > 0 ? 'converted' : 'copied';
    return { source: { how, value: { kind: 'pass' }, dependsOn: [name] }, refusals };
  }
  const resolved = resolveUsing(input, using);
  return {
    source: {
      how: 'computed',
      value: { kind: 'using', expression: using.expression, statement: using.statement },
      dependsOn: resolved.dependsOn,
      ...(input.isRepeatable(using.expression) ? {} : { volatile: true }),
    },
    refusals: [...refusals, ...resolved.refusals],
  };
}

/** ALTER COLUMN ... TYPE ... USING of a column, with its place in the request. */
export interface Using {
  readonly statement: number;
  readonly action: Action;
  readonly expression: NonNullable<Action['using']>;
}

export function lastUsing({ statements, trial }: MappingInput, attnum: number): Using | null {
  const moments = [trial.start, ...trial.steps];
  const all = statements.flatMap(({ actions }, statement) =>
    actions.flatMap((action): Using[] => {
      const column = moments[statement]?.columns.find(({ name }) => name === action.column);
      return action.using === null || column?.attnum !== attnum
        ? []
        : [{ statement, action, expression: action.using }];
    }),
  );
  return all.at(-1) ?? null;
}

function isAlteredTwiceAtOnce({ statements, trial }: MappingInput, attnum: number): boolean {
  const moments = [trial.start, ...trial.steps];
  return statements.some(({ actions }, statement) => {
    const name = moments[statement]?.columns.find((column) => column.attnum === attnum)?.name;
    return actions.filter(({ kind, column }) => kind === 'alter type' && column === name).length > 1;
  });
}

/** The expression's columns by their names in the source. */
function resolveUsing(
  { table, trial, statements }: MappingInput,
  { statement, action, expression }: Using,
): { dependsOn: string[]; refusals: Refusal[] } {
  const moments = [trial.start, ...trial.steps];
  const columns = moments[statement]?.columns ?? [];
  const names = columns.map(({ name }) => name);
  const resolved = resolveReferences(expression, action.label, table, names);
  const refusals = [...resolved.refusals];
  const dependsOn = resolved.columns.flatMap((name) => {
    const column = columns.find((candidate) => candidate.name === name);
    const original = trial.start.columns.find(({ attnum }) => attnum === column?.attnum);
    const changed =
      original === undefined ||
      column === undefined ||
      !sameType(original, column) ||
      wasComputed(statements.slice(0, statement), moments, original.attnum);
    if (!changed) return [original.name];
    const did = original === undefined ? 'added' : 'changed';
    refusals.push({
      code: 'using-changed-column',
      message: `${action.label}: uses column ${name}, which an earlier statement of the request ${did}`,
      hint: mergeHint,
    });
    return [];
  });
  return { dependsOn, refusals };
}

function wasComputed(
  statements: MappingInput['statements'],
  moments: readonly TrialStep[],
  attnum: number,
): boolean {
  return statements.some(({ actions }, index) =>
    actions.some(
      ({ using, column }) =>
        using !== null &&
        moments[index]?.columns.some((each) => each.attnum === attnum && each.name === column) === true,
    ),
  );
}

function hasOtherType(moments: readonly TrialStep[], step: number, attnum: number): boolean {
  const before = moments[step]?.columns.find((column) => column.attnum === attnum);
  const after = moments[step + 1]?.columns.find((column) => column.attnum === attnum);
  return before !== undefined && after !== undefined && !sameType(before, after);
}

function sameType(a: TrialColumn, b: TrialColumn): boolean {
  return a.typeOid === b.typeOid && a.typmod === b.typmod;
}
