/** Runs a migration to its end, over lost connections and server restarts, for as long as these are worth waiting for. */
import { randomUUID } from 'node:crypto';
import type { Session } from '../db/session.js';
import { CaptureLost } from '../capture/capture.js';
import { isConnectionLost, isTransient } from '../db/sqlstate.js';
import { CommitOutcomeUnknown } from '../locks/commit-outcome.js';
import type { Emit } from '../model/event.js';
import { initialProgress, reduceProgress } from '../model/progress.js';
import { withdrawOpenCommands } from '../state/commands.js';
import { TakenOver } from '../state/fence.js';
import type { MigrationRecord } from '../state/migrations.js';
import type { ServerIdentity } from '../state/server-identity.js';
import { attemptRun, AttemptFailed, type RunOutcome } from './attempt.js';
import { claimRun } from './claim.js';
import type { Turn } from './context.js';
import { EventBook } from './event-book.js';
import { failed, takenOver } from './run-failure.js';
import type { Losses } from './lost-captures.js';
import { reconnect } from './reconnect.js';
import { Steering } from './steering.js';
import type { MigrateOptions } from './run-options.js';
import type { RunSettings } from '../settings/run-settings.js';

export interface RunWork {
  readonly options: MigrateOptions;
  readonly settings: RunSettings;
  readonly control: Session;
  readonly record: MigrationRecord;
  readonly fresh: boolean;
  readonly turn: Turn;
  readonly server: ServerIdentity;
  /** A backend that has the runner's lock but gave no sign of life for so long that it may be ended. */
  readonly stale: number | null;
  readonly emit: Emit;
  /** Of the user. */
  readonly signal: AbortSignal;
}

/**
 * After the commit of a swap whose answer was lost it is worth asking, even for somebody who wants no retries; and where a slot was lost,
 * nothing is wrong with the connection.
 */
const outcomePatienceMs = 60_000;
/** Conflicts with others that a phase could not get over by itself. */
const maxConflicts = 10;

/** @throws RunnerIsAlive; whatever ended the run, as one of our errors */
export async function runMigration(run: RunWork): Promise<RunOutcome> {
  const { options, settings, record, server, signal } = run;
  const { id } = record;
  let progress = initialProgress;
  const events = new EventBook();
  const losses: Losses = [];
  const emit: Emit = (event, payload) => {
    progress = reduceProgress(progress, { event, id, at: new Date(), ...payload } as never);
    events.note(event, payload);
    run.emit(event, payload);
  };
  const steering = new Steering(settings);
  const owner = randomUUID();
  const formerPids = new Set<number>();
  let conflicts = 0;
  let standing = {
    control: run.control,
    record,
    fresh: run.fresh,
    runNo: await claimRun({
      session: run.control,
      id,
      owner,
      server,
      mayEnd: (pid) => pid === run.stale,
      signal,
    }),
  };
  try {
    await withdrawOpenCommands(run.control, id);
    for (;;) {
      try {
        return await attemptRun({
          options,
          steering,
          turn: run.turn,
          events,
          losses,
          emit,
          progress: () => progress,
          signal,
          ...standing,
        });
      } catch (error) {
        if (!(error instanceof AttemptFailed)) throw error;
        const { cause } = error;
        const worthTrying = isLost(error) || (isTransient(cause) && (conflicts += 1) <= maxConflicts);
        if (!worthTrying || signal.aborted) throw await failed(error.context, error.phase, cause);
        formerPids.add(standing.control.pid);
        await standing.control.close();
        const next = await reconnect(
          {
            options,
            id,
            owner,
            server,
            formerPids,
            forMs:
              cause instanceof CommitOutcomeUnknown || cause instanceof CaptureLost
                ? Math.max(settings.retryForMs, outcomePatienceMs)
                : settings.retryForMs,
            emit,
            signal,
          },
          cause,
        ).catch((thrown: unknown) => {
          throw thrown instanceof TakenOver ? takenOver(id) : thrown;
        });
        if (next === null) throw await failed(error.context, error.phase, cause);
        standing = { ...next, fresh: false };
      }
    }
  } finally {
    // The first one is the caller's.
    if (standing.control !== run.control) await standing.control.close();
  }
}

function isLost({ cause, sessionLost }: AttemptFailed): boolean {
  return (
    sessionLost ||
    isConnectionLost(cause) ||
    cause instanceof CommitOutcomeUnknown ||
    cause instanceof CaptureLost
  );
}
