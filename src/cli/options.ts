/** The options table: names, units, ranges and defaults of what several commands take beside the settings of a run (docs/cli.md). */
import { Argument, Option } from '@commander-js/extra-typings';
import type { ChangeRequest } from '../model/change-request.js';
import { wholeNumber } from '../settings/kinds.js';
import { hookOption, type Hook } from './hooks.js';
import { collect, migrationId, nonEmpty, parserOf, setExpression } from './values.js';

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
  ).argParser<ChangeRequest['set'][number][] | undefined>(collect(setExpression)),
  reverse: new Option(
    '--reverse <COLUMN=EXPRESSION>',
    'for a rollback: compute a column of the old table from the row of the new one; may be repeated',
  ).argParser<ChangeRequest['set'][number][] | undefined>(collect(setExpression)),
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

/** Of a run beside its settings, which `settingOptions` has. */
export const runOptions = {
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
  ).argParser(parserOf(wholeNumber('PORT', { min: 0, max: 65_535 }))),
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
