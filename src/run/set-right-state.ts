/** The state's tables without what event triggers add to new tables: a trigger or a policy on them would be in the way of every run. */
import { addedByEventTrigger } from '../catalog/event-trigger-errors.js';
import { firingAt, readEventTriggers } from '../catalog/event-triggers.js';
import { readIntruders, removeIntruders, type Intruder } from '../catalog/intruders.js';
import type { Session } from '../db/session.js';

/**
 * In the transaction that made them.
 *
 * @throws RefusedError `event-trigger` when something stays
 */
export async function setRightState(session: Session): Promise<void> {
  const triggers = await readEventTriggers(session);
  if (triggers.length === 0) return;
  const { role, tables } = await session.row<{ role: string; tables: number[] }>(`
    select
      current_user::text as role,
      array(
        select c.oid from pg_class as c where c.relnamespace = 'ghost'::regnamespace and c.relkind = 'r' order by c.oid
      ) as tables`);
  const { left } = await removeIntruders(session, async () => {
    const found: Intruder[] = [];
    for (const oid of tables)
      found.push(...(await readIntruders(session, { oid, owner: role, foreignKeys: true })));
    return found;
  });
  if (left.length === 0) return;
  const behind = firingAt(triggers, ['CREATE TABLE', 'CREATE INDEX']);
  throw addedByEventTrigger('the state (schema "ghost")', left, behind, session.serverVersion);
}
