/** `pg-ghost plan`: what would happen. Changes nothing. */
import { Option } from '@commander-js/extra-typings';
import { ExitCode } from '../../errors.js';
import { planObject } from '../../report/plan-json.js';
import { renderPlan } from '../../report/plan-text.js';
import { createCommand, work } from '../command.js';
import type { Invocation } from '../invocation.js';
import { connectionOptions, outputOptions, shapeOptions } from '../options.js';
import { readRequest } from '../request.js';

export function planCommand(invocation: Invocation) {
  return createCommand('plan', invocation)
    .description('show what a change would do: verdict, steps, locks, sizes, what depends on the table')
    .addOption(connectionOptions.dsn)
    .addOption(shapeOptions.table)
    .addOption(shapeOptions.alter)
    .addOption(shapeOptions.file)
    .addOption(shapeOptions.set)
    .addOption(shapeOptions.rewrite)
    .addOption(shapeOptions.matviews)
    .addOption(shapeOptions.allowPublicationAll)
    .addOption(
      new Option(
        '--rehearse',
        'do the whole swap with an empty new table and take it back; for its moment it locks the table',
      ),
    )
    .addOption(
      new Option('--verbose', 'every lock and every object by its name, and a refused plan with all of it'),
    )
    .addOption(outputOptions.json)
    .addOption(outputOptions.logLevel)
    .addOption(outputOptions.logFile)
    .addOption(outputOptions.noColor)
    .action((values) =>
      work(invocation, values, async ({ library, common, log }) => {
        const { stdout, outcome } = invocation;
        const request = await readRequest(values);
        const plan = await library.plan({
          ...common,
          request,
          onEvent: log,
          ...(values.rehearse === true ? { rehearse: true } : {}),
        });
        stdout.line(
          outcome.json
            ? JSON.stringify(planObject(plan))
            : renderPlan(plan, stdout.look(outcome.colour), { verbose: values.verbose === true }),
        );
        if (plan.verdict === 'refused') outcome.exitCode = ExitCode.refused;
      }),
    );
}
