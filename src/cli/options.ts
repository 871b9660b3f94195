/** The options table: names, units, ranges and defaults of everything that several commands take (docs/cli.md). */
import { Argument, Option } from '@commander-js/extra-typings';
import { defaultRunSettings } from '../migration/types.js';
import {
  collect,
  durationMs,
  migrationId,
  nonEmpty,
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
  native: new Option(
    '--native <HOW>',
    'changes that need no copy: run ALTER TABLE, copy all the same, or refuse to copy',
  )
    .choices(['auto', 'never', 'only'] as const)
    .default(defaults.native),
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
