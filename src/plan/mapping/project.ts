/** From the sources of columns to the select that yields them: pure. */
import type { ColumnSource } from './column-source.js';
import { toProjection, type Layer, type LayerColumn } from './layers.js';
import type { MappingInput } from './input.js';
import type { TrialColumn, TrialStep } from '../trial/types.js';
import type { Projection } from '../../model/projection.js';

/**
 * The select that yields these columns. Each statement of the change is a layer, so that a USING expression sees the
 * names of its moment; `--set` is computed from the source row, in the first layer, and passed along.
 *
 * @param only the columns (attnum) that the rows to select from have; all of the source's when null
 */
export function project(
  { table, trial }: Pick<MappingInput, 'table' | 'trial'>,
  sources: readonly ColumnSource[],
  only: ReadonlySet<number> | null = null,
): Projection {
  const moments = [trial.start, ...trial.steps];
  const wanted = sources.filter(({ value }) => value !== null);
  const carried = trial.start.columns.filter(({ attnum }) => only === null || only.has(attnum));
  const nameOfSet = privateNames(moments);
  const computed = wanted.flatMap(({ target, value }): LayerColumn[] => {
    if (value?.kind !== 'set') return [];
    return [
      {
        name: nameOfSet(target.attnum),
        value: { kind: 'expression', sql: inParentheses(value.expression.text) },
        isPrivate: true,
      },
    ];
  });
  const passed = computed.map(
    ({ name }) => ({ name, value: { kind: 'reference', name }, isPrivate: true }) as const,
  );
  const layers = moments.map((_, moment): Layer => {
    const columns = carried.flatMap((column) => columnAt(moments, moment, column, wanted));
    return [...columns, ...(moment === 0 ? computed : passed)];
  });
  return toProjection(table, [...layers, lastLayer(wanted, nameOfSet)]);
}

/** A source column after so many statements: by its name of then; none when it is dropped by then. */
function columnAt(
  moments: readonly TrialStep[],
  moment: number,
  { attnum, name }: TrialColumn,
  wanted: readonly ColumnSource[],
): LayerColumn[] {
  const nameAt = (at: number): string | undefined =>
    moments[at]?.columns.find((column) => column.attnum === attnum)?.name;
  const now = nameAt(moment);
  if (now === undefined) return [];
  const value = wanted.find(({ target }) => target.attnum === attnum)?.value;
  if (value?.kind === 'using' && value.statement === moment - 1) {
    return [{ name: now, value: { kind: 'expression', sql: inParentheses(value.expression.text) } }];
  }
  return [{ name: now, value: { kind: 'reference', name: nameAt(moment - 1) ?? name } }];
}

function lastLayer(wanted: readonly ColumnSource[], nameOfSet: (attnum: number) => string): Layer {
  return wanted.map(({ target, value }): LayerColumn => {
    if (value?.kind === 'constant') return { name: target.name, value };
    const name = value?.kind === 'set' ? nameOfSet(target.attnum) : target.name;
    return { name: target.name, value: { kind: 'reference', name } };
  });
}

/** Names that no column ever has. */
function privateNames(moments: readonly TrialStep[]): (attnum: number) => string {
  const taken = new Set(moments.flatMap(({ columns }) => columns.map(({ name }) => name)));
  let prefix = 'ghost_set_';
  while ([...taken].some((name) => name.startsWith(prefix))) prefix += '_';
  return (attnum) => `${prefix}${attnum}`;
}

/** The newline keeps a comment inside from reaching the parenthesis. */
export function inParentheses(text: string): string {
  return text.includes('--') ? `(${text}\n)` : `(${text})`;
}
