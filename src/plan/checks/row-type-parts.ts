/**
 * CHECKs, defaults and indexes of the table itself that call a function with its row type: they are a part of every copy of the
 * table, also of the empty one that a change is tried on, and the function takes rows of the table alone.
 */
import type { Definitions } from '../../model/definitions.js';
import type { Refusal } from '../../errors.js';

export function checkRowTypeParts({ rowTypeFunctions }: Definitions): Refusal[] {
  return rowTypeFunctions.flatMap(({ kind, signature, ownParts }) =>
    ownParts.map(({ name }) => ({
      code: 'function-row-type',
      message: `${name} calls ${kind} ${signature}, which is bound to the table's row type: no other table can have it, not even the empty copy on which the change is tried`,
      hint: 'drop it before and make it again after the migration (a CHECK as NOT VALID, then VALIDATE CONSTRAINT), or give the function the columns instead of the row; a change that PostgreSQL makes in place needs no pg-ghost, only ALTER TABLE under a short lock_timeout',
    })),
  );
}
