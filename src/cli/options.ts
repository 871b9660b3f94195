/** The options table: names, units, ranges and defaults of everything that several commands take (docs/cli.md). */
import { Argument, Option } from '@commander-js/extra-typings';
import { defaultRunSettings } from '../run/types.js';
import { hookOption, type Hook } from './hooks.js';
import {
  collect,
  durationMs,
  migrationId,
  cutoverWindowOf,
  nonEmpty,
  ratio,
  setExpression,
  type SetExpression,
  wholeNumber,
} from './values.js';

const defaults = defaultRunSettings;

export const connectionOptions = {
  dsn: new Option(
    '-d, --dsn <URL>',
    'postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=... (default: DATABASE_URL, else PGHOST, PGUSER ...)',
  ).argParser(nonEmpty),
};

export const shapeOptions = {
  table: new Option(
    '-t, --table <[SCHEMA.]NAME>',
    'the table; names as in SQL, quoted where SQL needs it',
  ).argParser(nonEmpty),
  alter: new Option(
    '--alter <ACTIONS>',
    'what follows ALTER TABLE name: "ALTER COLUMN id TYPE bigint"; may be repeated',
  ).argParser<string[] | undefined>(collect(nonEmpty)),
  file: new Option('--file <FILE.sql>', 'whole statements on that table; may be repeated').argParser<
    string[] | undefined
  >(collect(nonEmpty)),
  set: new Option(
    '--set <COLUMN=EXPRESSION>',
    'compute a column of the new table from the row of the old one; may be repeated',
  ).argParser<SetExpression[] | undefined>(collect(setExpression)),
  rewrite: new Option('--rewrite', 'rebuild the table even when the change does not need it'),
  matviews: new Option(
    '--matviews <HOW>',
    'materialized views over the table: refuse, or drop and make them again, empty until a refresh after the swap',
  )
    .choices(['refuse', 'recreate'] as const)
    .default('refuse' as const),
  allowPublicationAll: new Option(
    '--allow-publication-all',
    'go on though a publication of all tables, or of the schema, publishes the new table by itself',
  ),
};

export const runOptions = {
  workers: new Option('--workers <N>', `connections that copy, and index builds, at the same time (1-64)`)
    .argParser(wholeNumber({ min: 1, max: 64 }))
    .default(defaults.workers),
  // Below 10 ms the round trips outweigh the work, above a minute neither stopping nor throttling is felt.
  chunkTime: new Option('--chunk-time <MS>', 'how long one chunk should take, in ms (10-60000)')
    .argParser(wholeNumber({ min: 10, max: 60_000 }))
    .default(defaults.chunkTimeMs),
  lockTimeout: new Option('--lock-timeout <MS>', 'longest wait for a lock in one try, in ms (1-60000)')
    .argParser(wholeNumber({ min: 1, max: 60_000 }))
    .default(defaults.lockTimeoutMs),
  maxHold: new Option('--max-hold <MS>', 'longest time the swap may hold its locks, in ms (1-60000)')
    .argParser(wholeNumber({ min: 1, max: 60_000 }))
    .default(defaults.maxHoldMs),
  cutoverDeadline: new Option(
    '--cutover-deadline <DURATION>',
    'how long to try for the swap: 90s, 10m, 1h30m (1s-7d)',
  )
    .argParser(durationMs({ min: 1000, max: 7 * 86_400_000 }))
    .default(defaults.cutoverDeadlineMs, `${defaults.cutoverDeadlineMs / 60_000}m`),
  verify: new Option(
    '--verify <HOW>',
    'compare every row of the new table before the swap, a twentieth of them, or none',
  )
    .choices(['full', 'sample', 'off'] as const)
    .default(defaults.verify),
  oldSnapshot: new Option(
    '--old-snapshot <HOW>',
    'transactions from before the new table was complete, which may see rows missing: wait for them, warn, or give up',
  )
    .choices(['wait', 'warn', 'abort'] as const)
    .default(defaults.oldSnapshot),
  retryFor: new Option(
    '--retry-for <DURATION>',
    'how long to try to connect again when the connection is lost: 30s, 10m (0s-7d)',
  )
    .argParser(durationMs({ min: 0, max: 7 * 86_400_000 }))
    .default(defaults.retryForMs, `${defaults.retryForMs / 60_000}m`),
  resume: new Option(
    '--resume <ID>',
    'go on with this migration; the change need not be given again',
  ).argParser(migrationId),
  hook: new Option(
    '--hook <EVENT=COMMAND>',
    'run a shell command at started, phase, throttled, before-cutover, after-cutover, done or failed; may be repeated',
  ).argParser<Hook[] | undefined>(collect(hookOption)),
  metricsPort: new Option(
    '--metrics-port <PORT>',
    'metrics for Prometheus on 127.0.0.1 at this port (0-65535; 0 takes a free one)',
  ).argParser(wholeNumber({ min: 0, max: 65_535 })),
  native: new Option(
    '--native <HOW>',
    'changes that need no copy: run ALTER TABLE, copy all the same, or refuse to copy',
  )
    .choices(['auto', 'never', 'only'] as const)
    .default(defaults.native),
};

const bytes = wholeNumber({ min: 0, max: 1e15 });
const sessions = wholeNumber({ min: 0, max: 100_000 });
const milliseconds = wholeNumber({ min: 0, max: 86_400_000 });
const transactions = wholeNumber({ min: 0, max: 2_147_483_647 });

/** What copy and verification may cost. `--max-...` slows down and pauses, `--critical-...` ends the run with its state kept. */
export const limitOptions = {
  maxLag: new Option('--max-lag <MS>', 'pause while a replica is further behind than this').argParser(
    milliseconds,
  ),
  criticalLag: new Option(
    '--critical-lag <MS>',
    'stop the run when a replica is further behind than this',
  ).argParser(milliseconds),
  maxLagBytes: new Option('--max-lag-bytes <BYTES>', 'the same in bytes of WAL').argParser(bytes),
  criticalLagBytes: new Option('--critical-lag-bytes <BYTES>', 'the same in bytes of WAL').argParser(bytes),
  replica: new Option('--replica <URL>', 'a replica to ask itself; may be repeated').argParser<
    string[] | undefined
  >(collect(nonEmpty)),
  maxActive: new Option('--max-active <N>', 'pause while more sessions than this are at work').argParser(
    sessions,
  ),
  criticalActive: new Option(
    '--critical-active <N>',
    'stop the run when more sessions are at work',
  ).argParser(sessions),
  maxWaiters: new Option(
    '--max-waiters <N>',
    'pause while more sessions wait for a lock on the table',
  ).argParser(sessions),
  criticalWaiters: new Option('--critical-waiters <N>', 'stop the run when more sessions wait').argParser(
    sessions,
  ),
  maxWalRate: new Option(
    '--max-wal-rate <BYTES>',
    'pause while the server writes more WAL a second',
  ).argParser(bytes),
  criticalWalRate: new Option('--critical-wal-rate <BYTES>', 'stop the run when it writes more').argParser(
    bytes,
  ),
  maxRetainedWal: new Option(
    '--max-retained-wal <BYTES>',
    'pause while a slot or the archiver keeps more WAL',
  ).argParser(bytes),
  criticalRetainedWal: new Option(
    '--critical-retained-wal <BYTES>',
    'stop the run when one keeps more',
  ).argParser(bytes),
  maxXidAge: new Option('--max-xid-age <N>', 'pause while the oldest transaction ID is older').argParser(
    transactions,
  ),
  criticalXidAge: new Option('--critical-xid-age <N>', 'stop the run when it is older').argParser(
    transactions,
  ),
  pauseOnAutovacuum: new Option('--pause-on-autovacuum', 'pause while autovacuum works on the table'),
  throttleQuery: new Option(
    '--throttle-query <SQL>',
    'pause while this query returns true or a number above 0',
  ).argParser(nonEmpty),
  pauseFile: new Option('--pause-file <PATH>', 'pause while this file exists').argParser(nonEmpty),
  nice: new Option(
    '--nice <RATIO>',
    'sleep this many times the duration of each chunk after it (0-100)',
  ).argParser(ratio),
};

export const cutoverOptions = {
  postponeCutover: new Option(
    '--postpone-cutover',
    'keep the new table in sync, swap when pg-ghost cutover says so',
  ),
  cutoverWindow: new Option(
    '--cutover-window <WINDOW>',
    'swap only then: "02:00-04:00 Europe/Berlin"',
  ).argParser(cutoverWindowOf),
  maxHarm: new Option(
    '--max-harm <MS>',
    'blocked sessions x ms that one try for a lock may cost by waiting (0-3600000)',
  )
    .argParser(wholeNumber({ min: 0, max: 3_600_000 }))
    .default(defaults.harmPerTryMs),
  maxTotalHarm: new Option('--max-total-harm <MS>', 'the same for all tries for one lock (0-36000000)')
    .argParser(wholeNumber({ min: 0, max: 36_000_000 }))
    .default(defaults.harmPerRunMs),
  oldTransaction: new Option(
    '--old-transaction <DURATION>',
    'no try for a lock that a transaction older than this stands in the way of (0s-7d)',
  )
    .argParser(durationMs({ min: 0, max: 7 * 86_400_000 }))
    .default(defaults.oldTransactionMs, `${defaults.oldTransactionMs / 1000}s`),
  killBlockers: new Option(
    '--kill-blockers <AFTER>',
    'end sessions that are in the way of a lock for longer than this (0s-7d); nobody is ever ended without it',
  ).argParser(durationMs({ min: 0, max: 7 * 86_400_000 })),
};

export const outputOptions = {
  json: new Option('--json', 'machine-readable output: JSON, one object a line'),
  logLevel: new Option(
    '--log-level <LEVEL>',
    'what is logged on stderr (default: warn) and to --log-file (default: info)',
  ).choices(['silent', 'error', 'warn', 'info', 'debug'] as const),
  logFile: new Option('--log-file <FILE>', 'also append the log to this file, as JSON lines').argParser(
    nonEmpty,
  ),
  noColor: new Option('--no-color', 'no colours (also: NO_COLOR in the environment)'),
};

export const idArgument = new Argument('<ID>', 'the migration, as run and status show it').argParser(
  migrationId,
);
export const optionalIdArgument = new Argument('[ID]', 'the migration; all of them when left out').argParser(
  migrationId,
);
