/** How much WAL the whole server writes: the disk's, the replicas' and the archive's burden alike. */
import type { Signal } from '../signal.js';
import { currentLsnSql, type CurrentLsnRow } from './signals-sql.js';

/** Bytes a second since the last read; nothing at the first. */
export function walRate(now: () => number = () => performance.now()): Signal {
  let former: { readonly atMs: number; readonly lsn: bigint } | null = null;
  return {
    names: ['wal-rate'],
    async read(session) {
      const { lsn } = await session.row<CurrentLsnRow>(currentLsnSql());
      const sample = { atMs: now(), lsn: BigInt(lsn) };
      const last = former;
      former = sample;
      if (last === null || sample.atMs <= last.atMs) return [];
      const bytes = Math.max(0, Number(sample.lsn - last.lsn));
      return [{ signal: 'wal-rate', value: (bytes * 1000) / (sample.atMs - last.atMs) }];
    },
  };
}
