/**
 * `status --watch`: where migrations stand, again and again until they have ended. What is shown is decided by pure
 * functions, and written by one of three views: for a terminal, for a log, as JSON.
 */
import { sleep as realSleep } from '../db/wait.js';
import { FailedError } from '../errors.js';
import { isEnded } from '../model/phase.js';
import type { MigrationStatus } from '../api/status.js';
import { defaultRunSettings } from '../settings/table.js';
import { count, duration } from '../report/format.js';
import type { Look } from '../report/paint.js';
import { initialProgress, type ProgressState } from '../model/progress.js';
import { progressLine, renderProgress } from '../report/progress-text.js';
import { createScreen } from '../report/screen.js';
import { runnerText, statusDetails, statusTable } from './status-text.js';

export type WatchedStatus = MigrationStatus;

export interface WatchView {
  show(migrations: readonly WatchedStatus[], now: number): void;
  /** It could not be looked; what was shown last is of the past. */
  showFailure(message: string, now: number): void;
  /** Leaves the last picture where it is. */
  close(): void;
}

export interface WatchStatusOptions {
  /** Its signal is one of its own: what listens to it is gone with it. */
  readonly read: (signal: AbortSignal) => Promise<readonly WatchedStatus[]>;
  readonly view: WatchView;
  /** Ends it quietly. */
  readonly signal: AbortSignal;
  readonly now?: () => number;
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** The run says where it stands once a second. */
const everyMs = 1000;
/** A busy server makes a word of the run's late; after so long it is no longer where it stands. */
const freshSeconds = 10;
/** A log that says the same figures every second is not read. */
const linesEveryMs = 5000;
/** As long as a run itself waits for a server that is gone. */
const patienceMs = defaultRunSettings.retryForMs;
/** A server that restarts fails like this, and one on which somebody cancels our statement. */
const passing: readonly string[] = ['cannot-connect', 'connection-lost', 'server-error'];

/**
 * Returns what was seen last, when all of it has ended or when the signal aborts.
 *
 * @throws what `read` throws at first; later, a connection that cannot be made for ten minutes
 */
export async function watchStatus(options: WatchStatusOptions): Promise<readonly WatchedStatus[]> {
  const { read, view, signal, now = Date.now, sleep = realSleep } = options;
  let seen: readonly WatchedStatus[] = [];
  let seenAt: number | null = null;
  try {
    while (!signal.aborted) {
      try {
        seen = await withOwnSignal(signal, read);
        seenAt = now();
        view.show(seen, seenAt);
        if (seen.every(({ phase }) => isEnded(phase))) return seen;
      } catch (error) {
        if (signal.aborted) return seen;
        const isPassing = error instanceof FailedError && passing.includes(error.code);
        if (!isPassing || seenAt === null || now() - seenAt > patienceMs) throw error;
        view.showFailure(error.message, now());
      }
      await sleep(everyMs, signal).catch((error: unknown) => {
        if (!signal.aborted) throw error;
      });
    }
    return seen;
  } finally {
    view.close();
  }
}

/** Runs the work with a signal that nobody listens to afterwards: a watch takes days, and looks every second. */
async function withOwnSignal<T>(signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const each = new AbortController();
  const abort = (): void => each.abort(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await work(each.signal);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** What a terminal shows: the run's own display where there is one, else the facts. */
export function watchBlock(migrations: readonly WatchedStatus[], look: Look, now: number): string[] {
  const [only] = migrations;
  if (migrations.length === 1 && only !== undefined) return details(only, look, now);
  const running = migrations.flatMap((migration) => {
    const state = freshState(migration);
    return state === null ? [] : [['', ...renderProgress(state, look, now)]];
  });
  return [...statusTable(migrations, look), ...running.flat()];
}

function details(migration: WatchedStatus, look: Look, now: number): string[] {
  const state = freshState(migration);
  if (state !== null) return renderProgress(state, look, now);
  const silent = silentFor(migration);
  return [
    ...statusDetails(migration, look),
    ...(silent === null
      ? []
      : [`  ${look.paint('yellow', `nothing heard of its run for ${duration(silent)}`)}`]),
  ];
}

/** One line for a log: `migration 7 public.orders: copy · 52 % · 1,560,000 rows`. */
export function watchLine(migration: WatchedStatus, look: Look): string {
  const state = freshState(migration);
  const { id, table, phase, percent, backlog, paused } = migration;
  const facts = [
    phase,
    `${percent} %`,
    `backlog ${count(backlog)}`,
    `run: ${runnerText(migration)}`,
    ...(paused ? ['paused'] : []),
    ...(silentFor(migration) === null ? [] : ['nothing heard of it']),
  ];
  const text =
    state === null
      ? isEnded(phase)
        ? phase
        : facts.join(` ${look.symbols.separator} `)
      : progressLine(state, look);
  return `migration ${id} ${table}: ${text}`;
}

/** The run's own last word; null when nobody runs it, or nothing was heard of it lately. */
export function freshState({ phase, runnerPid, progress }: WatchedStatus): ProgressState | null {
  if (isEnded(phase) || runnerPid === null || progress === null) return null;
  if (progress.ageSeconds > freshSeconds || progress.state.id === null) return null;
  // An older version of the program may know less of where it stands.
  return { ...initialProgress, ...progress.state };
}

function silentFor({ phase, runnerPid, progress }: WatchedStatus): number | null {
  if (isEnded(phase) || runnerPid === null || progress === null) return null;
  return progress.ageSeconds > freshSeconds ? progress.ageSeconds : null;
}

/** Draws over itself. */
export function terminalView(stream: NodeJS.WriteStream, look: () => Look): WatchView {
  const screen = createScreen(stream);
  let seen: readonly WatchedStatus[] = [];
  return {
    show(migrations, now) {
      seen = migrations;
      screen.draw(watchBlock(seen, look(), now));
    },
    showFailure(message, now) {
      const current = look();
      screen.draw([...watchBlock(seen, current, now), current.paint('yellow', oneLine(message))]);
    },
    close: () => screen.done(),
  };
}

/** A line for each migration that has changed, all of them at most every five seconds; the end is told at once. */
export function linesView(write: (line: string) => void, look: Look): WatchView {
  const told = new Map<number, { readonly line: string; readonly phase: string }>();
  let toldAt = -Infinity;
  let failure: string | null = null;
  return {
    show(migrations, now) {
      failure = null;
      if (migrations.length === 0) write('no migrations in this database');
      const isDue = now - toldAt >= linesEveryMs;
      for (const migration of migrations) {
        const { id, phase } = migration;
        const line = watchLine(migration, look);
        const before = told.get(id);
        const hasEnded = isEnded(phase) && before?.phase !== phase;
        if (line === before?.line || !(isDue || hasEnded)) continue;
        write(line);
        told.set(id, { line, phase });
        toldAt = now;
      }
    },
    showFailure(message) {
      if (message !== failure) write(oneLine(message));
      failure = message;
    },
    close: () => undefined,
  };
}

/** An object for each migration that has changed. */
export function jsonView(write: (line: string) => void): WatchView {
  const told = new Map<number, string>();
  return {
    show(migrations) {
      for (const migration of migrations) {
        const { id, progress } = migration;
        // That time has passed is no change.
        const essence = JSON.stringify({ ...migration, progress: progress?.state ?? null });
        if (told.get(id) === essence) continue;
        told.set(id, essence);
        write(JSON.stringify(migration));
      }
    },
    showFailure: () => undefined,
    close: () => undefined,
  };
}

function oneLine(message: string): string {
  return `cannot look at it: ${message.split('\n', 1)[0]}; trying again`;
}
