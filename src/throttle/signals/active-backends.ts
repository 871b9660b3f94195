/** How many clients the whole server works for besides us. */
import { unreadable, type Signal } from '../signal.js';
import { mayNotReadStats } from './rights.js';
import { activeBackendsSql, type ActiveRow } from './signals-sql.js';

/** @param ownApplications what the application_name of our sessions starts with: `pg-ghost 12 ` */
export function activeBackends(ownApplications: string): Signal {
  const names = ['active'] as const;
  return {
    names,
    async read(session) {
      const { visible, active } = await session.row<ActiveRow>(activeBackendsSql(ownApplications));
      return visible ? [{ signal: 'active', value: active }] : unreadable(names, mayNotReadStats);
    },
  };
}
