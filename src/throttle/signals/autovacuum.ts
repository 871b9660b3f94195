/** Autovacuum workers on our tables. */
import type { Reading } from '../reading.js';
import { unreadable, type Signal } from '../signal.js';
import { mayNotReadStats } from './rights.js';
import { autovacuumSql, type AutovacuumRow } from './signals-sql.js';

/**
 * How many work on each table.
 *
 * @param tables OIDs
 */
export function autovacuum(tables: readonly number[]): Signal {
  const names = ['autovacuum'] as const;
  return {
    names,
    async read(session) {
      const rows = await session.rows<AutovacuumRow>(autovacuumSql(tables));
      return rows.flatMap(({ table, visible, workers }): Reading[] =>
        visible
          ? [{ signal: 'autovacuum', subject: table, value: workers }]
          : unreadable(names, mayNotReadStats, table),
      );
    },
  };
}
