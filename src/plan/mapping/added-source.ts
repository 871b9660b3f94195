/** The value that existing rows get in a column that the change adds. */
import type { Column } from '../../model/table-shape.js';
import type { Refusal } from '../../errors.js';
import { typeOnAnyPath } from '../../sql/any-path.js';
import { literal } from '../../sql/quote.js';
import type { AddedColumn } from '../change/added-columns.js';
import type { FoundSource } from './column-source.js';
import type { MappingInput } from './input.js';

export function addedSource(input: MappingInput, target: Column, addition: AddedColumn): FoundSource {
  const refusals: Refusal[] = [];
  if (hasUsing(input, addition)) {
    refusals.push({
      code: 'using-changed-column',
      message: `column ${target.name} is added and then computed by USING in the same request`,
      hint: 'add it with its final type, and give the value with --set COLUMN=EXPRESSION',
    });
  }
  const value = input.trial.added.get(target.attnum);
  const fillsItself =
    target.identity !== 'none' || input.trial.after.sequences.some(({ column }) => column === target.name);
  if (fillsItself || value === undefined || value.kind === 'volatile') {
    if (changesDefault(input, addition)) {
      refusals.push({
        code: 'volatile-default-changed',
        message: `column ${target.name} is added with a default that differs from row to row, which is then changed`,
        hint: 'change the default by itself, after this migration',
      });
    }
    return { source: { how: 'default', value: null, dependsOn: [] }, refusals };
  }
  if (value.value === null && target.notNull) {
    refusals.push({
      code: 'added-not-null',
      message: `column ${target.name} is added NOT NULL, and nothing gives existing rows a value`,
      hint: `give it a DEFAULT, or use --set ${target.name}=EXPRESSION`,
    });
  }
  const sql = `${value.value === null ? 'null' : literal(value.value)}::${typeOnAnyPath(value.type)}`;
  return { source: { how: 'default', value: { kind: 'constant', sql }, dependsOn: [] }, refusals };
}

function hasUsing({ statements, trial }: MappingInput, { column, statement }: AddedColumn): boolean {
  return statements.some(({ actions }, index) => {
    if (index <= statement) return false;
    const before = trial.steps[index - 1]?.columns.find(({ attnum }) => attnum === column.attnum);
    return actions.some(({ using, column: name }) => using !== null && name === before?.name);
  });
}

/** SET/DROP DEFAULT or an identity action on it, in the same statement or later. */
function changesDefault({ statements, trial }: MappingInput, { column, statement }: AddedColumn): boolean {
  return statements.some(({ actions }, index) => {
    if (index < statement) return false;
    const now = trial.steps[index]?.columns.find(({ attnum }) => attnum === column.attnum);
    return actions.some(
      ({ kind, column: name }) => (kind === 'default' || kind === 'identity') && name === now?.name,
    );
  });
}
