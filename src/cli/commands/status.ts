/** `pg-ghost status`: where migrations stand. */
import { createCommand, work } from '../command.js';
import type { Invocation } from '../invocation.js';
import { connectionOptions, optionalIdArgument, outputOptions } from '../options.js';
import { statusDetails, statusTable } from '../status-text.js';

export function statusCommand(invocation: Invocation) {
  return createCommand('status', invocation)
    .description('show one migration, or all of this database')
    .addArgument(optionalIdArgument)
    .addOption(connectionOptions.dsn)
    .addOption(outputOptions.json)
    .addOption(outputOptions.logLevel)
    .addOption(outputOptions.logFile)
    .addOption(outputOptions.noColor)
    .action((id, values) =>
      work(invocation, values, async ({ library, common }) => {
        const { stdout, outcome } = invocation;
        outcome.migrationId = id ?? null;
        const migrations = await library.status(common, id);
        const look = stdout.look(outcome.colour);
        if (outcome.json) migrations.forEach((migration) => stdout.line(JSON.stringify(migration)));
        else if (id === undefined) statusTable(migrations, look).forEach((line) => stdout.line(line));
        else migrations.flatMap((each) => statusDetails(each, look)).forEach((line) => stdout.line(line));
      }),
    );
}
