import type { TableShape } from '../../catalog/types.js';
import type { Refusal } from '../../errors.js';
import type { ChangeStatement } from '../change-types.js';

/** The clone has no foreign keys, so actions on them cannot be tried there. All of them are quick by themselves. */
export function checkForeignKeyConstraints(
  source: TableShape,
  statements: readonly ChangeStatement[],
): Refusal[] {
  const foreignKeys = new Set(
    source.constraints.filter(({ type }) => type === 'foreign key').map(({ name }) => name),
  );
  return statements
    .flatMap(({ actions }) => actions)
    .filter(({ constraint }) => constraint !== null && foreignKeys.has(constraint))
    .map(({ label, constraint }) => ({
      code: 'foreign-key-constraint',
      message: `${label}: ${constraint} is a foreign key`,
      hint: 'run it by itself, before or after: VALIDATE CONSTRAINT lets writes through, the others change the catalog only',
    }));
}
