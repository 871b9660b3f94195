/** `pg-ghost plan`: what would happen. Changes nothing. */
import { Option } from '@commander-js/extra-typings';
import { ExitCode, UsageError } from '../../errors.js';
import { metricsReporter } from '../../report/metrics.js';
import { planObject } from '../../report/plan-json.js';
import { renderPlan } from '../../report/plan-text.js';
import { createChangeCommand } from '../change-command.js';
import { commandLine, inCommands } from '../command-line.js';
import { work } from '../command.js';
import { givenOptions } from '../given-options.js';
import type { Invocation } from '../invocation.js';
import { startMetricsServer } from '../metrics-server.js';
import { outputOptions } from '../options.js';
import { readRequest } from '../given-change.js';
import { settingsOf } from '../setting-options.js';

export function planCommand(invocation: Invocation) {
  return createChangeCommand('plan', invocation)
    .description('show what a change would do: verdict, steps, locks, sizes, what depends on the table')
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
    .action(async (values) => {
      const { stdout, outcome, env, redact } = invocation;
      if (values.resume !== undefined) throw nothingToPlan(values.resume);
      const request = await readRequest(values);
      const settings = settingsOf(values, env);
      await work(invocation, values, async ({ library, common, log }) => {
        await assertFree(values.metricsPort);
        const plan = await library.plan({
          ...common,
          request,
          settings,
          onEvent: log,
          ...(values.rehearse === true ? { rehearse: true } : {}),
        });
        const given = givenOptions(settings, values, redact);
        stdout.line(
          outcome.json
            ? JSON.stringify(inCommands(planObject(plan, given)))
            : renderPlan(plan, stdout.look(outcome.colour), {
                verbose: values.verbose === true,
                given,
                say: commandLine,
              }),
        );
        if (plan.verdict === 'refused') outcome.exitCode = ExitCode.refused;
      });
    });
}

/** A resumed run goes by the plan that it began with, from where it stands. */
function nothingToPlan(id: number): UsageError {
  return new UsageError(
    'resume-is-planned',
    `migration ${id} has its plan already: run --resume ${id} goes on with it`,
    {
      state: 'nothing was changed',
      hint: `pg-ghost status ${id} shows the change and how far it is; without --resume another change can be planned`,
    },
  );
}

/** As a run finds it, before anything else. @throws UsageError `metrics-port` */
async function assertFree(port: number | undefined): Promise<void> {
  if (port === undefined) return;
  await using _server = await startMetricsServer(port, metricsReporter());
}
