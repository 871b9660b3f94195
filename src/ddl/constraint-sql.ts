/** Constraints of the clone and the shadow. Which of them are in place when, is decided by their class. */
import type { Constraint } from '../model/table-shape.js';
import { ident, literal, qualified } from '../sql/quote.js';
import type { QualifiedName } from '../model/name.js';
import { inStoredForm } from '../sql/stored-form.js';

/** PRIMARY KEY, UNIQUE, EXCLUDE. */
export function isIndexBacked(constraint: Constraint): boolean {
  return constraint.index !== null;
}

/** A constraint that the table's old rows may break, and new rows may not: it would reject the copy. */
export function isUnvalidated({ type, enforced, validated }: Constraint): boolean {
  return (type === 'check' || type === 'not null') && enforced && !validated;
}

/** CHECK and (since 18) NOT NULL: needs no index and no other table. */
export function isRowConstraint({ type }: Constraint): boolean {
  return type === 'check' || type === 'not null';
}

export function addConstraint(table: QualifiedName, { name, definition }: Constraint): string {
  return inStoredForm(`alter table ${qualified(table)} add constraint ${ident(name)} ${definition}`);
}

export function dropConstraint(table: QualifiedName, { name }: Constraint): string {
  return `alter table ${qualified(table)} drop constraint ${ident(name)}`;
}

/** None when it has none. */
export function constraintComment(table: QualifiedName, { name, comment }: Constraint): string[] {
  if (comment === null) return [];
  return [`comment on constraint ${ident(name)} on ${qualified(table)} is ${literal(comment)}`];
}
