/** Ends a migration: the old table goes, and with it the last of what pg-ghost put there. */
import { Session } from '../db/session.js';
import { SqlState, isServerError, sqlState } from '../db/sqlstate.js';
import { FailedError, RefusedError } from '../errors.js';
import { missedTry, notObtainedDetails, notObtainedText } from '../locks/describe-miss.js';
import type { LedgerEntry } from '../locks/ledger.js';
import type { Emit } from '../report/events.js';
import { lockThenRun } from '../locks/lock-then-run.js';
import { LockNotObtained } from '../locks/locked-transaction.js';
import { displayName, qualified } from '../sql/quote.js';
import { setPhase, type MigrationRecord } from '../state/migrations.js';
import { schemasOf } from '../state/schema-sql.js';
import { dropSchemas, removeLeftovers } from './cleanup.js';
import { resolveMigration } from './find-table.js';
import { withLedger } from './ledger-book.js';
import { next } from './machine.js';
import { breakOffWhenAsked, explained } from './server-errors.js';
import { completeSwap } from './after-swap.js';
import { createEmitter } from '../report/emitter.js';
import { defaultRunSettings, type CommonOptions } from './types.js';

const patienceMs = 15_000;

/** Drops the old table. Nothing can be taken back after this. */
export async function finalize(options: CommonOptions, id: number): Promise<void> {
  const state = `the new table is in use; pg-ghost finalize ${id} can be given again at any time`;
  await explained(options, state, () => drop(options, id));
}

async function drop(options: CommonOptions, id: number): Promise<void> {
  await using session = await Session.open({
    connection: options.connection,
    applicationName: `pg-ghost ${id} finalize`,
  });
  breakOffWhenAsked(options, session);
  const record = await resolveMigration(session, id);
  const phase = next(record.phase, 'finalize');
  if (phase === null) {
    throw new RefusedError([
      record.phase === 'finalized' || record.phase === 'aborted'
        ? { code: 'already-ended', message: `migration ${id} is already ${record.phase}` }
        : {
            code: 'not-swapped',
            message: `migration ${id} has not swapped its tables yet (it is in phase ${record.phase})`,
            hint: `run the same pg-ghost run command to continue it, or pg-ghost abort ${id} to undo it`,
          },
    ]);
  }
  const old = displayName({ schema: schemasOf(id).old, name: record.table.name });
  const { lockTimeoutMs, cutoverDeadlineMs } = defaultRunSettings;
  await using watcher = await Session.open({
    connection: options.connection,
    applicationName: `pg-ghost ${id} watch`,
  });
  const emit = createEmitter([options.onEvent]).withId(id);
  await withLedger(session, id, async (onLock) => {
    await completeSwap({
      session,
      watcher,
      plan: record.plan,
      lockTimeoutMs,
      deadlineMs: cutoverDeadlineMs,
      onLock,
      emit,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    try {
      await removeLeftovers(session, id);
      await dropOld({ session, watcher, record, emit, onLock, signal: options.signal });
    } catch (error) {
      throw notDropped(error, old, id);
    }
    await setPhase(session, id, phase);
  });
}

interface DropWork {
  readonly session: Session;
  readonly watcher: Session;
  readonly record: MigrationRecord;
  readonly emit: Emit;
  readonly onLock: (entry: LedgerEntry) => void;
  readonly signal: AbortSignal | undefined;
}

/** Somebody may look at the old table: they are waited for, but nobody is made to wait behind us for long. */
async function dropOld({ session, watcher, record, emit, onLock, signal }: DropWork): Promise<void> {
  const { id, table } = record;
  const name = { schema: schemasOf(id).old, name: table.name };
  const [found] = await session.rows<{ oid: number }>({
    text: `select to_regclass($1)::oid as oid where to_regclass($1) is not null`,
    values: [qualified(name)],
  });
  const { lockTimeoutMs, harmPerTryMs, harmPerRunMs } = defaultRunSettings;
  const what = `dropping ${displayName(name)}`;
  await lockThenRun({
    session,
    watcher,
    what,
    locks:
      found === undefined
        ? []
        : [{ kind: 'table', oid: found.oid, table: qualified(name), mode: 'ACCESS EXCLUSIVE' }],
    limits: { lockTimeoutMs, deadlineMs: patienceMs, harmPerTryMs, harmPerRunMs },
    run: () => dropSchemas(session, id, table.name),
    onMiss: (miss) => emit('lock:missed', { what, ...missedTry(miss) }),
    onLock,
    ...(signal === undefined ? {} : { signal }),
  });
}

function notDropped(error: unknown, old: string, id: number): unknown {
  if (error instanceof LockNotObtained) {
    return new FailedError('lock-not-obtained', `${old} could not be dropped: ${notObtainedText(error)}`, {
      details: notObtainedDetails(error),
      state: 'the new table is in use; the old one is still there',
      hint: `pg-ghost finalize ${id} again when nobody reads it`,
    });
  }
  if (!isServerError(error)) return error;
  const dependents = sqlState(error) === SqlState.dependentObjects;
  return new FailedError(
    sqlState(error) === SqlState.lockNotAvailable ? 'lock-not-obtained' : 'old-table-not-dropped',
    `${old} could not be dropped: ${error.message}`,
    {
      state: 'the new table is in use; the old one is still there',
      hint: dependents
        ? `something was made that depends on it; drop that, then pg-ghost finalize ${id} again`
        : `pg-ghost finalize ${id} again`,
      cause: error,
    },
  );
}
