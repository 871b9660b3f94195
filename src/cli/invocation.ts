/** One call of the program: where it writes, what it may use, and what the end of it has to know. */
import type { Logger } from 'pino';
import type { Redact } from '../report/redact.js';
import type { Environment } from './given-connection.js';
import type { SignalSource } from './interrupts.js';
import type { Output } from './output.js';

/** The library, as far as the command line uses it. */
export type Library = Pick<
  typeof import('../index.js'),
  | 'plan'
  | 'migrate'
  | 'status'
  | 'leftovers'
  | 'pause'
  | 'unpause'
  | 'set'
  | 'cutover'
  | 'verify'
  | 'abort'
  | 'rollback'
  | 'rollforward'
  | 'sync'
  | 'finalize'
>;

export interface Invocation {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Environment;
  readonly signals: SignalSource;
  readonly redact: Redact;
  /** Tells the failure and ends the process, whatever is under way. */
  readonly end: (error: unknown) => void;
  /** Loaded when a command needs it: `--help` does not wait for a parser compiled to WebAssembly. */
  readonly library: () => Promise<Library>;

  /** Put in by the command, for the end of the program. */
  readonly outcome: Outcome;
}

/** Mutable: a command that throws has told by then what its failure is to be printed with. */
export interface Outcome {
  exitCode: number;
  /** The migration that this is about, once it is known. */
  migrationId: number | null;
  json: boolean;
  /** False with `--no-color`. */
  colour: boolean;
  /** Stacks of unexpected errors are printed. */
  debug: boolean;
  /** The log file: failures are told on stderr in another form. */
  fileLogger: Logger | null;
}

export function newOutcome(json: boolean): Outcome {
  return { exitCode: 0, migrationId: null, json, colour: true, debug: false, fileLogger: null };
}
