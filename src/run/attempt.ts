/** One attempt of a run: the phases one after the other, from wherever the migration stands, on one set of sessions. */
import { advice, doing, toDo } from '../advice.js';
import type { Session } from '../db/session.js';
import { ownSettings } from '../db/settings.js';
import { FailedError } from '../errors.js';
import type { Emit } from '../model/event.js';
import {
  isEnded,
  isSwapped,
  next,
  phaseTable,
  wayFrom,
  type Phase,
  type RunningPhase,
} from '../model/phase.js';
import type { ProgressState } from '../model/progress.js';
import { displayName } from '../sql/quote.js';
import { joinRun } from '../state/fence.js';
import { findMigration, setPhase, type MigrationRecord } from '../state/migrations.js';
import type { Reason } from '../throttle/governor.js';
import type { SlotFacts } from '../catalog/slots.js';
import { allSignals } from '../throttle/signals.js';
import { Throttle } from '../throttle/throttle.js';
import {
  firstTable,
  onAnySession,
  onTable,
  RunSessions,
  type RunContext,
  type TableContext,
  type Turn,
} from './context.js';
import type { EventBook } from './event-book.js';
import { lookAgain, stopLooking } from './collecting.js';
import { createHolding } from './windows.js';
import { Feeds } from './feeds.js';
import { runSignal, SessionLost } from './interrupt.js';
import { LedgerBook } from './ledger-book.js';
import { asLoss, renewLost, type Losses } from './lost-captures.js';
import { workOf } from './phase-table.js';
import { sync } from './phases/sync.js';
import { Pulse, pulseSettings } from './pulse.js';
import type { Steering } from './steering.js';
import { tableWorks, turnWorks } from './table-works.js';
import type { MigrateOptions } from './run-options.js';

/** A figure for a curve; the throttle itself looks every second. */
const tellSlotEveryMs = 5_000;

export interface Attempt {
  readonly options: MigrateOptions;
  readonly control: Session;
  readonly record: MigrationRecord;
  readonly turn: Turn;
  readonly runNo: number;
  /** Nothing of the migration was done before. */
  readonly fresh: boolean;
  readonly emit: Emit;
  readonly progress: () => ProgressState;
  readonly steering: Steering;
  readonly events: EventBook;
  readonly losses: Losses;
  /** Of the user. */
  readonly signal: AbortSignal;
}

export interface RunOutcome {
  readonly old: string;
  readonly rows: number;
  readonly holdMs: number;
  /** Of a sync. */
  readonly keys: number;
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

/** @throws AttemptFailed */
export async function attemptRun(attempt: Attempt): Promise<RunOutcome> {
  const { control, record, runNo, emit, steering, options, turn } = attempt;
  const { id } = record;
  const works = turn.isFirst ? tableWorks(record) : await turnWorks(control, record, turn.direction);
  const pinned = works[0].plan.settings;
  const sessions = new RunSessions(options.connection, { id, runNo, pinned });
  const ledger = new LedgerBook(emit);
  let phase: Phase = startOf(attempt);
  let signal = attempt.signal;
  const critical = new AbortController();
  let signalOrCritical = AbortSignal.any([signal, critical.signal]);
  let watcher: Session | null = null;
  const context: RunContext = {
    id,
    identity: record.identity,
    turn,
    get tables() {
      return tables;
    },
    control,
    sessions,
    steering,
    ledger,
    emit,
    get settings() {
      return steering.settings;
    },
    get signal() {
      return phaseTable[phase].endsAtCriticalLimit ? signalOrCritical : signal;
    },
    get watcher() {
      return watcher ?? control;
    },
    get feeds() {
      return feeds;
    },
    beforeCutover: options.beforeCutover ?? null,
    at: async (point) => options.onPoint?.(point),
  };
  const feeds = new Feeds(context);
  const tables = works.map((work) => onTable(context, work));
  const cancel = (): void => void sessions.cancelAll().catch(() => undefined);
  const { cancelSignal } = options;
  let pulse: Pulse | null = null;
  let throttle: Throttle | null = null;
  try {
    await joinRun(control, id, runNo);
    await control.set({
      ...pinned,
      ...ownSettings,
      application_name: `pg-ghost ${id} control`,
    });
    const [eye, heart, gauge] = await Promise.all([
      sessions.open('watch'),
      sessions.open('pulse', pulseSettings),
      sessions.open('throttle'),
    ]);
    watcher = eye;
    // Before anything else is told of it: a limit that is passed already, say.
    emit('migration:started', {
      table: displayName(record.tables[0].table),
      shadow: displayName({ schema: works[0].schemas.shadow, name: record.tables[0].table.name }),
      fresh: attempt.fresh,
      phase,
    });
    throttle = await startThrottle(context, gauge, critical);
    steering.throttle = throttle;
    pulse = new Pulse({
      session: heart,
      id,
      state: attempt.progress,
      steering,
      ledger,
      events: attempt.events,
      emit,
    });
    signal = AbortSignal.any([runSignal(attempt.signal, [control, heart, eye]), feeds.failed]);
    signalOrCritical = AbortSignal.any([signal, critical.signal]);
    cancelSignal?.addEventListener('abort', cancel, { once: true });
    control.lost.addEventListener('abort', cancel, { once: true });
    await context.at('claimed');
    if (turn.isFirst) phase = await renewLost(context, phase, attempt.losses);
    else if (!isSwapped(phase)) await beginTurn(tables);
    if (turn.isFirst && phaseTable[phase].beside === 'shadow') await feeds.start(tables);
    const keys = turn.sync === undefined ? 0 : await sync(context, turn.sync);
    while (turn.sync === undefined && !isEnded(phase)) phase = await runPhase(context, phase);
    return { ...(await outcome(context)), keys };
  } catch (error) {
    throw new AttemptFailed(context, phase, await asLoss(context, phase, error));
  } finally {
    cancelSignal?.removeEventListener('abort', cancel);
    control.lost.removeEventListener('abort', cancel);
    steering.throttle = null;
    await feeds[Symbol.asyncDispose]();
    await throttle?.[Symbol.asyncDispose]();
    await pulse?.close();
    // After its swap what this turn has applied is gone.
    if (!turn.isFirst && steering.swap !== 'done') await lookAgain(context).catch(() => undefined);
    await sessions.releaseAll();
  }
}

async function beginTurn(tables: readonly TableContext[]): Promise<void> {
  for (const table of tables) {
    await createHolding(table.control, table);
    await stopLooking(table);
  }
}

/** A later turn needs no state of its own before its swap: what it has done by then is done again in a moment. */
function startOf({ record, fresh, turn }: Attempt): Phase {
  if (turn.isFirst) return fresh ? record.phase : (next(record.phase, 'resumed') ?? record.phase);
  return wayFrom(record.phase) === turn.direction ? 'catch-up' : 'validate';
}

async function startThrottle(
  context: RunContext,
  session: Session,
  critical: AbortController,
): Promise<Throttle> {
  const { id, tables, settings, emit } = context;
  const throttle = new Throttle({
    session,
    signals: allSignals({
      tables: tables.map(({ plan }) => plan.source.oid),
      ownApplications: `pg-ghost ${id} `,
      replicas: settings.replicas,
      slots: {
        slots: tables.flatMap(({ capture }) => capture.slots),
        onRead: tellingSlots(emit),
      },
    }),
    limits: settings.limits,
    stopError: (reasons) => stoppedAt(id, reasons),
    onChange: (decision) => {
      emit('throttle', {
        kind: decision.kind,
        reasons: decision.kind === 'go' ? [] : decision.reasons.map(({ signal, text }) => ({ signal, text })),
      });
      if (decision.kind === 'stop') critical.abort(stoppedAt(id, decision.reasons));
    },
  });
  await throttle.start();
  return throttle;
}

/** Seldom, but at once when the server thinks otherwise of one. */
function tellingSlots(emit: Emit): (slot: SlotFacts) => void {
  const told = new Map<string, { readonly atMs: number; readonly walStatus: SlotFacts['walStatus'] }>();
  return ({ name, walStatus, retainedBytes, unreadBytes, safeBytes }) => {
    const atMs = performance.now();
    const last = told.get(name);
    if (last !== undefined && last.walStatus === walStatus && atMs - last.atMs < tellSlotEveryMs) return;
    told.set(name, { atMs, walStatus });
    emit('slot:progress', { slot: name, walStatus, retainedBytes, unreadBytes, safeBytes });
  };
}

function stoppedAt(id: number, reasons: readonly Reason[]): FailedError {
  return reasons.some(({ signal }) => signal === 'slot-wal')
    ? slotKeepsWal(id, reasons)
    : criticalLimit(id, reasons);
}

/** Nobody reads it from now on: it keeps more and more. */
function slotKeepsWal(id: number, reasons: readonly Reason[]): FailedError {
  return new FailedError('slot-keeps-wal', `stopped: ${reasons.map(({ text }) => text).join('; ')}`, {
    details: { reasons },
    state: `the source is untouched; migration ${id} keeps its state, and the server goes on keeping WAL for its slot`,
    hint: advice`soon: ${doing('abort', id)} releases the slot and its WAL at once; ${doing('resume', id)} reads on. Where a long transaction anywhere on the server holds it up, end that first`,
  });
}

function criticalLimit(id: number, reasons: readonly Reason[]): FailedError {
  return new FailedError('critical-limit', `stopped: ${reasons.map(({ text }) => text).join('; ')}`, {
    details: { reasons },
    state: `the source is untouched, capture goes on; migration ${id} keeps its state`,
    hint: advice`${toDo('resume', id)} when that is over, or ${toDo('abort', id)}`,
  });
}

async function runPhase(context: RunContext, phase: RunningPhase): Promise<Phase> {
  const { control, id, emit, signal } = context;
  signal.throwIfAborted();
  if (context.turn.isFirst && phaseTable[phase].storedBy === 'run') await setPhase(control, id, phase);
  if (isSwapped(phase)) {
    context.steering.swap = 'done';
    await context.feeds[Symbol.asyncDispose]();
  }
  emit('phase:started', { phase });
  const started = performance.now();
  const transition = await workOf(phase)(context);
  const following = next(phase, transition);
  if (following === null) throw new Error(`phase ${phase} cannot end with "${transition}"`);
  if (transition === 'done') emit('phase:done', { phase, seconds: (performance.now() - started) / 1000 });
  return following;
}

async function outcome(context: RunContext): Promise<Omit<RunOutcome, 'keys'>> {
  const { id } = context;
  const { plan, schemas } = firstTable(context);
  const record = await onAnySession(context, (session) => findMigration(session, id));
  return {
    old: displayName({ schema: schemas.old, name: plan.table.name }),
    rows: record?.tables.reduce((sum, { rowsCopied }) => sum + rowsCopied, 0) ?? 0,
    holdMs: record?.holdMs ?? 0,
  };
}
