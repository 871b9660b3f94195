/** `pg-ghost run`: makes the change, or continues where an earlier run stopped. */
import { combineListeners } from '../../run/emitter.js';
import type { EventListener } from '../../model/event.js';
import { createChangeCommand } from '../change-command.js';
import { work } from '../command.js';
import { Company } from '../company.js';
import { type Aftermath, interruptionOf } from '../interrupts.js';
import type { Invocation, Outcome } from '../invocation.js';
import { outputOptions } from '../options.js';
import { createReporter } from '../display.js';
import { readRequest } from '../given-change.js';
import { settingsOf } from '../setting-options.js';
import { LockCost, summaryLines, wholeCostMs } from '../summary.js';

export function runCommand(invocation: Invocation) {
  return createChangeCommand('run', invocation)
    .description('make the change; after a crash or Ctrl-C the same command continues')
    .addOption(outputOptions.json)
    .addOption(outputOptions.logLevel)
    .addOption(outputOptions.logFile)
    .addOption(outputOptions.noColor)
    .action(async (values) => {
      const { stdout, stderr, outcome } = invocation;
      const isResumedAlone = values.resume !== undefined && values.table === undefined;
      const request = isResumedAlone ? undefined : await readRequest(values);
      const settings = settingsOf(values, invocation.env);
      const reporter = createReporter(invocation, { json: values.json ?? false, colour: values.color });
      try {
        await work(
          invocation,
          values,
          async ({ library, common, log }) => {
            const cost = new LockCost();
            await using company = await Company.gather(invocation, {
              hooks: values.hook ?? [],
              metricsPort: values.metricsPort,
              cancelSignal: common.cancelSignal,
              log,
              aside: (write) => reporter.above(write),
            });
            if (company.metricsUrl !== null) {
              reporter.above(() => stderr.line(`metrics: ${company.metricsUrl}`));
            }
            const result = await company.accompany(
              {
                ...common,
                ...(request === undefined ? {} : { request }),
                ...(values.resume === undefined ? {} : { resume: values.resume }),
                settings,
                onEvent: combineListeners([rememberId(outcome), reporter.listener, log, cost.listener]),
              },
              (options) => library.migrate(options),
              (error) => interruptionOf(error, common.signal, aftermath(outcome)),
            );
            reporter.close();
            if (!outcome.json) {
              const costMs = await wholeCostMs(library, common, result.id, cost);
              const lines = summaryLines(result, stdout.look(values.color), costMs);
              lines.forEach((line) => stdout.line(line));
            }
          },
          {
            finishing: 'stopping after the current chunk',
            aftermath: () => aftermath(outcome),
            aside: (write) => reporter.above(write),
          },
        );
      } finally {
        reporter.close();
      }
    });
}

function rememberId(outcome: Outcome): EventListener {
  return ({ id }) => {
    outcome.migrationId ??= id;
  };
}

function aftermath({ migrationId: id }: Outcome): Aftermath {
  return id === null
    ? { state: 'nothing was changed' }
    : { state: 'state kept', hint: `the same command continues, pg-ghost abort ${id} undoes` };
}
