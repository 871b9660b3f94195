/** `pg-ghost run`: makes the change, or continues where an earlier run stopped. */
import { combineListeners } from '../../run/emitter.js';
import type { EventListener } from '../../model/event.js';
import { jsonReporter } from '../../report/json-reporter.js';
import { plainLinesReporter } from '../../report/plain-lines.js';
import type { Reporter } from '../../report/reporter.js';
import { terminalReporter } from '../../report/terminal.js';
import { checkThrottleQuery } from '../../throttle/signals/throttle-query.js';
import { createCommand, work } from '../command.js';
import { Company } from '../company.js';
import { type Aftermath, interruptionOf } from '../interrupts.js';
import type { Invocation, Outcome } from '../invocation.js';
import {
  connectionOptions,
  cutoverOptions,
  limitOptions,
  outputOptions,
  runOptions,
  shapeOptions,
} from '../options.js';
import { readRequest } from '../request.js';
import { runSettings } from '../run-settings.js';
import { LockCost, summaryLines, wholeCostMs } from '../summary.js';

export function runCommand(invocation: Invocation) {
  return createCommand('run', invocation)
    .description('make the change; after a crash or Ctrl-C the same command continues')
    .addOption(connectionOptions.dsn)
    .addOption(shapeOptions.table)
    .addOption(shapeOptions.alter)
    .addOption(shapeOptions.file)
    .addOption(shapeOptions.set)
    .addOption(shapeOptions.rewrite)
    .addOption(shapeOptions.matviews)
    .addOption(shapeOptions.allowPublicationAll)
    .addOption(runOptions.resume)
    .addOption(runOptions.workers)
    .addOption(runOptions.chunkTime)
    .addOption(runOptions.lockTimeout)
    .addOption(runOptions.maxHold)
    .addOption(runOptions.cutoverDeadline)
    .addOption(runOptions.verify)
    .addOption(runOptions.oldSnapshot)
    .addOption(runOptions.retryFor)
    .addOption(runOptions.hook)
    .addOption(runOptions.metricsPort)
    .addOption(runOptions.native)
    .addOption(limitOptions.maxLag)
    .addOption(limitOptions.criticalLag)
    .addOption(limitOptions.maxLagBytes)
    .addOption(limitOptions.criticalLagBytes)
    .addOption(limitOptions.replica)
    .addOption(limitOptions.maxActive)
    .addOption(limitOptions.criticalActive)
    .addOption(limitOptions.maxWaiters)
    .addOption(limitOptions.criticalWaiters)
    .addOption(limitOptions.maxWalRate)
    .addOption(limitOptions.criticalWalRate)
    .addOption(limitOptions.maxRetainedWal)
    .addOption(limitOptions.criticalRetainedWal)
    .addOption(limitOptions.maxXidAge)
    .addOption(limitOptions.criticalXidAge)
    .addOption(limitOptions.pauseOnAutovacuum)
    .addOption(limitOptions.throttleQuery)
    .addOption(limitOptions.pauseFile)
    .addOption(limitOptions.nice)
    .addOption(cutoverOptions.postponeCutover)
    .addOption(cutoverOptions.cutoverWindow)
    .addOption(cutoverOptions.maxHarm)
    .addOption(cutoverOptions.maxTotalHarm)
    .addOption(cutoverOptions.oldTransaction)
    .addOption(cutoverOptions.killBlockers)
    .addOption(outputOptions.json)
    .addOption(outputOptions.logLevel)
    .addOption(outputOptions.logFile)
    .addOption(outputOptions.noColor)
    .action(async (values) => {
      const { stdout, stderr, outcome } = invocation;
      if (values.throttleQuery !== undefined) checkThrottleQuery(values.throttleQuery);
      const isResumedAlone = values.resume !== undefined && values.table === undefined;
      const request = isResumedAlone ? undefined : await readRequest(values);
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
                settings: runSettings(values, invocation.env),
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

function createReporter(
  { stdout }: Invocation,
  { json, colour }: { json: boolean; colour: boolean },
): Reporter {
  if (json) return jsonReporter((line) => stdout.line(line));
  if (stdout.isTTY) return terminalReporter({ stream: stdout.terminal, look: () => stdout.look(colour) });
  return plainLinesReporter({ write: (line) => stdout.line(line), look: stdout.look(colour) });
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
