/** What definitions are called, for people. */
import type { Definitions, ForeignKey } from '../model/definitions.js';
import { displayIdent, displayName } from './quote.js';

/** Everything that can be taken off a table and put back, by name. */
export function namedObjects(definitions: Definitions): { readonly oid: number; readonly name: string }[] {
  const on =
    (kind: string) =>
    ({
      oid,
      name,
      table,
    }: Definitions['rules'][number] | Definitions['policies'][number] | Definitions['triggers'][number]) => ({
      oid,
      name: `${kind} ${displayIdent(name)} on ${displayName(table)}`,
    });
  return [
    ...definitions.views.map(({ oid, name, materialized }) => ({
      oid,
      name: `${materialized ? 'materialized view' : 'view'} ${displayName(name)}`,
    })),
    ...definitions.functions.map(({ oid, kind, signature }) => ({ oid, name: `${kind} ${signature}` })),
    ...[...definitions.rules, ...definitions.rulesElsewhere].map(on('rule')),
    ...definitions.triggers.map(on('trigger')),
    ...[...definitions.policies, ...definitions.policiesElsewhere].map(on('policy')),
    ...definitions.publications.map(({ oid, publication }) => ({
      oid,
      name: `publication ${displayIdent(publication)}`,
    })),
  ];
}

export function foreignKeyName({ name, table }: Pick<ForeignKey, 'name' | 'table'>): string {
  return `${displayIdent(name)} of ${displayName(table)}`;
}
