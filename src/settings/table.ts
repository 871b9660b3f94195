/**
 * The one table of settings. The options of the command line, `set`, the tables of docs/cli.md, the defaults and the checks of
 * what a program gives come from it, so that a value is read and limited in one way everywhere. The compiler sees to it that
 * every field of `RunSettings` and `Limits` has a row. Pure.
 */
import { advice, named, type Text } from '../advice.js';
import { defaultMaxHoldMs } from '../locks/lock-request.js';
import type { Limits } from '../throttle/limits.js';
import {
  amount,
  choice,
  connections,
  timeSpan,
  onOrOff,
  query,
  ratio,
  text,
  wholeNumber,
  window,
  type Kind,
} from './kinds.js';
import type { RunSettings } from './run-settings.js';

export interface Setting<T> {
  /** Of the option, without its dashes, and of `set`; null: only a program can give it. */
  readonly key: string | null;
  readonly kind: Kind<NonNullable<T>>;
  /** null: off, or nothing of the kind. */
  readonly default: T;
  /** `set` changes it in a run that is under way. */
  readonly changesInRun?: true;
  /** It counts for a change that PostgreSQL makes itself, too. */
  readonly countsForNative?: true;
  /** Which table of docs/cli.md it is in. */
  readonly part: 'run' | 'cost' | 'swap';
  /** One line, for --help and the docs; the range or the choices are put behind it. */
  readonly help: Text;
  /** Only for the docs, in Markdown; put behind all that. */
  readonly more?: string;
}

const day = 86_400_000;
const week = { min: 0, max: 7 * day };

/** In the order of --help. */
export const ofRun: { readonly [K in Exclude<keyof RunSettings, 'limits'>]: Setting<RunSettings[K]> } = {
  workers: {
    key: 'workers',
    kind: wholeNumber('N', { min: 1, max: 64 }),
    // Two sessions saturate one disk on most servers, and leave the application its cores.
    default: 2,
    changesInRun: true,
    part: 'run',
    help: 'connections that copy at the same time, verify, build indexes, and apply where one cannot keep up',
  },
  chunkTimeMs: {
    key: 'chunk-time',
    // Below 10 ms the round trips outweigh the work, above a minute neither stopping nor throttling is felt.
    kind: wholeNumber('MS', { min: 10, max: 60_000 }),
    // Short enough to stop, throttle and report within a second, long enough that the round trips vanish.
    default: 500,
    changesInRun: true,
    part: 'run',
    help: 'how long one chunk should take, in ms',
    more: '; chunks grow and shrink towards it',
  },
  lockTimeoutMs: {
    key: 'lock-timeout',
    kind: wholeNumber('MS', { min: 1, max: 60_000 }),
    // Applications queue behind a waiting ACCESS EXCLUSIVE: one second is the most that goes unnoticed.
    default: 1000,
    changesInRun: true,
    countsForNative: true,
    part: 'run',
    help: 'longest wait for a lock in one try, in ms',
    more: '; the first tries are far shorter',
  },
  maxHoldMs: {
    key: 'max-hold',
    kind: wholeNumber('MS', { min: 1, max: 60_000 }),
    // A drain and swap takes 1-10 ms; ten times that is an exception that is better tried again.
    default: defaultMaxHoldMs,
    changesInRun: true,
    countsForNative: true,
    part: 'run',
    help: 'longest time the swap may hold its locks, in ms',
    more: '; then it is rolled back and tried again. `plan` says when that is too little for what hangs on the table (`long-hold`)',
  },
  cutoverDeadlineMs: {
    key: 'cutover-deadline',
    kind: timeSpan('DURATION', { min: 1000, max: 7 * day }),
    default: 10 * 60_000,
    changesInRun: true,
    countsForNative: true,
    part: 'run',
    help: 'how long to try for the swap: 90s, 10m, 1h30m',
  },
  verify: {
    key: 'verify',
    kind: choice({
      full: 'every row',
      sample: 'a twentieth of the rows',
      off: 'not at all',
    }),
    default: 'full',
    part: 'run',
    help: 'how the tables are compared before the swap',
  },
  capture: {
    key: 'capture',
    kind: choice({
      triggers: 'by triggers on the table',
      logical: 'from the WAL, by a replication slot',
      auto: 'from the WAL where all that it needs is there',
    }),
    default: 'triggers',
    part: 'run',
    help: 'how the keys of rows that are written come into the log',
    more: '. See [capture](capture.md)',
  },
  failoverSlot: {
    key: 'failover-slot',
    kind: onOrOff,
    default: false,
    part: 'run',
    help: 'make the replication slot one that standbys keep a copy of, from PostgreSQL 17 on',
    more: '. See [failover slots](capture.md#failover-slots)',
  },
  oldSnapshot: {
    key: 'old-snapshot',
    kind: choice({
      wait: 'wait for them',
      warn: 'swap all the same, with a warning',
      abort: 'give up, with exit 5',
    }),
    default: 'wait',
    part: 'run',
    help: 'transactions from before the new table was complete, which may see rows missing in it',
  },
  retryForMs: {
    key: 'retry-for',
    kind: timeSpan('DURATION', week),
    // A restart with crash recovery takes minutes on a big server; a failover, which we refuse, is over sooner.
    default: 10 * 60_000,
    part: 'run',
    help: 'how long to try to connect again when the connection is lost: 30s, 10m',
  },
  native: {
    key: 'native',
    kind: choice({
      auto: 'ALTER TABLE where only the catalog changes',
      never: 'a copy all the same, like --rewrite',
      only: 'ALTER TABLE, and what needs a copy is refused',
    }),
    default: 'auto',
    countsForNative: true,
    part: 'run',
    help: 'ALTER TABLE or a copy',
  },
  replicas: {
    key: 'replica',
    kind: connections,
    default: [],
    part: 'cost',
    help: 'a replica to ask itself; may be repeated',
    more: '. For `--max-lag` and the like; those that stream from the server are seen without',
  },
  postponeCutover: {
    key: 'postpone-cutover',
    kind: onOrOff,
    default: false,
    part: 'swap',
    help: advice`keep the new table in sync, swap when ${named('cutover')} says so`,
    more: '; it is compared again every hour',
  },
  cutoverWindow: {
    key: 'cutover-window',
    kind: window,
    default: null,
    part: 'swap',
    help: 'swap only then: "02:00-04:00 Europe/Berlin"',
    more: '; what does not succeed in one window is tried in the next',
  },
  reverifyEveryMs: {
    key: null,
    kind: wholeNumber('MS', { min: 1, max: 7 * day }),
    default: 60 * 60_000,
    part: 'swap',
    help: 'while the swap is postponed the tables are compared again so often',
  },
  harmPerTryMs: {
    key: 'max-harm',
    kind: wholeNumber('MS', { min: 0, max: 3_600_000 }),
    // Ten sessions for a tenth of a second: a hiccup that no user sees.
    default: 1_000,
    countsForNative: true,
    part: 'swap',
    help: 'blocked sessions x ms that one try for a lock may cost by waiting',
    more: '; then it is cut short',
  },
  harmPerRunMs: {
    key: 'max-total-harm',
    kind: wholeNumber('MS', { min: 0, max: 36_000_000 }),
    default: 30_000,
    countsForNative: true,
    part: 'swap',
    help: 'the same for all tries for one lock',
    more: '; then the run ends with exit 5',
  },
  oldTransactionMs: {
    key: 'old-transaction',
    kind: timeSpan('DURATION', week),
    // An idle transaction of five seconds is not about to end; waiting behind it would only queue others up.
    default: 5_000,
    countsForNative: true,
    part: 'swap',
    help: 'no try for a lock that a transaction older than this stands in the way of',
    more: ': waiting would be in vain',
  },
  killBlockersAfterMs: {
    key: 'kill-blockers',
    kind: timeSpan('AFTER', week),
    default: null,
    countsForNative: true,
    part: 'swap',
    help: 'end sessions that are in the way of a lock for longer than this, which is never done without it',
    more: '; they are cancelled, then terminated: see [who is never ended](operations.md#ending-who-is-in-the-way)',
  },
  withoutRollbackWindow: {
    key: 'no-rollback-window',
    kind: onOrOff,
    default: false,
    part: 'swap',
    help: 'after the swap keep nothing for a rollback with later writes',
    more: '. See [what can be taken back](rollback.md#what-can-be-taken-back)',
  },
  rehearse: {
    key: null,
    kind: onOrOff,
    default: false,
    part: 'swap',
    help: 'do everything of the swap and take it back',
  },
};

const milliseconds = amount('MS', day);
const bytes = amount('BYTES', 1e15);
const sessions = amount('N', 100_000);
const transactions = amount('N', 2_147_483_647);

/** A limit that is off unless given, and that `set` changes. */
function limit<T>(key: string, kind: Kind<NonNullable<T>>, help: string, more?: string): Setting<T | null> {
  return {
    key,
    kind,
    default: null,
    changesInRun: true,
    part: 'cost',
    help,
    ...(more === undefined ? {} : { more }),
  };
}

const stops = ' (`critical-limit`, state kept)';

/** What copy and verification may cost. `max-...` slows down and pauses, `critical-...` ends the run with its state kept. */
export const ofLimits: { readonly [K in keyof Limits]-?: Setting<Exclude<Limits[K], undefined>> } = {
  maxLagMs: limit('max-lag', milliseconds, 'pause while a replica is further behind than this, in ms'),
  criticalLagMs: limit(
    'critical-lag',
    milliseconds,
    'stop the run when a replica is further behind than this, in ms',
    stops,
  ),
  maxLagBytes: limit('max-lag-bytes', bytes, 'pause while a replica has more WAL than this to replay'),
  criticalLagBytes: limit(
    'critical-lag-bytes',
    bytes,
    'stop the run when a replica has more WAL than this to replay',
    stops,
  ),
  maxActive: limit(
    'max-active',
    sessions,
    'pause while more sessions than this are at work',
    '; those of clients on the whole server, ours left out',
  ),
  criticalActive: limit('critical-active', sessions, 'stop the run when more sessions are at work', stops),
  maxWaiters: limit('max-waiters', sessions, 'pause while more sessions wait for a lock on the table'),
  criticalWaiters: limit(
    'critical-waiters',
    sessions,
    'stop the run when more sessions wait for a lock on the table',
    stops,
  ),
  maxWalRate: limit('max-wal-rate', bytes, 'pause while the whole server writes more WAL a second'),
  criticalWalRate: limit(
    'critical-wal-rate',
    bytes,
    'stop the run when the whole server writes more WAL a second',
    stops,
  ),
  maxRetainedWal: limit('max-retained-wal', bytes, 'pause while a slot or the archiver keeps more WAL'),
  criticalRetainedWal: limit(
    'critical-retained-wal',
    bytes,
    'stop the run when a slot or the archiver keeps more WAL',
    stops,
  ),
  maxXidAge: limit(
    'max-xid-age',
    transactions,
    'pause while the oldest transaction ID is older',
    '; transactions since the database or the table was frozen',
  ),
  criticalXidAge: limit(
    'critical-xid-age',
    transactions,
    'stop the run when the oldest transaction ID is older',
    stops,
  ),
  pauseOnAutovacuum: limit('pause-on-autovacuum', onOrOff, 'pause while autovacuum works on the table'),
  throttleQuery: limit(
    'throttle-query',
    query,
    'pause while the first column of this query is true or a number above 0',
    '; run every second, read-only, for 2 s at most',
  ),
  pauseFile: limit(
    'pause-file',
    text('PATH', 'a path'),
    'pause while this file exists',
    ', on the machine of the run',
  ),
  niceRatio: limit(
    'nice',
    ratio({ min: 0, max: 100 }),
    'sleep this many times the duration of each chunk after it',
    ': 1 halves the speed',
  ),
};

/** A limit that is off is left out, as a program would do it. */
export const defaultRunSettings: RunSettings = {
  ...(Object.fromEntries(
    Object.entries<Setting<unknown>>(ofRun).map(([field, row]) => [field, row.default]),
  ) as Omit<RunSettings, 'limits'>),
  limits: {},
};
