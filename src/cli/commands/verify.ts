/** `pg-ghost verify ID`: compares the tables of a migration, row by row. */
import { Option } from '@commander-js/extra-typings';
import { combineListeners } from '../../run/emitter.js';
import type { EventListener } from '../../model/event.js';
import { count, counted, duration } from '../../report/format.js';
import { createCommand, work } from '../command.js';
import type { Invocation } from '../invocation.js';
import { connectionOptions, idArgument, outputOptions } from '../options.js';
import { settingOptions, settingsOf } from '../setting-options.js';

const everyMs = 5_000;

export function verifyCommand(invocation: Invocation) {
  const command = createCommand('verify', invocation)
    .description('compare every row of the new table with the old one; changes nothing')
    .addArgument(idArgument)
    .addOption(connectionOptions.dsn)
    .addOption(new Option('--sample', 'compare a twentieth of the rows'));
  settingOptions(['workers', 'chunk-time']).forEach((option) => command.addOption(option));
  return command
    .addOption(outputOptions.json)
    .addOption(outputOptions.logLevel)
    .addOption(outputOptions.logFile)
    .addOption(outputOptions.noColor)
    .action((id, values) =>
      work(invocation, values, async ({ library, common, log }) => {
        const { stdout, stderr, outcome } = invocation;
        outcome.migrationId = id;
        const { workers, chunkTimeMs } = settingsOf(values, invocation.env);
        const report = await library.verify(
          {
            ...common,
            settings: {
              workers,
              chunkTimeMs,
              mode: values.sample === true ? 'sample' : 'full',
            },
            onEvent: combineListeners([log, progressLines((line) => stderr.line(line))]),
          },
          id,
        );
        if (outcome.json) {
          stdout.line(JSON.stringify({ event: 'verify:done', ...report, at: new Date() }));
          return;
        }
        const look = stdout.look(outcome.colour);
        const { table, comparedWith, rows, leftOut, seconds, mode } = report;
        stdout.line(
          `${look.paint('green', look.symbols.done)} ${mode === 'sample' ? 'a sample of ' : ''}${counted(rows, 'row')} of ${table} compared with ${comparedWith} in ${duration(seconds)}: no difference`,
        );
        for (const { column, why } of leftOut) stdout.line(`  not compared: ${column}, ${why}`);
      }),
    );
}

function progressLines(write: (line: string) => void): EventListener {
  let toldAt = Date.now();
  return (event) => {
    if (event.event !== 'verify:progress' || event.at.getTime() - toldAt < everyMs) return;
    toldAt = event.at.getTime();
    const { rowsDone, rowsTotal, differences } = event;
    const total = rowsTotal === null ? '' : ` of about ${count(rowsTotal)}`;
    write(`${count(rowsDone)}${total} rows compared, ${counted(differences, 'difference')}`);
  };
}
