/** Labels of a table and its columns; their provider must be loaded in the session. */
import type { SecurityLabel } from '../model/definitions.js';
import { ident, literal, qualified } from '../sql/quote.js';
import type { QualifiedName } from '../model/name.js';

export function securityLabelStatements(table: QualifiedName, labels: readonly SecurityLabel[]): string[] {
  return labels.map(({ provider, column, label }) => {
    const object =
      column === null ? `table ${qualified(table)}` : `column ${qualified(table)}.${ident(column)}`;
    return `security label for ${ident(provider)} on ${object} is ${literal(label)}`;
  });
}
