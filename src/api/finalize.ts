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
import { dropSchemaStatements, findRelation } from '../state/own-objects.js';
import { onlyTable } from '../state/only-table.js';
import { schemasOf } from '../state/schema-sql.js';
import { planOf } from '../state/stored-plan.js';
import { whereabouts } from '../state/whereabouts.js';
import { byName } from '../run/by-name.js';
import { dropLeftovers } from '../run/cleanup.js';
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
      plan: planOf(record),
      newTable: onlyTable(record).shadowOid,
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
 * The old table, our schemas, what the swap has left, and the phase, in one transaction. A table that somebody has taken out of
 * our schema is not ours any more.
 */
async function removeOld(work: DropWork): Promise<void> {
  const { options, session, record, phase, emit } = work;
  const { id } = record;
  const table = onlyTable(record);
  const { old } = await whereabouts(session, record);
  const name = displayName(old ?? { schema: schemasOf(table).old, name: table.table.name });
  const rest = async (): Promise<void> => {
    await dropLeftovers(session, record);
    const { own } = await whereabouts(session, record);
    await session.batch(dropSchemaStatements(own.schemas));
    await endMigration(session, id, phase, {
      old: name,
      kept: old?.isOutside === true,
    });
    await options.onPoint?.('finalize-uncommitted');
  };
  try {
    if (old === null || old.isOutside) {
      await session.transaction(rest);
    } else {
      await dropTable(work, old.oid, rest);
      return;
    }
  } catch (error) {
    throw notDropped(error, name, id);
  }
  if (old === null) return;
  emit('warning', {
    code: 'old-table-kept',
    message: `the old table was moved to ${name}: it is yours now, and was not dropped`,
  });
}

/** Somebody may look at the old table: they are waited for, but nobody is made to wait behind us for long. */
async function dropTable(
  { options: { signal }, session, watcher, record, emit, onLock }: DropWork,
  oid: number,
  rest: () => Promise<void>,
): Promise<void> {
  const { lockTimeoutMs, harmPerTryMs, harmPerRunMs } = defaultRunSettings;
  let dropped = false;
  await byName(session, oid, async (table, stillThere) => {
    const what = `dropping ${displayName(table)}`;
    await lockThenRun({
      session,
      watcher,
      what,
      locks: [{ kind: 'table', oid, table: qualified(table), mode: 'ACCESS EXCLUSIVE' }],
      limits: { lockTimeoutMs, deadlineMs: patienceMs, harmPerTryMs, harmPerRunMs },
      run: async () => {
        await stillThere();
        // Taken out of our schema while we waited.
        if ((await whereabouts(session, record)).old?.isOutside !== false) throw movedMeanwhile(record.id);
        await session.batch([`drop table ${qualified(table)}`]);
        if ((await findRelation(session, oid)) !== null) throw movedMeanwhile(record.id);
        await rest();
      },
      onMiss: tellMisses(emit, what),
      onLock,
      ...(signal === undefined ? {} : { signal }),
    });
    dropped = true;
  });
  // Somebody else has dropped it meanwhile.
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
