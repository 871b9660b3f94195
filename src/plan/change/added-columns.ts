import type { Action, ChangeStatement } from './types.js';
import type { TrialColumn, TrialStep } from '../trial/types.js';

/** A column that the change adds, as it was right after the statement that added it. */
export interface AddedColumn {
  readonly column: TrialColumn;
  /** Index of the statement. */
  readonly statement: number;
  readonly action: Action | null;
}

/** By identity, not by name: DROP and ADD of one name in one statement is a new column. Those dropped again are left out. */
export function addedColumns(
  statements: readonly ChangeStatement[],
  start: TrialStep,
  steps: readonly TrialStep[],
): AddedColumn[] {
  const last = steps.at(-1) ?? start;
  return steps.flatMap((step, index) => {
    const before = new Set((steps[index - 1] ?? start).columns.map(({ attnum }) => attnum));
    return step.columns
      .filter(({ attnum }) => !before.has(attnum) && last.columns.some((column) => column.attnum === attnum))
      .map((column) => ({
        column,
        statement: index,
        action:
          statements[index]?.actions.find(
            ({ kind, column: name }) => kind === 'add column' && name === column.name,
          ) ?? null,
      }));
  });
}
