/** The lock ledger of a migration, as it is kept. */
import type { Session } from '../db/session.js';
import { sql } from '../sql/quote.js';
import { hasTable, stateVersion } from './layout.js';
import { lockEntry } from './parse/lock-entry.js';
import type { LockEntry } from './stored-json.js';
import { readStored } from './unreadable.js';

export interface StoredLock {
  readonly at: string;
  readonly entry: LockEntry;
}

export async function storeLocks(session: Session, id: number, entries: readonly LockEntry[]): Promise<void> {
  if (entries.length === 0) return;
  await session.execute({
    text: sql`
      insert into ghost.locks (migration_id, entry)
      select $1, entry from jsonb_array_elements($2::jsonb) as entry`,
    values: [id, JSON.stringify(entries)],
  });
}

/**
 * None of a layout that did not keep them.
 *
 * @throws FailedError `state-unreadable`
 */
export async function readLocks(
  session: Session,
  id: number,
  layout: number = stateVersion,
): Promise<StoredLock[]> {
  if (!hasTable(layout, 'locks')) return [];
  const rows = await session.rows<{ at: string; entry: unknown }>({
    text: sql`
      select to_char(at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as at, entry
      from ghost.locks
      where migration_id = $1
      order by id`,
    values: [id],
  });
  return rows.map(({ at, entry }) => ({ at, entry: readStored({ id }, 'lock', lockEntry, entry) }));
}
