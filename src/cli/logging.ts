/** Logs: on stderr, pretty where a person reads it, and as JSON lines in a file. Passwords are masked on the way out. */
import { openSync, writeSync } from 'node:fs';
import { type Level, type Logger, multistream, pino, type StreamEntry } from 'pino';
import pretty from 'pino-pretty';
import { UsageError } from '../errors.js';
import type { Redact } from '../report/redact.js';

export type LogLevel = 'silent' | 'error' | 'warn' | 'info' | 'debug';

export interface LoggingOptions {
  readonly level?: LogLevel | undefined;
  readonly file?: string | undefined;
  /** Writes to stderr, beside a live display. */
  readonly write: (text: string) => void;
  /** For people: one short line instead of JSON. */
  readonly pretty: boolean;
  readonly colour: boolean;
  readonly redact: Redact;
}

export interface Logging {
  readonly logger: Logger;
  /** The file alone: for what is told on stderr in another form. */
  readonly fileLogger: Logger | null;
}

/** @throws UsageError `log-file` when the file cannot be opened */
export function createLogging(options: LoggingOptions): Logging {
  const { redact, write } = options;
  const stderr = { write: (text: string) => write(redact(text)) };
  const file = options.file === undefined ? null : openLogFile(options.file, redact);
  const fileLevel = options.level ?? 'info';
  const streams: StreamEntry[] = [
    ...entry(options.level ?? 'warn', options.pretty ? prettyStream(stderr, options.colour) : stderr),
    ...(file === null ? [] : entry(fileLevel, file)),
  ];
  return {
    logger: pino(base, multistream(streams)),
    fileLogger: file === null || fileLevel === 'silent' ? null : pino({ ...base, level: fileLevel }, file),
  };
}

/** The streams decide what they take. Host and process id are the log collector's business. */
const base = { level: 'debug', base: null };

function entry(level: LogLevel, stream: StreamEntry['stream']): StreamEntry[] {
  return level === 'silent' ? [] : [{ level: level satisfies Level, stream }];
}

/** In our process, not in a worker thread: a worker would keep the process alive and lose the last lines. */
function prettyStream(destination: { write(text: string): void }, colour: boolean): StreamEntry['stream'] {
  const format = pretty.prettyFactory({
    colorize: colour,
    // The message is the event's name.
    ignore: 'event,time',
    singleLine: true,
  });
  return { write: (line: string) => destination.write(format(line) ?? line) };
}

/** Open until the process ends: the failure that ends it is the last line. */
function openLogFile(path: string, redact: Redact): { write(text: string): void } {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'a', 0o640);
  } catch (cause) {
    throw new UsageError('log-file', `cannot write to the log file ${path}: ${(cause as Error).message}`, {
      cause,
    });
  }
  return {
    write: (text) => {
      try {
        writeSync(descriptor, redact(text));
      } catch {
        // A full disk must not end the migration that may be about to free space.
      }
    },
  };
}
