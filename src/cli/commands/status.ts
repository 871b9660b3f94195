/** `pg-ghost status`: where migrations stand. */
import { Option } from '@commander-js/extra-typings';
import { InterruptedError } from '../../errors.js';
import { createCommand, work, type CommonValues } from '../command.js';
import { Interrupts, type SignalSource } from '../interrupts.js';
import type { Invocation } from '../invocation.js';
import { connectionOptions, optionalIdArgument, outputOptions } from '../options.js';
import { leftoverLines, lockLines, statusDetails, statusTable } from '../status-text.js';
import {
  jsonView,
  linesView,
  terminalView,
  type WatchedStatus,
  watchStatus,
  type WatchView,
} from '../status-watch.js';

interface StatusValues extends CommonValues {
  readonly watch?: boolean | undefined;
  readonly locks?: boolean | undefined;
}

export function statusCommand(invocation: Invocation) {
  return createCommand('status', invocation)
    .description('show one migration, or all of this database')
    .addArgument(optionalIdArgument)
    .addOption(connectionOptions.dsn)
    .addOption(new Option('--watch', 'every second, until what is shown has ended; Ctrl-C stops looking'))
    .addOption(new Option('--locks', 'also every lock that was taken or missed, and what it has cost'))
    .addOption(outputOptions.json)
    .addOption(outputOptions.logLevel)
    .addOption(outputOptions.logFile)
    .addOption(outputOptions.noColor)
    .action(async (id, values) => {
      invocation.outcome.migrationId = id ?? null;
      const migrations =
        values.watch === true ? await watch(invocation, id, values) : await show(invocation, id, values);
      if (values.locks !== true || invocation.outcome.json) return;
      const { stdout, outcome } = invocation;
      for (const migration of migrations) {
        const name = id === undefined ? [`locks of migration ${migration.id}`] : [];
        const lines = ['', ...name, ...lockLines(migration.locks, stdout.look(outcome.colour))];
        lines.forEach((line) => stdout.line(line));
      }
    });
}

async function show(
  invocation: Invocation,
  id: number | undefined,
  values: StatusValues,
): Promise<readonly WatchedStatus[]> {
  let migrations: readonly WatchedStatus[] = [];
  await work(invocation, values, async ({ library, common }) => {
    const { stdout, outcome } = invocation;
    migrations = await library.status(common, id);
    const look = stdout.look(outcome.colour);
    if (outcome.json) migrations.forEach((migration) => stdout.line(JSON.stringify(migration)));
    else if (id === undefined) statusTable(migrations, look).forEach((line) => stdout.line(line));
    else migrations.flatMap((each) => statusDetails(each, look)).forEach((line) => stdout.line(line));
    if (id !== undefined) return;
    const left = await library.leftovers(common);
    if (outcome.json)
      left.forEach(({ things, ...leftover }) =>
        stdout.line(JSON.stringify({ ...leftover, leftover: things })),
      );
    else leftoverLines(left, look).forEach((line) => stdout.line(line));
  });
  return migrations;
}

/** Nothing is under way that an interruption would have to tell about. */
const noSignals: SignalSource = { on: () => undefined, off: () => undefined };

async function watch(
  invocation: Invocation,
  id: number | undefined,
  values: StatusValues,
): Promise<readonly WatchedStatus[]> {
  const stop = new Interrupts(invocation.signals, {
    finishing: null,
    tell: () => undefined,
    end: () => invocation.end(new InterruptedError('interrupted', 'stopped as asked')),
  });
  let migrations: readonly WatchedStatus[] = [];
  try {
    await work({ ...invocation, signals: noSignals }, values, async ({ library, common }) => {
      migrations = await watchStatus({
        read: (signal) => library.status({ ...common, signal, cancelSignal: signal }, id),
        view: viewOf(invocation),
        signal: stop.signal,
      });
    });
  } finally {
    stop[Symbol.dispose]();
  }
  return migrations;
}

function viewOf({ stdout, outcome }: Invocation): WatchView {
  const write = (line: string): void => stdout.line(line);
  const look = (): ReturnType<typeof stdout.look> => stdout.look(outcome.colour);
  if (outcome.json) return jsonView(write);
  return stdout.isTTY ? terminalView(stdout.terminal, look) : linesView(write, look());
}
