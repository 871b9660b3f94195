/**
 * `pg-ghost rollback ID` and `pg-ghost rollforward ID`: the tables of a migration that has swapped exchange their places once more.
 * `pg-ghost sync ID` brings what was written since to the one that is kept.
 */
import { Option } from '@commander-js/extra-typings';
import type { SyncResult, TurnOptions, TurnResult } from '../../api/turn.js';
import { combineListeners } from '../../run/emitter.js';
import { counted, duration, milliseconds } from '../../report/format.js';
import type { Look } from '../../report/paint.js';
import { createCommand, work } from '../command.js';
import { Company } from '../company.js';
import { createReporter } from '../display.js';
import { interruptionOf, type Aftermath } from '../interrupts.js';
import type { Invocation, Library } from '../invocation.js';
import { connectionOptions, idArgument, outputOptions, runOptions } from '../options.js';
import { keyedRows } from '../../settings/rows.js';
import { settingOptions, settingsOf } from '../setting-options.js';

interface Turning<Result> {
  readonly name: 'rollback' | 'rollforward' | 'sync';
  readonly description: string;
  /** Beside those that all have. */
  readonly options?: readonly Option[];
  readonly act: (
    library: Library,
    options: TurnOptions,
    id: number,
    values: Readonly<Record<string, unknown>>,
  ) => Promise<Result>;
  /** Settings that mean something to it. */
  readonly hasSetting: (key: string) => boolean;
  readonly done: (result: Result, look: Look) => string[];
}

const rehearse = new Option('--rehearse', 'do everything of the swap and take it back; exit code 130');

/** Those that say something of a copy, or of what to do instead of one. */
const ofCopyAlone = new Set(['native', 'capture', 'failover-slot', 'no-rollback-window']);
/** Nothing is compared or exchanged. */
const ofSync = new Set(['workers', 'lock-timeout', 'cutover-deadline', 'retry-for']);

export function rollbackCommand(invocation: Invocation) {
  return turnCommand<TurnResult>(invocation, {
    name: 'rollback',
    description:
      'bring the table from before the change into use again, with everything that was written since',
    options: [rehearse],
    act: (library, options, id) => library.rollback(options, id),
    hasSetting: isOfTurn,
    done: (result, look) => turnLines(result, look, 'is as it was before the change', 'rollforward'),
  });
}

export function rollforwardCommand(invocation: Invocation) {
  return turnCommand<TurnResult>(invocation, {
    name: 'rollforward',
    description:
      'after a rollback: bring the new table into use again, with everything that was written since',
    options: [rehearse],
    act: (library, options, id) => library.rollforward(options, id),
    hasSetting: isOfTurn,
    done: (result, look) => turnLines(result, look, 'has its new shape again', 'rollback'),
  });
}

export function syncCommand(invocation: Invocation) {
  return turnCommand<SyncResult>(invocation, {
    name: 'sync',
    description:
      'bring what was written since the swap to the table that is kept, so that going back takes seconds',
    options: [new Option('--follow', 'go on until it is stopped')],
    act: (library, options, id, values) => library.sync(options, id, { follow: isGiven(values, 'follow') }),
    hasSetting: (key) => isOfTurn(key) && (ofSync.has(key) || isLimit(key)),
    done: ({ id, table, keys, seconds }, { paint, symbols }) => [
      `${paint('green', symbols.done)} ${paint('bold', table)}: ${counted(keys, 'key')} brought to the table that is kept in ${duration(seconds)}`,
      `  next: ${paint('bold', `pg-ghost status ${id}`)}`,
    ],
  });
}

/** Of the options that only one of them has. */
function isGiven(values: Readonly<Record<string, unknown>>, name: string): boolean {
  return values[name] === true;
}

function isOfTurn(key: string): boolean {
  return !ofCopyAlone.has(key);
}

function isLimit(key: string): boolean {
  return keyedRows.some((row) => row.key === key && row.part === 'cost');
}

function turnCommand<Result>(invocation: Invocation, turning: Turning<Result>) {
  const command = createCommand(turning.name, invocation)
    .description(turning.description)
    .addArgument(idArgument)
    .addOption(connectionOptions.dsn);
  settingOptions(keyedRows.map(({ key }) => key).filter(turning.hasSetting)).forEach((option) =>
    command.addOption(option),
  );
  turning.options?.forEach((option) => command.addOption(option));
  return command
    .addOption(runOptions.hook)
    .addOption(runOptions.metricsPort)
    .addOption(outputOptions.json)
    .addOption(outputOptions.logLevel)
    .addOption(outputOptions.logFile)
    .addOption(outputOptions.noColor)
    .action(async (id, values) => {
      const { stdout, outcome, env } = invocation;
      outcome.migrationId = id;
      const settings = { ...settingsOf(values, env), rehearse: isGiven(values, 'rehearse') };
      const reporter = createReporter(invocation, { json: values.json ?? false, colour: values.color });
      const aftermath = (): Aftermath => ({
        state: 'the table that was in use is in use',
        hint: `pg-ghost ${turning.name} ${id} again`,
      });
      try {
        await work(
          invocation,
          values,
          async ({ library, common, log }) => {
            await using company = await Company.gather(invocation, {
              hooks: values.hook ?? [],
              metricsPort: values.metricsPort,
              cancelSignal: common.cancelSignal,
              log,
              aside: (write) => reporter.above(write),
            });
            const result = await company.accompany(
              { ...common, settings, onEvent: combineListeners([reporter.listener, log]) },
              (options) => turning.act(library, options, id, values),
              (error) => interruptionOf(error, common.signal, aftermath()),
            );
            reporter.close();
            if (outcome.json) return;
            turning.done(result, stdout.look(values.color)).forEach((line) => stdout.line(line));
          },
          {
            finishing: 'stopping',
            aftermath,
            aside: (write) => reporter.above(write),
          },
        );
      } finally {
        reporter.close();
      }
    });
}

function turnLines(
  { id, table, kept, seconds, holdMs }: TurnResult,
  { paint, symbols }: Look,
  done: string,
  other: 'rollback' | 'rollforward',
): string[] {
  return [
    `${paint('green', symbols.done)} ${paint('bold', table)} ${done}: ${duration(seconds)}, lock held ${milliseconds(holdMs)}`,
    `  the other table is kept as ${paint('bold', kept)}`,
    `  next: ${paint('bold', `pg-ghost finalize ${id}`)} drops it, once nobody needs it any more; ${paint('bold', `pg-ghost ${other} ${id}`)} turns it round`,
  ];
}
