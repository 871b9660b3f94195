/**
 * What may be limited, and how each limit is told to people. Pure.
 *
 * A `max` limit slows the work down and pauses it; its `critical` counterpart stops the run for good.
 */
import prettyBytes from 'pretty-bytes';

/** Absent or null: no such limit. */
export interface Limits {
  /** Milliseconds that a physical replica's replay may be behind. */
  readonly maxLagMs?: number | null;
  readonly criticalLagMs?: number | null;
  /** Bytes of WAL that a physical replica has still to replay. */
  readonly maxLagBytes?: number | null;
  readonly criticalLagBytes?: number | null;
  /** Client backends of the whole server that are at work, ours left out. */
  readonly maxActive?: number | null;
  readonly criticalActive?: number | null;
  /** Sessions that wait for a lock on one of our tables, ours left out. */
  readonly maxWaiters?: number | null;
  readonly criticalWaiters?: number | null;
  /** Bytes a second that the whole server writes. */
  readonly maxWalRate?: number | null;
  readonly criticalWalRate?: number | null;
  /** Bytes that one replication slot, or the archiver, keeps on the disk. */
  readonly maxRetainedWal?: number | null;
  readonly criticalRetainedWal?: number | null;
  /** Transactions since the database or a table of ours was frozen. */
  readonly maxXidAge?: number | null;
  readonly criticalXidAge?: number | null;
  /** Pause while autovacuum works on one of our tables. */
  readonly pauseOnAutovacuum?: boolean | null;
  /** SQL of the user; pauses while its first column is true, or a number above 0. */
  readonly throttleQuery?: string | null;
  /** Pauses while this file exists. */
  readonly pauseFile?: string | null;
  /** Sleep this many times the duration of each chunk after it. */
  readonly niceRatio?: number | null;
}

/** Signals with a number that has limits. */
export type MeasuredSignal =
  | 'replica-lag'
  | 'replica-lag-bytes'
  | 'active'
  | 'waiters'
  | 'wal-rate'
  | 'retained-wal'
  | 'slot-wal'
  | 'xid-age';
/** Signals that are on (above 0) or off. */
export type SwitchSignal = 'autovacuum' | 'throttle-query' | 'pause-file';
export type SignalName = MeasuredSignal | SwitchSignal;

type LimitName<T> = { [K in keyof Limits]-?: NonNullable<Limits[K]> extends T ? K : never }[keyof Limits];

interface MeasuredFacts {
  readonly max: LimitName<number>;
  readonly critical: LimitName<number>;
  /** What it is, for a sentence. */
  readonly noun: string;
  /** Of the command line, without its `--max-` or `--critical-`. */
  readonly option: string;
  readonly format: (value: number) => string;
  /** Its readings bring limits of their own. */
  readonly isAlwaysLimited?: true;
}

export const measuredSignals: Readonly<Record<MeasuredSignal, MeasuredFacts>> = {
  'replica-lag': {
    max: 'maxLagMs',
    critical: 'criticalLagMs',
    noun: 'replica lag',
    option: 'lag',
    format: time,
  },
  'replica-lag-bytes': {
    max: 'maxLagBytes',
    critical: 'criticalLagBytes',
    noun: 'replica lag',
    option: 'lag-bytes',
    format: formatBytes,
  },
  active: {
    max: 'maxActive',
    critical: 'criticalActive',
    noun: 'the number of active sessions',
    option: 'active',
    format: count,
  },
  waiters: {
    max: 'maxWaiters',
    critical: 'criticalWaiters',
    noun: 'the number of lock waiters',
    option: 'waiters',
    format: count,
  },
  'wal-rate': {
    max: 'maxWalRate',
    critical: 'criticalWalRate',
    noun: 'the WAL rate',
    option: 'wal-rate',
    format: (value) => `${formatBytes(value)}/s`,
  },
  'retained-wal': {
    max: 'maxRetainedWal',
    critical: 'criticalRetainedWal',
    noun: 'retained WAL',
    option: 'retained-wal',
    format: formatBytes,
  },
  // Of our own slots; whoever limits what slots keep means these, too.
  'slot-wal': {
    max: 'maxRetainedWal',
    critical: 'criticalRetainedWal',
    noun: 'retained WAL',
    option: 'retained-wal',
    format: formatBytes,
    isAlwaysLimited: true,
  },
  'xid-age': {
    max: 'maxXidAge',
    critical: 'criticalXidAge',
    noun: 'the transaction ID age',
    option: 'xid-age',
    format: count,
  },
};

const switchSignals: Readonly<Record<SwitchSignal, { readonly limit: keyof Limits }>> = {
  autovacuum: { limit: 'pauseOnAutovacuum' },
  'throttle-query': { limit: 'throttleQuery' },
  'pause-file': { limit: 'pauseFile' },
};

export function isMeasured(signal: SignalName): signal is MeasuredSignal {
  return Object.hasOwn(measuredSignals, signal);
}

/** Whether any limit asks for this signal; otherwise nobody needs to read it. */
export function isLimited(limits: Limits, signal: SignalName): boolean {
  if (!isMeasured(signal)) return Boolean(limits[switchSignals[signal].limit]);
  const { max, critical, isAlwaysLimited } = measuredSignals[signal];
  return isAlwaysLimited === true || limits[max] != null || limits[critical] != null;
}

/** `850 ms`, `12.3 s`. */
function time(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${Number((ms / 1000).toFixed(1))} s`;
}

/** Binary units under PostgreSQL's names, as `pg_size_pretty` has them. */
export function formatBytes(value: number): string {
  return prettyBytes(value, { binary: true }).replace('iB', 'B').replace('KB', 'kB');
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}
