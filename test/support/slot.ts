/** The replication slots of a test's database, as somebody else meets them. */
import type { TestDatabase } from './database.js';

/** Ends whoever reads them, and drops them; of the present database. */
export const dropSlotsStatement = `
  select pg_terminate_backend(active_pid, 5000) from pg_replication_slots where database = current_database() and active;
  select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = current_database()`;

export async function dropSlots(db: Pick<TestDatabase, 'query'>): Promise<void> {
  await db.query(dropSlotsStatement);
}
