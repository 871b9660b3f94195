/** The state's tables without what event triggers add to new and altered tables: a trigger or a policy on them would be in the way of every run. */
import { addedByEventTrigger } from '../catalog/event-trigger-errors.js';
import { firingAt, readEventTriggers } from '../catalog/event-triggers.js';
import { readIntruders, removeIntruders, type Intruder } from '../catalog/intruders.js';
import type { Session } from '../db/session.js';
import { stateTableNamesSql } from './layout.js';

interface StateTable {
  readonly oid: number;
  readonly owner: string;
}

/**
 * Before the tables are made, or altered by an upgrade.
 *
 * @returns to be called after that in the same transaction; throws RefusedError `event-trigger` when something stays
 */
export async function watchState(session: Session): Promise<() => Promise<void>> {
  if ((await readEventTriggers(session)).length === 0) return async () => {};
  const before = await tables(session);
  /** What hung on them already is not ours to take off: a view that watches the migrations, say. */
  const known = new Map<number, ReadonlySet<string>>();
  for (const table of before) known.set(table.oid, new Set((await intruders(session, table)).map(whatOf)));
  const owners = new Map(before.map(({ oid, owner }) => [oid, owner]));
  return async () => {
    const { role } = await session.row<{ role: string }>('select current_user::text as role');
    const now = await tables(session);
    const { left } = await removeIntruders(session, async () => {
      const found: Intruder[] = [];
      for (const { oid } of now) {
        const all = await intruders(session, { oid, owner: owners.get(oid) ?? role });
        found.push(...all.filter(({ what }) => known.get(oid)?.has(what) !== true));
      }
      return found;
    });
    if (left.length === 0) return;
    const triggers = await readEventTriggers(session);
    const behind = firingAt(triggers, ['CREATE TABLE', 'ALTER TABLE', 'CREATE INDEX']);
    throw addedByEventTrigger('the state (schema "ghost")', left, behind, session.serverVersion);
  };
}

const whatOf = ({ what }: Intruder): string => what;

async function intruders(session: Session, { oid, owner }: StateTable): Promise<Intruder[]> {
  return await readIntruders(session, { oid, owner, foreignKeys: true });
}

async function tables(session: Session): Promise<StateTable[]> {
  return await session.rows<StateTable>(`
    select c.oid, pg_get_userbyid(c.relowner)::text as owner
    from pg_class as c
    where c.relnamespace = to_regnamespace('ghost')
      and c.relkind = 'r'
      and c.relname in (${stateTableNamesSql})
    order by c.oid`);
}
