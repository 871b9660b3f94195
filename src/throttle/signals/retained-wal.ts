/** WAL that must stay on the disk because somebody still needs it; a disk that it fills stops the server. */
import type { Signal } from '../signal.js';
import { retainedWalSql, type RetainedRow } from './signals-sql.js';

/**
 * Bytes, one reading a slot and one for the archiver where archiving is on.
 *
 * @param ownSlots left out: they are watched in a way of their own (slot-wal.ts)
 */
export function retainedWal(ownSlots: readonly string[] = []): Signal {
  return {
    names: ['retained-wal'],
    async read(session) {
      const rows = await session.rows<RetainedRow>(retainedWalSql(ownSlots));
      return rows.map(({ holder, bytes }) => ({ signal: 'retained-wal', subject: holder, value: bytes }));
    },
  };
}
