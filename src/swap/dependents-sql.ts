/**
 * What hangs on the table, in the swap: first off the old table, as far as it would bind anybody to it, and when the new
 * table has the name, onto that. All texts name the table by the one name, so they need no change.
 */
import type { ForeignKey, TargetDefinitions, TargetView } from '../model/definitions.js';
import type { Definitions } from '../model/definitions.js';
import { setDefault } from '../ddl/default-sql.js';
import { addForeignKey, dropForeignKey } from '../ddl/foreign-key-sql.js';
import { createFunction, dropFunctions, replaceFunction, stubFunction } from '../ddl/function-sql.js';
import { addToPublication, dropFromPublication } from '../ddl/publication-sql.js';
import { alterPolicy, createPolicy, rowSecurityStatements } from '../ddl/row-security-sql.js';
import { createRule, replaceRule } from '../ddl/rule-sql.js';
import { securityLabelStatements } from '../ddl/security-label-sql.js';
import { createTrigger } from '../ddl/trigger-sql.js';
import { createView, dropView, replaceView } from '../ddl/view-sql.js';
import type { QualifiedName } from '../model/name.js';
import { inStoredForm } from '../sql/stored-form.js';

export interface DependentFacts {
  readonly table: QualifiedName;
  /** As it is. */
  readonly source: Definitions;
  /** As the swap makes it. */
  readonly target: TargetDefinitions;
}

/** While the source still has its name. */
export function detachStatements({ table, source, target }: DependentFacts): string[] {
  const dropped = target.views.filter(isRecreated);
  const rowTyped = target.rowTypeFunctions;
  return [
    ...source.publications.map((member) => dropFromPublication(member, table)),
    // Invariant 14: a stale row of the old table must not keep anybody from deleting what it references.
    ...foreignKeysOf(source).map(dropForeignKey),
    ...(rowTyped.length + target.functions.length === 0 ? [] : ['set local check_function_bodies = off']),
    // Their bodies may read a view that goes, or call a function: an empty body does not, and keeps the function what it is.
    ...(dropped.length + rowTyped.length === 0 ? [] : target.functions.map(stubFunction)),
    ...dropped.toReversed().map(dropView),
    ...dropFunctions(rowTyped),
  ];
}

/** When the new table has the name. */
export function attachDefinitions({ table, target }: Omit<DependentFacts, 'source'>): string[] {
  const { rowTypeFunctions } = target;
  const statements = [
    // Views may call them; what an SQL body reads must be there before it.
    ...rowTypeFunctions.filter(({ hasSqlBody }) => !hasSqlBody).flatMap(createFunction),
    ...target.views.flatMap((view) => (isRecreated(view) ? createView(view) : [replaceView(view)])),
    ...rowTypeFunctions.filter(({ hasSqlBody }) => hasSqlBody).flatMap(createFunction),
    ...target.functions.map(replaceFunction),
    ...target.rules.flatMap(createRule),
    ...target.policies.flatMap(createPolicy),
    ...rowSecurityStatements(table, target.rowSecurity),
    ...target.triggers.flatMap(createTrigger),
    ...target.policiesElsewhere.map(alterPolicy),
    ...target.rulesElsewhere.map(replaceRule),
    ...target.defaultsElsewhere.map(setDefault),
    ...target.publications.map((member) => addToPublication(member, table)),
    ...foreignKeysOf(target).flatMap((key) => addForeignKey(key)),
    ...securityLabelStatements(table, target.securityLabels),
  ];
  return statements.map(inStoredForm);
}

function isRecreated({ how }: TargetView): boolean {
  return how === 'recreate';
}

function foreignKeysOf({ foreignKeysIn, foreignKeysOut }: Definitions | TargetDefinitions): ForeignKey[] {
  return [...foreignKeysIn, ...foreignKeysOut];
}
