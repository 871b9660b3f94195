/**
 * Statements name tables, and we mean OIDs. So whoever locks a user's table looks up what it is called, locks that, and looks
 * again under the lock: if it has another name by then, it begins anew.
 */
import type { Session } from '../db/session.js';
import { isUnknownName } from '../db/sqlstate.js';
import { findRelation, type Relation } from '../state/own-objects.js';

const maxTries = 10;

class HasMoved extends Error {}

/**
 * Nothing is done when the table is gone.
 *
 * @param work is given the name, and what must be called under the lock on it
 */
export async function byName(
  session: Session,
  oid: number,
  work: (table: Relation, stillThere: () => Promise<void>) => Promise<void>,
): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    const table = await findRelation(session, oid);
    if (table === null) return;
    const stillThere = async (): Promise<void> => {
      const now = await findRelation(session, oid);
      if (now?.schema !== table.schema || now.name !== table.name) throw new HasMoved();
    };
    try {
      await work(table, stillThere);
      return;
    } catch (error) {
      if (tries >= maxTries || !(error instanceof HasMoved || isUnknownName(error))) throw error;
    }
  }
}
