import type { KeyLog } from '../model/key-log.js';
import { qualified } from '../sql/quote.js';

/** Forgets the truncations seen so far, in the transaction in which the table that follows is emptied for them. */
export function forgetTruncationsStatement({ truncations }: KeyLog): string {
  return `delete from only ${qualified(truncations)}`;
}
