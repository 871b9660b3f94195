/**
 * Statements name tables, and we mean OIDs. So whoever locks a user's table looks up what it is called, locks that, and looks
 * again under the lock: if it has another name by then, it begins anew.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Session } from '../db/session.js';
import { isUnknownName } from '../db/sqlstate.js';
import { findRelation, type Relation } from '../state/own-objects.js';

const maxTries = 10;

class HasMoved extends Error {}

/**
 * Nothing is done when none of the tables is there any more.
 *
 * @param work is given the names of those that are there, and what must be called under the lock on them
 */
export async function byName<T>(
  session: Session,
  oids: readonly number[],
  work: (tables: readonly [Relation, ...Relation[]], stillThere: () => Promise<void>) => Promise<T>,
): Promise<T | null> {
  for (let tries = 1; ; tries += 1) {
    const tables = await findRelations(session, oids);
    const [first, ...others] = tables;
    if (first === undefined) return null;
    const stillThere = async (): Promise<void> => {
      if (!isDeepStrictEqual(await findRelations(session, oids), tables)) throw new HasMoved();
    };
    try {
      return await work([first, ...others], stillThere);
    } catch (error) {
      if (tries >= maxTries || !(error instanceof HasMoved || isUnknownName(error))) throw error;
    }
  }
}

async function findRelations(session: Session, oids: readonly number[]): Promise<Relation[]> {
  const found: Relation[] = [];
  for (const oid of oids) {
    const table = await findRelation(session, oid);
    if (table !== null) found.push(table);
  }
  return found;
}
