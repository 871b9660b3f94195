/** Ends a migration: the table that is not in use goes, and with it the last of what pg-ghost put there. */
import { advice, doing, named, toDo } from '../advice.js';
import { Session } from '../db/session.js';
import { SqlState, isServerError, messageWithDetail, sqlState } from '../db/sqlstate.js';
import { FailedError, RefusedError, UsageError } from '../errors.js';
import { lockNotObtained, tellMisses } from '../locks/describe-miss.js';
import type { LedgerEntry } from '../locks/ledger.js';
import type { Emit } from '../model/event.js';
import { lockThenRun } from '../locks/lock-then-run.js';
import { displayName, qualified } from '../sql/quote.js';
import { endMigration, type MigrationRecord } from '../state/migrations.js';
import {
  dropSchemaStatements,
  dropTablesStatements,
  findRelation,
  type Relation,
} from '../state/own-objects.js';
import { schemasOf } from '../state/schema-sql.js';
import { swappedTables } from '../state/stored-plan.js';
import { whereabouts, type TablePlaces } from '../state/whereabouts.js';
import { byName } from '../run/by-name.js';
import { claimIdle, RunnerIsAlive } from '../run/claim.js';
import { dropLeftovers, dropSlotsOf, switchCapturesOff } from '../run/cleanup.js';
import { resolveMigration } from '../run/find-table.js';
import { withLedger } from '../run/ledger-book.js';
import { isOver, isRolledBack, next, type Phase } from '../model/phase.js';
import { breakOffWhenAsked, connectingSignal, explained } from './server-errors.js';
import { completeSwap } from '../swap/after-swap.js';
import { createEmitter } from '../run/emitter.js';
import type { CommonOptions } from '../run/run-options.js';
import { finalizeAfter } from '../settings/finalize-after.js';
import { limitsOf } from '../settings/lock-limits.js';
import { defaultRunSettings } from '../settings/table.js';
import { forgetWindows } from '../state/windows.js';

const patienceMs = 15_000;

export interface FinalizeOptions extends CommonOptions {
  /** Refuse while the last swap (of a rollback too) is not so long ago. */
  readonly afterMs?: number;
}

export interface FinalizeResult {
  readonly id: number;
  /** What was dropped; nothing where the table was gone, or is somebody else's by now. */
  readonly dropped: readonly DroppedTable[];
}

export interface DroppedTable {
  readonly table: string;
  /** With its indexes and TOAST, as it was right before. */
  readonly bytes: number;
}

/**
 * Drops the table that is not in use, whichever of the two it is. Nothing can be taken back, or brought forward again, after this.
 *
 * @throws UsageError `bad-setting`
 * @throws RefusedError nothing was changed: `too-early`, it has not swapped, it is over, or somebody is at work on it
 * @throws FailedError the table in use stays as it is, and the same call goes on
 */
export async function finalize(options: FinalizeOptions, id: number): Promise<FinalizeResult> {
  const state = advice`the table in use stays as it is; ${toDo('finalize', id)} can be given again at any time`;
  return await explained(options, state, () => drop(options, id));
}

async function drop(options: FinalizeOptions, id: number): Promise<FinalizeResult> {
  const { afterMs = 0 } = options;
  if (!finalizeAfter.accepts(afterMs)) {
    throw new UsageError('bad-setting', `afterMs is ${String(afterMs)}: it takes ${finalizeAfter.takes}`, {
      state: 'nothing was changed',
    });
  }
  await using session = await Session.open({
    own: true,
    connection: options.connection,
    applicationName: `pg-ghost ${id} finalize`,
    ...connectingSignal(options),
  });
  breakOffWhenAsked(options, session);
  const found = await resolveMigration(session, id);
  phaseAfter(found);
  await refuseTooEarly(session, found, afterMs);
  await claim(options, session, found);
  // A rollback may have come to its end in between.
  const record = await resolveMigration(session, id);
  const phase = phaseAfter(record);
  await refuseTooEarly(session, record, afterMs);
  const { lockTimeoutMs, cutoverDeadlineMs } = defaultRunSettings;
  await using watcher = await Session.open({
    own: true,
    connection: options.connection,
    applicationName: `pg-ghost ${id} watch`,
  });
  const emit = createEmitter([options.onEvent]).withId(id);
  const dropped = await withLedger(session, id, async (onLock) => {
    await completeSwap({
      session,
      watcher,
      tables: swappedTables(record),
      lockTimeoutMs,
      deadlineMs: cutoverDeadlineMs,
      onLock,
      emit,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    await options.onPoint?.('finalize-completed');
    await closeWindow({ options, session, watcher, record, phase, emit, onLock });
    return await removeOld({ options, session, watcher, record, phase, emit, onLock });
  });
  await options.onPoint?.('finalized');
  return { id, dropped };
}

function phaseAfter({ id, phase }: MigrationRecord): Phase {
  const following = next(phase, 'finalize');
  if (following !== null) return following;
  throw new RefusedError([
    isOver(phase)
      ? { code: 'already-ended', message: `migration ${id} is already ${phase}` }
      : {
          code: 'not-swapped',
          message: `migration ${id} has not swapped its tables yet (it is in phase ${phase})`,
          hint: advice`run the same ${named('run')} command to continue it, or ${toDo('abort', id)} to undo it`,
        },
  ]);
}

/** By the server's clock, which has told the swap's time too. */
async function refuseTooEarly(session: Session, record: MigrationRecord, afterMs: number): Promise<void> {
  if (afterMs === 0) return;
  const { id, phase, swappedAt, updatedAt } = record;
  const { seconds } = await session.row<{ seconds: number }>({
    text: 'select extract(epoch from clock_timestamp() - $1::timestamptz)::float8 as seconds',
    values: [swappedAt ?? updatedAt],
  });
  const leftSeconds = afterMs / 1000 - seconds;
  if (leftSeconds <= 0) return;
  throw new RefusedError([
    {
      code: 'too-early',
      message: `migration ${id} ${isRolledBack(phase) ? 'was rolled back' : 'has swapped its tables'} ${inSeconds(Math.max(0, seconds))} ago, and ${String(finalizeAfter.format(afterMs))} were asked for: ${inSeconds(leftSeconds)} are left`,
      hint: advice`${toDo('finalize', id)} then, or now without --after`,
    },
  ]);
}

/** Nobody else may be at work on it: a rollback that is under way would lose the table that it brings back. */
async function claim(options: CommonOptions, session: Session, { id }: MigrationRecord): Promise<void> {
  try {
    await claimIdle(session, id, options.signal);
  } catch (error) {
    if (!(error instanceof RunnerIsAlive)) throw error;
    throw new RefusedError([
      {
        code: 'already-running',
        message: `another command for migration ${id} is at work (backend ${error.pid ?? 'unknown'})`,
        hint: advice`${doing('status', id)} shows how far it is`,
      },
    ]);
  }
}

/** Nothing is collected any more, and nothing can go back, from here on. */
async function closeWindow({ options, session, watcher, record, emit, onLock }: DropWork): Promise<void> {
  await switchCapturesOff(
    {
      session,
      watcher,
      limits: { ...limitsOf(defaultRunSettings), deadlineMs: patienceMs },
      emit,
      onLock,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    },
    record,
  );
  await forgetWindows(session, record.id);
  await options.onPoint?.('window-closed');
}

interface DropWork {
  readonly options: CommonOptions;
  readonly session: Session;
  readonly watcher: Session;
  readonly record: MigrationRecord;
  /** What the migration is in afterwards. */
  readonly phase: Phase;
  readonly emit: Emit;
  readonly onLock: (entry: LedgerEntry) => void;
}

/**
 * The old tables, our schemas, what the swap has left, and the phase, in one transaction. A table that somebody has taken out
 * of our schema is not ours any more.
 */
async function removeOld(work: DropWork): Promise<readonly DroppedTable[]> {
  const { options, session, record, phase, emit } = work;
  const { id } = record;
  const { tables } = await whereabouts(session, record);
  const names = tables.map((table) => nameOfKept(record.phase, table));
  const ours = ownOldTables(tables);
  const outside = tables.flatMap(({ kept }) => (kept?.isOutside === true ? [displayName(kept)] : []));
  const rest = async (): Promise<void> => {
    await dropLeftovers(session, record);
    const { own } = await whereabouts(session, record);
    await session.batch(dropSchemaStatements(own.schemas));
    await endMigration(session, id, phase, { old: names, kept: outside });
    await options.onPoint?.('finalize-uncommitted');
  };
  let dropped: readonly DroppedTable[] = [];
  try {
    await dropSlotsOf(session, record);
    if (ours.length === 0) await session.transaction(rest);
    else dropped = await dropTables(work, ours, rest);
  } catch (error) {
    throw notDropped(error, names.join(', '), id);
  }
  for (const name of outside) {
    emit('warning', {
      code: 'old-table-kept',
      message: `the table that was kept was moved to ${name}: it is yours now, and was not dropped`,
    });
  }
  return dropped;
}

/** Those that nobody has taken out of our schemas, by their OIDs. */
function ownOldTables(tables: readonly TablePlaces[]): number[] {
  return tables.flatMap(({ kept }) => (kept?.isOutside === false ? [kept.oid] : []));
}

function nameOfKept(phase: Phase, { kept, record }: TablePlaces): string {
  const { shadow, old } = schemasOf(record);
  return displayName(kept ?? { schema: isRolledBack(phase) ? shadow : old, name: record.table.name });
}

/** Somebody may look at an old table: they are waited for, but nobody is made to wait behind us for long. */
async function dropTables(
  { options: { signal }, session, watcher, record, emit, onLock }: DropWork,
  oids: readonly number[],
  rest: () => Promise<void>,
): Promise<readonly DroppedTable[]> {
  const { lockTimeoutMs, harmPerTryMs, harmPerRunMs } = defaultRunSettings;
  const dropped = await byName(session, oids, async (tables, stillThere) => {
    const what = `dropping ${tables.map(displayName).join(', ')}`;
    const { value } = await lockThenRun({
      session,
      watcher,
      what,
      locks: tables.map((table) => ({
        kind: 'table',
        oid: table.oid,
        table: qualified(table),
        mode: 'ACCESS EXCLUSIVE',
      })),
      limits: { lockTimeoutMs, deadlineMs: patienceMs, harmPerTryMs, harmPerRunMs },
      run: async () => {
        await stillThere();
        // Taken out of our schema while we waited.
        const { tables: now } = await whereabouts(session, record);
        const ours = ownOldTables(now);
        if (!tables.every(({ oid }) => ours.includes(oid))) throw movedMeanwhile(record.id);
        // Under the lock: nobody can make them larger.
        const sizes = await sizesOf(session, tables);
        await session.batch(dropTablesStatements(tables));
        for (const { oid } of tables)
          if ((await findRelation(session, oid)) !== null) throw movedMeanwhile(record.id);
        await rest();
        return sizes;
      },
      onMiss: tellMisses(emit, what),
      onLock,
      ...(signal === undefined ? {} : { signal }),
    });
    return value;
  });
  if (dropped !== null) return dropped;
  // Somebody else has dropped them meanwhile.
  await session.transaction(rest);
  return [];
}

function inSeconds(seconds: number): string {
  return String(finalizeAfter.format(Math.ceil(seconds) * 1000));
}

async function sizesOf(session: Session, tables: readonly Relation[]): Promise<readonly DroppedTable[]> {
  const sizes: DroppedTable[] = [];
  for (const table of tables) {
    const { bytes } = await session.row<{ bytes: number }>({
      text: 'select pg_total_relation_size($1::oid) as bytes',
      values: [table.oid],
    });
    sizes.push({ table: displayName(table), bytes });
  }
  return sizes;
}

function movedMeanwhile(id: number): FailedError {
  return new FailedError('old-table-not-dropped', 'the table that was kept was moved at the same moment', {
    state: 'the table in use stays as it is; nothing was dropped',
    hint: advice`${toDo('finalize', id)} again`,
  });
}

function notDropped(error: unknown, old: string, id: number): unknown {
  if (!isServerError(error)) {
    return lockNotObtained(error, {
      what: `${old} could not be dropped`,
      state: 'the table in use stays as it is; the other one is still there',
      hint: advice`${toDo('finalize', id)} again when nobody reads it`,
    });
  }
  const dependents = sqlState(error) === SqlState.dependentObjects;
  return new FailedError(
    sqlState(error) === SqlState.lockNotAvailable ? 'lock-not-obtained' : 'old-table-not-dropped',
    `${old} could not be dropped: ${dependents ? messageWithDetail(error) : error.message}`,
    {
      state: 'the table in use stays as it is; the other one is still there',
      hint: dependents
        ? advice`something was made that depends on it; drop that, then ${toDo('finalize', id)} again`
        : advice`${toDo('finalize', id)} again`,
      cause: error,
    },
  );
}
