/** The entry point: the only file that knows the process. Sets its exit code and lets it end by itself. */
import { createRedactor } from '../report/redact.js';
import { secretsFrom } from './given-connection.js';
import { type Invocation, newOutcome } from './invocation.js';
import { Output } from './output.js';
import { fail, runProgram } from './program.js';

/** @param argv as `process.argv` */
export async function main(argv: readonly string[]): Promise<void> {
  const args = argv.slice(2);
  const { env } = process;
  const redact = createRedactor(secretsFrom(args, env));
  const shown = redact(args.join(' '));
  // Other users of the machine see the arguments of each process.
  if (shown !== args.join(' ')) process.title = `pg-ghost ${shown}`;
  const invocation: Invocation = {
    stdout: new Output(process.stdout, env),
    stderr: new Output(process.stderr, env),
    env,
    signals: process,
    redact,
    end: (error) => process.exit(fail(error, invocation)),
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
