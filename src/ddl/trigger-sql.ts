/** A trigger as it was: firing or not, with its comment. */
import type { FiringState, Trigger } from '../model/definitions.js';
import { ident, literal, qualified } from '../sql/quote.js';

export function createTrigger(trigger: Trigger): string[] {
  const { name, table, definition, enabled, comment } = trigger;
  const state = firingState[enabled];
  return [
    definition,
    ...(state === null ? [] : [`alter table ${qualified(table)} ${state} trigger ${ident(name)}`]),
    ...(comment === null
      ? []
      : [`comment on trigger ${ident(name)} on ${qualified(table)} is ${literal(comment)}`]),
  ];
}

export function dropTrigger({ name, table }: Pick<Trigger, 'name' | 'table'>): string {
  return `drop trigger ${ident(name)} on ${qualified(table)}`;
}

/** What to say to a trigger or rule that was just made; null for what it is by itself. */
export const firingState: Readonly<Record<FiringState, string | null>> = {
  origin: null,
  always: 'enable always',
  replica: 'enable replica',
  disabled: 'disable',
};
