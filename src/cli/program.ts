/** The program: its commands, and the one place where a failure becomes text, JSON and an exit code. */
import { CommanderError } from '@commander-js/extra-typings';
import { ExitCode } from '../errors.js';
import { failureLine } from '../report/json-lines.js';
import { createCommand } from './command.js';
import { abortCommand } from './commands/abort.js';
import { demoCommand } from './commands/demo.js';
import { finalizeCommand } from './commands/finalize.js';
import { planCommand } from './commands/plan.js';
import { runCommand } from './commands/run.js';
import { statusCommand } from './commands/status.js';
import { cutoverCommand, pauseCommand, setCommand, unpauseCommand } from './commands/steer.js';
import { rollbackCommand, rollforwardCommand, syncCommand } from './commands/turn.js';
import { verifyCommand } from './commands/verify.js';
import { describeFailure, failureLines } from './failure.js';
import type { Invocation } from './invocation.js';
import { packageVersion } from './version.js';

/** Runs one command line (without the program's name) and returns its exit code; throws nothing. */
export async function runProgram(args: readonly string[], invocation: Invocation): Promise<number> {
  try {
    await createProgram(invocation).parseAsync([...args], { from: 'user' });
    return invocation.outcome.exitCode;
  } catch (error) {
    // Help and version that were asked for arrive here too.
    if (error instanceof CommanderError && error.exitCode === 0) return ExitCode.done;
    return fail(error, invocation);
  }
}

/** Tells a failure; also used for what no command has caught. */
export function fail(error: unknown, { stdout, stderr, redact, outcome }: Invocation): ExitCode {
  const failure = describeFailure(error, redact);
  if (outcome.json) stdout.line(failureLine(failure, outcome.migrationId, new Date()));
  if (!outcome.json || outcome.debug) {
    const look = stderr.look(outcome.colour);
    failureLines(failure, look.paint, { stack: outcome.debug }).forEach((line) => stderr.line(line));
  }
  const { message, ...fields } = failure;
  outcome.fileLogger?.error({ event: 'error', id: outcome.migrationId, ...fields }, message);
  return failure.exitCode;
}

function createProgram(invocation: Invocation) {
  const program = createCommand('pg-ghost', invocation)
    .description(
      'Changes the shape of big PostgreSQL tables while the application goes on reading and writing them.',
    )
    .version(packageVersion(), '-V, --version')
    .addHelpText(
      'after',
      `
Exit: 0 done, 1 failed, 2 wrong usage, 3 refused, 4 verification found differences,
      5 no lock for the swap within the deadline, 6 outcome unknown, 130 interrupted

Example:
  $ export DATABASE_URL=postgres://me@db.example.com/shop
  $ pg-ghost plan --table orders --alter "ALTER COLUMN id TYPE bigint"
  $ pg-ghost run  --table orders --alter "ALTER COLUMN id TYPE bigint"
  $ pg-ghost finalize 1`,
    );
  program.addCommand(planCommand(invocation));
  program.addCommand(runCommand(invocation));
  program.addCommand(statusCommand(invocation));
  program.addCommand(pauseCommand(invocation));
  program.addCommand(unpauseCommand(invocation));
  program.addCommand(setCommand(invocation));
  program.addCommand(cutoverCommand(invocation));
  program.addCommand(verifyCommand(invocation));
  program.addCommand(abortCommand(invocation));
  program.addCommand(rollbackCommand(invocation));
  program.addCommand(rollforwardCommand(invocation));
  program.addCommand(syncCommand(invocation));
  program.addCommand(finalizeCommand(invocation));
  program.addCommand(demoCommand(invocation));
  return program;
}
