/** How near transaction IDs are to their wraparound: VACUUM needs the disk more than we do then. */
import type { Signal } from '../signal.js';
import { xidAgeSql, type XidAgeRow } from './signals-sql.js';

/**
 * Transactions since the freeze of this database, and of each table.
 *
 * @param tables OIDs
 */
export function xidAge(tables: readonly number[]): Signal {
  return {
    names: ['xid-age'],
    async read(session) {
      const rows = await session.rows<XidAgeRow>(xidAgeSql(tables));
      return rows.map(({ subject, age }) => ({ signal: 'xid-age', subject, value: age }));
    },
  };
}
