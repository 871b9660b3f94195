/** Which of the request's actions are about foreign keys of the table. */
import type { TableShape } from '../../model/table-shape.js';
import type { Refusal } from '../../errors.js';
import type { RelationReference } from '../../sql/retarget.js';
import type { Action, ActionKind, ChangeStatement } from './types.js';

/** Kinds that name a constraint which exists. */
const ofConstraint: ReadonlySet<ActionKind> = new Set([
  'drop constraint',
  'alter constraint',
  'validate constraint',
  'rename constraint',
  'comment',
]);

export function foreignKeyActions(
  source: Pick<TableShape, 'constraints'>,
  statements: readonly ChangeStatement[],
): ReadonlySet<Action> {
  const actions = statements.flatMap((statement) => statement.actions);
  const added = actions.flatMap(({ references, constraint }) =>
    references === undefined || constraint === null ? [] : [constraint],
  );
  const names = new Set([
    ...source.constraints.filter(({ type }) => type === 'foreign key').map(({ name }) => name),
    ...added,
  ]);
  return new Set(
    actions.filter(
      ({ kind, constraint, references }) =>
        references !== undefined || (constraint !== null && ofConstraint.has(kind) && names.has(constraint)),
    ),
  );
}

/** The tables that new foreign keys reference, each as it is written. */
export function referencesOf(statements: readonly ChangeStatement[]): RelationReference[] {
  const all = statements.flatMap(({ actions }) => actions.flatMap(({ references }) => references ?? []));
  return [...new Map(all.map((each) => [JSON.stringify([each.schema, each.name]), each])).values()];
}

/** All of them are quick or let writes through by themselves: a copy is not made for their sake. */
export function needlessActions(actions: ReadonlySet<Action>): Refusal[] {
  return [...actions].map(({ label, constraint, references }) =>
    references === undefined
      ? {
          code: 'foreign-key-constraint',
          message: `${label}: ${constraint ?? ''} is a foreign key, and nothing else in the request needs a new table`,
          hint: 'run it by itself, before or after: VALIDATE CONSTRAINT lets writes through, the others change the catalog only',
        }
      : {
          code: 'foreign-key-added',
          message: `${label}: adds a foreign key, and nothing else in the request needs a new table`,
          hint: 'add it NOT VALID by itself afterwards, then VALIDATE CONSTRAINT: both are online',
        },
  );
}
