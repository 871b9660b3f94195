/**
 * Taking off what keeps PostgreSQL from changing a column in place, and putting it back, in one transaction around the
 * change. What can be emptied keeps its OID and all that hangs on it: a view whose output stays becomes a query of nothing,
 * a policy a constant, a function an empty body. The rest is dropped and made again.
 */
import type { Policy, TakenOff, View } from '../model/definitions.js';
import { identList, qualified } from '../sql/quote.js';
import type { QualifiedName } from '../model/name.js';
import { inStoredForm } from '../sql/stored-form.js';
import { replaceFunction, stubFunction } from './function-sql.js';
import { addToPublication, dropFromPublication } from './publication-sql.js';
import { alterPolicy } from './row-security-sql.js';
import { createRule, dropRule } from './rule-sql.js';
import { createTrigger, dropTrigger } from './trigger-sql.js';
import { createView, dropView, replaceView } from './view-sql.js';

export function takeOffStatements(table: QualifiedName, { source, target }: TakenOff): string[] {
  const how = new Map(target.views.map((view) => [view.oid, view.how]));
  return [
    ...source.publications.map((member) => dropFromPublication(member, table)),
    ...(source.functions.length === 0
      ? []
      : ['set local check_function_bodies = off', ...source.functions.map(stubFunction)]),
    ...source.triggers.map(dropTrigger),
    ...[...source.rules, ...source.rulesElsewhere].map(dropRule),
    ...[...source.policies, ...source.policiesElsewhere].map((policy) => alterPolicy(emptied(policy))),
    ...source.views
      .toReversed()
      .flatMap((view) =>
        how.get(view.oid) === 'replace' ? [...view.rules.map(dropRule), stubView(view)] : [dropView(view)],
      ),
  ];
}

export function putBackStatements(table: QualifiedName, { target }: TakenOff): string[] {
  const statements = [
    ...target.views.flatMap((view) =>
      view.how === 'replace' ? [replaceView(view), ...view.rules.flatMap(createRule)] : createView(view),
    ),
    ...target.functions.map(replaceFunction),
    ...[...target.rules, ...target.rulesElsewhere].flatMap(createRule),
    ...[...target.policies, ...target.policiesElsewhere].map(alterPolicy),
    ...target.triggers.flatMap(createTrigger),
    ...target.publications.map((member) => addToPublication(member, table)),
  ];
  return statements.map(inStoredForm);
}

/** Nobody sees it: the table is locked until the transaction ends. */
function emptied(policy: Policy): Policy {
  const nothing = (expression: string | null): string | null => (expression === null ? null : 'false');
  return { ...policy, using: nothing(policy.using), check: nothing(policy.check) };
}

/** The same columns from nothing. Without the view's options, of which some are only for views over one table. */
function stubView({ name, columns }: View): string {
  const values = columns.map(({ type, collation }) => {
    const value = `null::${type}`;
    return collation === null ? value : `${value} collate ${collation}`;
  });
  return `create or replace view ${qualified(name)} (${identList(columns.map((column) => column.name))}) as\nselect ${values.join(', ')}`;
}
