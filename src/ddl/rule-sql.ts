/** A rule as it was: firing or not, with its comment. */
import type { Rule } from '../model/definitions.js';
import { ident, literal, qualified } from '../sql/quote.js';
import { byteSplice, tokens } from '../sql/tokens.js';
import { firingState } from './trigger-sql.js';

export function createRule({ name, table, definition, enabled, comment }: Rule): string[] {
  const state = firingState[enabled];
  return [
    definition,
    ...(state === null ? [] : [`alter table ${qualified(table)} ${state} rule ${ident(name)}`]),
    ...(comment === null
      ? []
      : [`comment on rule ${ident(name)} on ${qualified(table)} is ${literal(comment)}`]),
  ];
}

export function dropRule({ name, table }: Pick<Rule, 'name' | 'table'>): string {
  return `drop rule ${ident(name)} on ${qualified(table)}`;
}

/** Keeps the rule's state and comment. */
export function replaceRule({ definition }: Rule): string {
  const [create] = tokens(definition);
  if (create === undefined) throw new Error('a rule without a definition');
  return byteSplice(definition, create.end, create.end, ' OR REPLACE');
}
