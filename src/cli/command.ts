/** What all commands have in common: how they are made, and the surroundings of their work. */
import { Command } from '@commander-js/extra-typings';
import { connectionNotices } from '../db/connection.js';
import type { ConnectionOptions } from '../db/conninfo/connection-options.js';
import { InterruptedError } from '../errors.js';
import type { EventListener } from '../model/event.js';
import { logReporter } from '../report/log.js';
import { connectionFrom } from './given-connection.js';
import { type Aftermath, interruptionOf, Interrupts } from './interrupts.js';
import { inCommandLines } from './command-line.js';
import type { Invocation, Library } from './invocation.js';
import { createLogging, type LogLevel } from './logging.js';

/** Its help goes to our streams; its errors are thrown, and told in one place (program.ts). */
export function createCommand(name: string, { stdout, stderr }: Invocation): Command {
  return new Command(name)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: (text) => stderr.write(text),
      outputError: () => undefined,
      getOutHelpWidth: () => Math.min(110, stdout.look(false).width),
      getErrHelpWidth: () => Math.min(110, stderr.look(false).width),
    })
    .allowExcessArguments(false);
}

export interface CommonValues {
  readonly dsn?: string | undefined;
  readonly json?: boolean | undefined;
  readonly color: boolean;
  readonly logLevel?: LogLevel | undefined;
  readonly logFile?: string | undefined;
}

export interface Work {
  readonly library: Library;
  /** What every function of the library takes. */
  readonly common: {
    readonly connection: ConnectionOptions;
    readonly signal: AbortSignal;
    readonly cancelSignal: AbortSignal;
  };
  readonly log: EventListener;
}

export interface WorkOptions {
  /** As in `InterruptsOptions`. */
  readonly finishing?: string;
  readonly aftermath?: () => Aftermath;
  /** Writes beside a live display. */
  readonly aside?: (write: () => void) => void;
}

/** Runs the body of a command with its log open and its signal handlers in place. */
export async function work(
  invocation: Invocation,
  values: CommonValues,
  body: (work: Work) => Promise<void>,
  {
    finishing,
    aftermath = () => ({ state: 'nothing is lost' }),
    aside = (write) => write(),
  }: WorkOptions = {},
): Promise<void> {
  const { stderr, redact, env, outcome, signals } = invocation;
  outcome.json = values.json ?? false;
  outcome.colour = values.color;
  outcome.debug = values.logLevel === 'debug';
  const logging = createLogging({
    level: values.logLevel,
    file: values.logFile,
    write: (text) => aside(() => stderr.write(text)),
    pretty: stderr.isTTY && !outcome.json,
    colour: stderr.coloured(outcome.colour),
    redact,
  });
  outcome.fileLogger = logging.fileLogger;
  const interrupts = new Interrupts(signals, {
    finishing: finishing ?? null,
    tell: (text) => aside(() => stderr.line(`pg-ghost: ${text}`)),
    end: () =>
      aside(() =>
        invocation.end(
          new InterruptedError(
            'interrupted',
            'stopped as asked; what was waited for did not answer',
            aftermath(),
          ),
        ),
      ),
  });
  const { signal, cancelSignal } = interrupts;
  try {
    const connection = connectionFrom(values.dsn, env);
    for (const notice of connectionNotices(connection)) aside(() => stderr.line(`pg-ghost: ${notice}`));
    await body({
      library: inCommandLines(await invocation.library()),
      common: { connection, signal, cancelSignal },
      log: logReporter(logging.logger),
    });
  } catch (error) {
    throw interruptionOf(error, signal, aftermath());
  } finally {
    interrupts[Symbol.dispose]();
  }
}
