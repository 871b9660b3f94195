/** Ends a migration: the old table goes, and with it the last of what pg-ghost put there. */
import { advice, named, toDo } from '../advice.js';
import { Session } from '../db/session.js';
import { SqlState, isServerError, messageWithDetail, sqlState } from '../db/sqlstate.js';
import { FailedError, RefusedError } from '../errors.js';
import { lockNotObtained, tellMisses } from '../locks/describe-miss.js';
import type { LedgerEntry } from '../locks/ledger.js';
import type { Emit } from '../model/event.js';
import { lockThenRun } from '../locks/lock-then-run.js';
import { displayName, qualified } from '../sql/quote.js';
import { endMigration, type MigrationRecord } from '../state/migrations.js';
import { dropSchemaStatements, dropTablesStatements, findRelation } from '../state/own-objects.js';
import { schemasOf } from '../state/schema-sql.js';
import { swappedTables } from '../state/stored-plan.js';
import { whereabouts, type TablePlaces } from '../state/whereabouts.js';
import { byName } from '../run/by-name.js';
import { dropLeftovers, dropSlotsOf } from '../run/cleanup.js';
import { resolveMigration } from '../run/find-table.js';
import { withLedger } from '../run/ledger-book.js';
import { isOver, next, type Phase } from '../model/phase.js';
import { breakOffWhenAsked, connectingSignal, explained } from './server-errors.js';
import { completeSwap } from '../swap/after-swap.js';
import { createEmitter } from '../run/emitter.js';
import type { CommonOptions } from '../run/run-options.js';
import { defaultRunSettings } from '../settings/table.js';

const patienceMs = 15_000;

/** Drops the old table. Nothing can be taken back after this. */
export async function finalize(options: CommonOptions, id: number): Promise<void> {
  const state = advice`the new table is in use; ${toDo('finalize', id)} can be given again at any time`;
  await explained(options, state, () => drop(options, id));
}

async function drop(options: CommonOptions, id: number): Promise<void> {
  await using session = await Session.open({
    own: true,
    connection: options.connection,
    applicationName: `pg-ghost ${id} finalize`,
    ...connectingSignal(options),
  });
  breakOffWhenAsked(options, session);
  const record = await resolveMigration(session, id);
  const phase = next(record.phase, 'finalize');
  if (phase === null) {
    throw new RefusedError([
      isOver(record.phase)
        ? { code: 'already-ended', message: `migration ${id} is already ${record.phase}` }
        : {
            code: 'not-swapped',
            message: `migration ${id} has not swapped its tables yet (it is in phase ${record.phase})`,
            hint: advice`run the same ${named('run')} command to continue it, or ${toDo('abort', id)} to undo it`,
          },
    ]);
  }
  const { lockTimeoutMs, cutoverDeadlineMs } = defaultRunSettings;
  await using watcher = await Session.open({
    own: true,
    connection: options.connection,
    applicationName: `pg-ghost ${id} watch`,
  });
  const emit = createEmitter([options.onEvent]).withId(id);
  await withLedger(session, id, async (onLock) => {
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
    await removeOld({ options, session, watcher, record, phase, emit, onLock });
  });
  await options.onPoint?.('finalized');
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
async function removeOld(work: DropWork): Promise<void> {
  const { options, session, record, phase, emit } = work;
  const { id } = record;
  const { tables } = await whereabouts(session, record);
  const names = tables.map(nameOfOld);
  const ours = ownOldTables(tables);
  const kept = tables.flatMap(({ old }) => (old?.isOutside === true ? [displayName(old)] : []));
  const rest = async (): Promise<void> => {
    await dropLeftovers(session, record);
    const { own } = await whereabouts(session, record);
    await session.batch(dropSchemaStatements(own.schemas));
    await endMigration(session, id, phase, { old: names, kept });
    await options.onPoint?.('finalize-uncommitted');
  };
  try {
    await dropSlotsOf(session, record);
    if (ours.length === 0) await session.transaction(rest);
    else await dropTables(work, ours, rest);
  } catch (error) {
    throw notDropped(error, names.join(', '), id);
  }
  for (const name of kept) {
    emit('warning', {
      code: 'old-table-kept',
      message: `the old table was moved to ${name}: it is yours now, and was not dropped`,
    });
  }
}

/** Those that nobody has taken out of our schemas, by their OIDs. */
function ownOldTables(tables: readonly TablePlaces[]): number[] {
  return tables.flatMap(({ old }) => (old?.isOutside === false ? [old.oid] : []));
}

function nameOfOld({ old, record }: TablePlaces): string {
  return displayName(old ?? { schema: schemasOf(record).old, name: record.table.name });
}

/** Somebody may look at an old table: they are waited for, but nobody is made to wait behind us for long. */
async function dropTables(
  { options: { signal }, session, watcher, record, emit, onLock }: DropWork,
  oids: readonly number[],
  rest: () => Promise<void>,
): Promise<void> {
  const { lockTimeoutMs, harmPerTryMs, harmPerRunMs } = defaultRunSettings;
  let dropped = false;
  await byName(session, oids, async (tables, stillThere) => {
    const what = `dropping ${tables.map(displayName).join(', ')}`;
    await lockThenRun({
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
        await session.batch(dropTablesStatements(tables));
        for (const { oid } of tables)
          if ((await findRelation(session, oid)) !== null) throw movedMeanwhile(record.id);
        await rest();
      },
      onMiss: tellMisses(emit, what),
      onLock,
      ...(signal === undefined ? {} : { signal }),
    });
    dropped = true;
  });
  // Somebody else has dropped them meanwhile.
  if (!dropped) await session.transaction(rest);
}

function movedMeanwhile(id: number): FailedError {
  return new FailedError('old-table-not-dropped', 'the old table was moved at the same moment', {
    state: 'the new table is in use; nothing was dropped',
    hint: advice`${toDo('finalize', id)} again`,
  });
}

function notDropped(error: unknown, old: string, id: number): unknown {
  if (!isServerError(error)) {
    return lockNotObtained(error, {
      what: `${old} could not be dropped`,
      state: 'the new table is in use; the old one is still there',
      hint: advice`${toDo('finalize', id)} again when nobody reads it`,
    });
  }
  const dependents = sqlState(error) === SqlState.dependentObjects;
  return new FailedError(
    sqlState(error) === SqlState.lockNotAvailable ? 'lock-not-obtained' : 'old-table-not-dropped',
    `${old} could not be dropped: ${dependents ? messageWithDetail(error) : error.message}`,
    {
      state: 'the new table is in use; the old one is still there',
      hint: dependents
        ? advice`something was made that depends on it; drop that, then ${toDo('finalize', id)} again`
        : advice`${toDo('finalize', id)} again`,
      cause: error,
    },
  );
}
