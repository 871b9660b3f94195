/**
 * Slots in this database of migrations that its state does not know: somebody has dropped the state, or a process died at a bad
 * moment. Nobody will ever read them, and the server keeps all of its WAL for them.
 */
import { advice, doing } from '../advice.js';
import { dropSlots } from '../capture/logical/slot.js';
import type { Session } from '../db/session.js';
import { isServerError, messageOf } from '../db/sqlstate.js';
import type { Emit } from '../model/event.js';
import { isOver } from '../model/phase.js';
import { listMigrations } from '../state/migrations.js';
import { readMigrationSlots, type MigrationSlot } from '../state/own-objects.js';

/** The row of a migration is there before its slot: these are looked for first. */
async function straySlots(session: Session): Promise<MigrationSlot[]> {
  const slots = await readMigrationSlots(session);
  if (slots.length === 0) return [];
  const known = (await listMigrations(session)).filter(({ phase }) => !isOver(phase));
  return slots.filter(({ identity }) => !known.some((record) => record.identity === identity));
}

/** Those that nobody reads; what cannot be dropped is told. */
export async function removeStraySlots(session: Session, emit: Emit): Promise<void> {
  for (const { slot, id, active } of await straySlots(session)) {
    if (active) continue;
    try {
      await dropSlots(session, [slot]);
      emit('warning', {
        code: 'stray-slot',
        message: `the replication slot ${slot}, which migration ${id} had left, was dropped`,
      });
    } catch (error) {
      if (!isServerError(error)) throw error;
      emit('warning', {
        code: 'stray-slot',
        message: `migration ${id} has left the replication slot ${slot}, for which the server keeps its WAL: it could not be dropped (${messageOf(error)})`,
        hint: advice`${doing('abort', id)} removes it, as a role that may`,
      });
    }
  }
}
