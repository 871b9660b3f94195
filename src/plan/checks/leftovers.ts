/**
 * Capture that a migration has left on the table, of which the state knows nothing: each write still pays for it, or its
 * slot keeps WAL.
 */
import { advice, doing } from '../../advice.js';
import type { Session } from '../../db/session.js';
import type { Refusal } from '../../errors.js';
import { displayName, ident, qualified } from '../../sql/quote.js';
import type { QualifiedName } from '../../model/name.js';
import { readCaptures } from '../../state/own-objects.js';
import { readActiveIdentities } from '../../state/migrations.js';

export async function checkLeftovers(
  session: Session,
  table: QualifiedName & { readonly oid: number },
): Promise<Refusal[]> {
  const captures = await readCaptures(session, table.oid);
  if (captures.length === 0) return [];
  const active = await readActiveIdentities(session);
  // Closed to this role: it cannot be told.
  if (active === null) return [];
  return captures
    .filter(({ identity }) => !active.includes(identity))
    .map(({ id, triggers, publications }) => {
      const byHand = [
        ...triggers.map((name) => `drop trigger ${ident(name)} on ${qualified(table)}`),
        ...publications.map((name) => `drop publication ${ident(name)}`),
      ];
      const parts = triggers.length > 0 ? 'capture triggers' : 'a publication for the capture';
      return {
        code: 'leftover-capture',
        message: `${displayName(table)} has ${parts} of migration ${id}, which is not under way in this database: ${[...triggers, ...publications].map(ident).join(', ')}`,
        hint: advice`${doing('abort', id)} removes them and what belongs to them; or, by hand: ${byHand.join('; ')}`,
      };
    });
}
