/**
 * A query that is asked for one table after the other in the same session: prepared with the first of them, so that the server
 * parses it once. Under `withDeparseSettings` it is planned once as well.
 */
import { createHash } from 'node:crypto';
import type { SqlQuery } from '../sql/quote.js';

/** Its name follows from its text: one name never means two queries. */
const names = new Map<string, string>();

export function catalogQuery(text: string, values: readonly unknown[]): SqlQuery {
  let name = names.get(text);
  if (name === undefined) {
    name = `ghost_${createHash('sha256').update(text).digest('hex').slice(0, 24)}`;
    names.set(text, name);
  }
  return { name, text, values };
}
