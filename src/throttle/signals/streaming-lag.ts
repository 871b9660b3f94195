/** How far behind the replicas are that stream from this server, as it sees them. */
import type { Reading } from '../reading.js';
import { unreadable, type Signal } from '../signal.js';
import { WalHistory } from '../wal-history.js';
import { mayNotReadStats } from './rights.js';
import { streamingReplicasSql, type StreamingRow } from './signals-sql.js';

const names = ['replica-lag', 'replica-lag-bytes'] as const;

/**
 * Milliseconds and bytes a replica; nothing for a replica that goes away: to be held up by one that is down, name it
 * (replica-lag.ts).
 */
export function streamingLag(now: () => number = () => performance.now()): Signal {
  const history = new WalHistory();
  return {
    names,
    async read(session) {
      const rows = await session.rows<StreamingRow>(streamingReplicasSql());
      const nowMs = now();
      return rows.flatMap((row) => {
        history.add(nowMs, BigInt(row.currentLsn));
        return readingsOf(row, history, nowMs);
      });
    },
  };
}

function readingsOf(row: StreamingRow, history: WalHistory, nowMs: number): Reading[] {
  const { replica, hidden, currentLsn, replayLsn, lagMs } = row;
  if (replica === null) return [];
  if (hidden || replayLsn === null) return unreadable(names, mayNotReadStats, replica);
  const replayed = BigInt(replayLsn);
  const bytes = Math.max(0, Number(BigInt(currentLsn) - replayed));
  // The server's own measurement is finer than our samples, and knows of the time before them; but it may be old.
  const ms = bytes === 0 ? 0 : Math.max(lagMs ?? 0, history.behind(replayed, nowMs).ms);
  return [
    { signal: 'replica-lag', subject: replica, value: ms },
    { signal: 'replica-lag-bytes', subject: replica, value: bytes },
  ];
}
