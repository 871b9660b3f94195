/** The entry point: the only file that knows the process. Sets its exit code and lets it end by itself. */
import { createRedactor } from '../report/redact.js';
import { secretsFrom } from './connection.js';
import { type Invocation, newOutcome } from './invocation.js';
import { Output } from './output.js';
import { fail, runProgram } from './program.js';

/** @param argv as `process.argv` */
export async function main(argv: readonly string[]): Promise<void> {
  const args = argv.slice(2);
  const { env } = process;
  const invocation: Invocation = {
    stdout: new Output(process.stdout, env),
    stderr: new Output(process.stderr, env),
    env,
    signals: process,
    redact: createRedactor(secretsFrom(args, env)),
    library: () => import('../index.js'),
    // Known before the options are parsed, since their errors are told in the same way.
    outcome: newOutcome(args.includes('--json')),
  };
  // Node would print the error as it is, with whatever password a library put into it.
  process.once('uncaughtException', (error) => {
    process.exit(fail(error, invocation));
  });
  process.exitCode = await runProgram(args, invocation);
}
