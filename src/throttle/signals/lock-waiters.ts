/** How many sessions of others wait for a lock on one of our tables: who waits longer than a chunk waits because of us. */
import type { Signal } from '../signal.js';
import { lockWaitersSql } from './signals-sql.js';

/**
 * @param tables OIDs
 * @param ownApplications what the application_name of our sessions starts with: `pg-ghost 12 `
 */
export function lockWaiters(tables: readonly number[], ownApplications: string): Signal {
  return {
    names: ['waiters'],
    async read(session) {
      const { waiters } = await session.row<{ waiters: number }>(lockWaitersSql(tables, ownApplications));
      return [{ signal: 'waiters', value: waiters }];
    },
  };
}
