/** Any thrown value as what is told about it: the exit code, the JSON line, and the text for people. Pure. */
import { CommanderError } from '@commander-js/extra-typings';
import { inWords } from '../advice.js';
import { isServerError, messageOf } from '../db/sqlstate.js';
import { ExitCode, PgGhostError, type Refusal, RefusedError } from '../errors.js';
import type { FailureFields } from '../report/json-lines.js';
import type { Paint } from '../report/paint.js';
import type { Redact } from '../report/redact.js';
import { commandText, inCommands } from './command-line.js';

export interface Failure extends FailureFields {
  readonly exitCode: ExitCode;
  readonly reasons?: readonly Refusal[];
  /** Only for errors that nobody foresaw: those are bugs. */
  readonly stack: string | null;
}

export function describeFailure(error: unknown, redact: Redact): Failure {
  return redactStrings(inCommands(describe(error)), redact);
}

function describe(error: unknown): Failure {
  if (error instanceof CommanderError) {
    return {
      code: 'usage',
      // Called without any command, it has shown the help, and this is not a text of its own.
      message:
        error.code === 'commander.help' ? 'a command is missing' : error.message.replace(/^error: /, ''),
      state: null,
      hint: null,
      exitCode: ExitCode.usage,
      cause: null,
      stack: null,
    };
  }
  if (error instanceof PgGhostError) {
    return {
      code: error.code,
      message: error.message,
      state: error.told.state === null ? null : commandText(error.told.state),
      hint: error.told.hint === null ? null : commandText(error.told.hint),
      exitCode: error.exitCode,
      ...(Object.keys(error.details).length > 0 ? { details: error.details } : {}),
      ...(error instanceof RefusedError ? { reasons: error.reasons } : {}),
      cause: causeText(error),
      stack: null,
    };
  }
  return {
    code: 'unexpected',
    message: isServerError(error) ? serverText(error) : messageOf(error) || 'an error without a message',
    state: null,
    hint: 'this is a bug in pg-ghost; --log-level debug shows where',
    exitCode: ExitCode.failed,
    cause: error instanceof Error ? causeText(error) : null,
    stack: error instanceof Error ? (error.stack ?? null) : null,
  };
}

/** The first error of the chain that is not ours, unless the message quotes it already. */
function causeText(error: Error): string | null {
  let cause: unknown = error.cause;
  while (cause instanceof PgGhostError) cause = cause.cause;
  if (cause === undefined || cause === null) return null;
  const text = isServerError(cause) ? serverText(cause) : messageOf(cause);
  return text === '' || error.message.includes(messageOf(cause)) ? null : text;
}

/** Without its detail, which may quote the users' rows. */
function serverText(error: Error & { readonly code: string }): string {
  return `PostgreSQL ${error.code}: ${error.message}`;
}

/** The lines for stderr: message, cause, state, hint. */
export function failureLines(failure: Failure, paint: Paint, { stack = false } = {}): string[] {
  const { reasons = [], exitCode, message, cause, state, hint } = failure;
  const refused = exitCode === ExitCode.refused && reasons.length > 0;
  const label = (name: string): string => paint('dim', `${name}:`.padEnd(6));
  const facts = [
    ...(cause === null ? [] : [['cause', cause] as const]),
    ...(state === null ? [] : [['state', state] as const]),
    // Each reason of a refusal has brought its own.
    ...(hint === null || refused ? [] : [['hint', hint] as const]),
  ];
  return [
    ...(refused
      ? [paint('red', 'refused:'), ...reasons.flatMap((reason) => reasonLines(reason, paint))]
      : [`${paint('red', exitCode === ExitCode.interrupted ? 'stopped:' : 'error:')} ${message}`]),
    ...facts.map(([name, text]) => `${label(name)} ${text.replaceAll('\n', `\n${' '.repeat(7)}`)}`),
    ...(stack && failure.stack !== null ? [failure.stack] : []),
  ];
}

function reasonLines({ message, hint }: Refusal, paint: Paint): string[] {
  const inner = (text: string): string => text.replaceAll('\n', '\n    ');
  return [
    `  - ${inner(message)}`,
    ...(hint === undefined ? [] : [`    ${paint('dim', inner(inWords(hint)))}`]),
  ];
}

function redactStrings<T>(value: T, redact: Redact): T {
  if (typeof value === 'string') return redact(value) as T;
  if (Array.isArray(value)) return value.map((item: unknown) => redactStrings(item, redact)) as T;
  if (value === null || typeof value !== 'object' || value instanceof Date) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, redactStrings(item as unknown, redact)]),
  ) as T;
}
