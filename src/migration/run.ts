/** Runs a migration's phases one after the other, from wherever it stands. Only sequences: the work is in `phases/`. */
import { Session } from '../db/session.js';
import { isConnectionLost, isServerError, messageOf, sqlState, SqlState } from '../db/sqlstate.js';
import { sleep } from '../db/wait.js';
import { FailedError, InterruptedError, PgGhostError } from '../errors.js';
import type { Emit, Phase } from '../report/events.js';
import { displayName } from '../sql/quote.js';
import { joinRun, runPids, terminateRun } from '../state/fence.js';
import {
  deleteMigration,
  findMigration,
  setError,
  setPhase,
  type MigrationRecord,
} from '../state/migrations.js';
import { dropEmptyState } from '../state/schema.js';
import { schemasOf } from '../state/schema-sql.js';
import { fenced } from './abort.js';
import { asCopyPlan, onAnySession, RunSessions, type RunContext } from './context.js';
import { next, type Transition } from './machine.js';
import { catchUp } from './phases/catch-up.js';
import { copy } from './phases/copy.js';
import { swap } from './phases/cutover.js';
import { buildIndexes } from './phases/index-builds.js';
import { prepare, undoPrepare } from './phases/prepare.js';
import { purge } from './phases/purge.js';
import { validate } from './phases/validate.js';
import { settle } from './phases/settle.js';
import { readMark } from './source-check.js';
import type { MigrateOptions, RunSettings } from './types.js';

export interface RunWork {
  readonly options: MigrateOptions;
  readonly settings: RunSettings;
  readonly control: Session;
  readonly record: MigrationRecord;
  readonly fresh: boolean;
  readonly emit: Emit;
  readonly signal: AbortSignal;
}

export interface RunOutcome {
  readonly old: string;
  readonly rows: number;
  readonly holdMs: number;
}

type RunningPhase = Exclude<Phase, 'swapped' | 'finalized' | 'aborted'>;

/** Each phase may be run again from its start; see `machine.ts` for where a resumed run begins. */
const work: Readonly<Record<RunningPhase, (context: RunContext) => Promise<Transition>>> = {
  prepare,
  copy,
  purge,
  index: buildIndexes,
  'catch-up': catchUp,
  settle,
  cutover: swap,
  validate,
};

export async function runMigration(run: RunWork): Promise<RunOutcome> {
  const { control, record, emit, signal } = run;
  const { id } = record;
  const sessions = new RunSessions(run.options.connection, id, record.plan.settings);
  const context: RunContext = {
    id,
    plan: asCopyPlan(record.plan),
    schemas: schemasOf(id),
    control,
    sessions,
    settings: run.settings,
    emit,
    signal,
  };
  await fenced(control, id, signal, () => terminateRun(control, id));
  await joinRun(control, id);
  await control.set(record.plan.settings);
  const cancel = (): void => void sessions.cancelAll().catch(() => undefined);
  run.options.cancelSignal?.addEventListener('abort', cancel, { once: true });
  control.lost.addEventListener('abort', cancel, { once: true });

  const started = run.fresh ? record.phase : (next(record.phase, 'resumed') ?? record.phase);
  emit('migration:started', {
    table: displayName(record.table),
    shadow: displayName({ schema: context.schemas.shadow, name: record.table.name }),
    fresh: run.fresh,
    phase: started,
  });
  let phase: Phase = started;
  try {
    while (isRunning(phase)) phase = await runPhase(context, phase);
  } catch (error) {
    throw await failed(context, phase, error);
  } finally {
    run.options.cancelSignal?.removeEventListener('abort', cancel);
    control.lost.removeEventListener('abort', cancel);
  }
  return outcome(context);
}

function isRunning(phase: Phase): phase is RunningPhase {
  return phase in work;
}

async function runPhase(context: RunContext, phase: RunningPhase): Promise<Phase> {
  const { control, id, emit, signal } = context;
  signal.throwIfAborted();
  // `copy` begins in the transaction that switches capture on, `swapped` in the swap's own.
  if (phase !== 'prepare' && phase !== 'copy' && phase !== 'validate') await setPhase(control, id, phase);
  emit('phase:started', { phase });
  const started = performance.now();
  const transition = await work[phase](context);
  const following = next(phase, transition);
  if (following === null) throw new Error(`phase ${phase} cannot end with "${transition}"`);
  if (transition === 'done') emit('phase:done', { phase, seconds: (performance.now() - started) / 1000 });
  return following;
}

async function outcome(context: RunContext): Promise<RunOutcome> {
  const { id, plan, schemas } = context;
  const record = await onAnySession(context, (session) => findMigration(session, id));
  return {
    old: displayName({ schema: schemas.old, name: plan.table.name }),
    rows: record?.rowsCopied ?? 0,
    holdMs: record?.holdMs ?? 0,
  };
}

/** Turns whatever ended the run into one of our errors, and keeps it where `status` finds it. */
async function failed(context: RunContext, phase: Phase, error: unknown): Promise<unknown> {
  const { control, id } = context;
  const known = (await sourceIsGone(context, error)) ?? describeFailure(context, phase, error);
  if (phase === 'prepare' && !control.lost.aborted) {
    // Nothing has been captured or copied yet, so nothing is worth keeping.
    await undoPrepare(context);
    await deleteMigration(control, id);
    await dropEmptyState(control);
    return known instanceof InterruptedError ? interruptedBeforeCapture() : known;
  }
  if (!(known instanceof PgGhostError)) return known;
  if (known.code === 'connection-lost' && (await wasTakenOver(context))) return takenOver(context);
  const { code, message, hint } = known;
  await onAnySession(context, (session) => setError(session, id, { code, message, hint })).catch(
    () => undefined,
  );
  return known;
}

function interruptedBeforeCapture(): InterruptedError {
  return new InterruptedError(
    'interrupted-early',
    'stopped as asked, before anything was captured or copied',
    {
      state: 'nothing was changed, nothing is left behind',
      hint: 'run the same command again to begin anew',
    },
  );
}

/** Whichever statement was the first to miss it. */
async function sourceIsGone(context: RunContext, error: unknown): Promise<PgGhostError | null> {
  if (sqlState(error) !== SqlState.undefinedTable) return null;
  return await readMark(context.control, context).then(
    () => null,
    (found: unknown) => (found instanceof PgGhostError ? found : null),
  );
}

/** `abort` from elsewhere ends our backends; from here that looks like a lost connection. */
async function wasTakenOver(context: RunContext): Promise<boolean> {
  const { id } = context;
  for (let look = 0; look < takeOverLooks; look += 1) {
    const seen = await onAnySession(context, async (session) => ({
      phase: (await findMigration(session, id))?.phase,
      runner: (await runPids(session, id)).runner,
    })).catch(() => null);
    if (seen === null) return false;
    if (seen.phase === 'aborted' || (seen.runner !== null && seen.runner !== context.control.pid))
      return true;
    await sleep(takeOverPauseMs);
  }
  return false;
}

/** Whoever ended our backends needs a moment to take their place. */
const takeOverLooks = 5;
const takeOverPauseMs = 200;

function takenOver({ id }: RunContext): FailedError {
  return new FailedError('taken-over', `migration ${id} was ended or taken over by another session`, {
    state: 'this run has stopped; the source is untouched',
    hint: `pg-ghost status ${id} says where it stands`,
  });
}

function describeFailure(context: RunContext, phase: Phase, error: unknown): unknown {
  const { id, signal } = context;
  // Cancelled statements, closed sessions: all of it is what the interruption looks like from below.
  if (signal.aborted) return signal.reason;
  if (error instanceof PgGhostError) return error;
  const kept = {
    state:
      phase === 'prepare'
        ? 'nothing was changed'
        : `the source is untouched; migration ${id} keeps its state (phase ${phase})`,
    hint:
      phase === 'prepare'
        ? 'remove the cause and run the same command again'
        : `remove the cause and run the same command again, or pg-ghost abort ${id} to undo`,
    cause: error,
  };
  if (isConnectionLost(error)) {
    return new FailedError(
      'connection-lost',
      `the connection to the server was lost: ${messageOf(error)}`,
      kept,
    );
  }
  if (isServerError(error)) {
    return new FailedError('server-error', `PostgreSQL: ${error.message} (SQLSTATE ${error.code})`, kept);
  }
  return error;
}
