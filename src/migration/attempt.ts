/** One attempt of a run: the phases one after the other, from wherever the migration stands, on one set of sessions. */
import { LogKeeper } from '../capture/log-keeper.js';
import type { Session } from '../db/session.js';
import type { Emit, Phase } from '../report/events.js';
import type { ProgressState } from '../report/progress.js';
import { displayName } from '../sql/quote.js';
import { joinRun } from '../state/fence.js';
import { activeSegmentSql, findMigration, setPhase, type MigrationRecord } from '../state/migrations.js';
import { schemasOf } from '../state/schema-sql.js';
import { asCopyPlan, onAnySession, RunSessions, type RunContext } from './context.js';
import { runSignal, SessionLost } from './interrupt.js';
import { compacting } from './log-minder.js';
import { next, type Transition } from './machine.js';
import { catchUp } from './phases/catch-up.js';
import { copy } from './phases/copy.js';
import { swap } from './phases/cutover.js';
import { buildIndexes } from './phases/index-builds.js';
import { prepare } from './phases/prepare.js';
import { purge } from './phases/purge.js';
import { settle } from './phases/settle.js';
import { validate } from './phases/validate.js';
import { verify } from './phases/verify.js';
import { Pulse } from './pulse.js';
import type { MigrateOptions, RunSettings } from './types.js';

export interface Attempt {
  readonly options: MigrateOptions;
  readonly settings: RunSettings;
  readonly control: Session;
  readonly record: MigrationRecord;
  readonly runNo: number;
  /** Nothing of the migration was done before. */
  readonly fresh: boolean;
  readonly emit: Emit;
  readonly progress: () => ProgressState;
  /** Of the user. */
  readonly signal: AbortSignal;
}

export interface RunOutcome {
  readonly old: string;
  readonly rows: number;
  readonly holdMs: number;
}

/** What ended an attempt, and where. */
export class AttemptFailed extends Error {
  constructor(
    readonly context: RunContext,
    readonly phase: Phase,
    cause: unknown,
  ) {
    super('the attempt failed', { cause });
    // Asked now: the end of an attempt closes its sessions itself.
    this.sessionLost = context.signal.reason instanceof SessionLost || cause instanceof SessionLost;
  }

  /** When a session is lost the attempt's signal aborts, and whatever was under way fails in its own way. */
  readonly sessionLost: boolean;
}

type RunningPhase = Exclude<Phase, 'swapped' | 'finalized' | 'aborted'>;

/** Each phase may be run again from its start; see `machine.ts` for where a resumed run begins. */
const work: Readonly<Record<RunningPhase, (context: RunContext) => Promise<Transition>>> = {
  prepare,
  copy: compacting(copy),
  purge: compacting(purge),
  index: compacting(buildIndexes),
  'catch-up': catchUp,
  settle: compacting(settle),
  verify,
  cutover: swap,
  validate,
};

/** @throws AttemptFailed */
export async function attemptRun(attempt: Attempt): Promise<RunOutcome> {
  const { control, record, runNo, emit } = attempt;
  const { id } = record;
  const sessions = new RunSessions(attempt.options.connection, { id, runNo, pinned: record.plan.settings });
  let phase: Phase = attempt.fresh ? record.phase : (next(record.phase, 'resumed') ?? record.phase);
  const plan = asCopyPlan(record.plan);
  let context: RunContext = {
    id,
    plan,
    schemas: schemasOf(id),
    control,
    sessions,
    log: new LogKeeper({
      id,
      key: plan.key,
      active: record.activeSegment,
      storeActive: (segment) => activeSegmentSql(id, segment),
    }),
    settings: attempt.settings,
    emit,
    signal: attempt.signal,
    at: async (point) => attempt.options.onPoint?.(point),
  };
  const cancel = (): void => void sessions.cancelAll().catch(() => undefined);
  const { cancelSignal } = attempt.options;
  let pulse: Pulse | null = null;
  try {
    await joinRun(control, id, runNo);
    await control.set(record.plan.settings);
    pulse = new Pulse(await sessions.open('pulse'), id, attempt.progress);
    context = { ...context, signal: runSignal(attempt.signal, [control, pulse.session]) };
    cancelSignal?.addEventListener('abort', cancel, { once: true });
    control.lost.addEventListener('abort', cancel, { once: true });
    await context.at('claimed');
    emit('migration:started', {
      table: displayName(record.table),
      shadow: displayName({ schema: context.schemas.shadow, name: record.table.name }),
      fresh: attempt.fresh,
      phase,
    });
    while (isRunning(phase)) phase = await runPhase(context, phase);
    return await outcome(context);
  } catch (error) {
    throw new AttemptFailed(context, phase, error);
  } finally {
    cancelSignal?.removeEventListener('abort', cancel);
    control.lost.removeEventListener('abort', cancel);
    await pulse?.close();
    await sessions.releaseAll();
  }
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
