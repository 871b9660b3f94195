/** How far behind named replicas are, asked at the replicas themselves: cascaded ones, and those behind an archive too. */
import type { ConnectionOptions } from '../../db/conninfo/connection-options.js';
import { messageOf } from '../../db/sqlstate.js';
import type { Reading } from '../reading.js';
import { unreadable, type Signal } from '../signal.js';
import { WalHistory } from '../wal-history.js';
import { ReplicaConnection } from './replica-connection.js';
import { primarySql, replaySql, type PrimaryRow, type ReplayRow } from './signals-sql.js';

const names = ['replica-lag', 'replica-lag-bytes'] as const;

export interface ReplicaLagOptions {
  readonly replicas: readonly ConnectionOptions[];
  /** Shown in the replicas' pg_stat_activity. */
  readonly applicationName: string;
  readonly now?: () => number;
}

/** Milliseconds and bytes a replica; null for one that cannot be reached, or is no replica. Keeps a session on each. */
export function replicaLag({ replicas, applicationName, now }: ReplicaLagOptions): Signal {
  const connections = replicas.map((replica) => new ReplicaConnection(replica, applicationName));
  const clock = now ?? (() => performance.now());
  const history = new WalHistory();
  let looks = 0;
  return {
    names,
    async read(session) {
      if (connections.length === 0) return [];
      // The primary first: what it writes until the replica answers is not lag.
      const primary = await session.row<PrimaryRow>(primarySql());
      const nowMs = clock();
      history.add(nowMs, BigInt(primary.lsn));
      const isFirstLook = looks === 0;
      looks += 1;
      const readings = await Promise.all(
        connections.map(async (connection): Promise<Reading[]> => {
          try {
            const replay = await connection.ask((replica) => replica.row<ReplayRow>(replaySql()));
            return readingsOf(connection.name, { primary, replay, history, nowMs, isFirstLook });
          } catch (error) {
            return unreadable(names, messageOf(error), connection.name);
          }
        }),
      );
      return readings.flat();
    },
    async close() {
      await Promise.all(connections.map((connection) => connection.close()));
    },
  };
}

interface Look {
  readonly primary: PrimaryRow;
  readonly replay: ReplayRow;
  readonly history: WalHistory;
  readonly nowMs: number;
  readonly isFirstLook: boolean;
}

function readingsOf(name: string, look: Look): Reading[] {
  const { inRecovery, replayLsn } = look.replay;
  if (!inRecovery || replayLsn === null) return unreadable(names, 'it is no replica: not in recovery', name);
  const bytes = Math.max(0, Number(BigInt(look.primary.lsn) - BigInt(replayLsn)));
  return [
    { signal: 'replica-lag', subject: name, value: bytes === 0 ? 0 : lagMs(BigInt(replayLsn), look) },
    { signal: 'replica-lag-bytes', subject: name, value: bytes },
  ];
}

/**
 * By our own history where it reaches back far enough. Where not, the age of the last replayed commit is all there is;
 * but after an idle hour the first write makes that an hour, so a single look does not count: a replica that follows has
 * passed what we saw first by the second.
 */
function lagMs(replayed: bigint, { primary, replay, history, nowMs, isFirstLook }: Look): number {
  const { ms, atLeast } = history.behind(replayed, nowMs);
  if (!atLeast || isFirstLook || replay.lastCommitEpoch === null) return ms;
  return Math.max(ms, (primary.epoch - replay.lastCommitEpoch) * 1000);
}
