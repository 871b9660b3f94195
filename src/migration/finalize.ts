/** Ends a migration: the old table goes, and with it the last of what pg-ghost put there. */
import { Session } from '../db/session.js';
import { SqlState, isServerError, sqlState } from '../db/sqlstate.js';
import { FailedError, RefusedError } from '../errors.js';
import { displayName } from '../sql/quote.js';
import { setPhase } from '../state/migrations.js';
import { schemasOf } from '../state/schema-sql.js';
import { dropSchemas, removeLeftovers } from './cleanup.js';
import { resolveMigration } from './find-table.js';
import { next } from './machine.js';
import { breakOffWhenAsked, explained } from './server-errors.js';
import { completeSwap } from './after-swap.js';
import { createEmitter } from '../report/emitter.js';
import { defaultRunSettings, type CommonOptions } from './types.js';

/** Somebody may look at the old table: wait a moment for them, but do not make others wait behind us for long. */
const lockTimeout = '5s';

/** Drops the old table. Nothing can be taken back after this. */
export async function finalize(options: CommonOptions, id: number): Promise<void> {
  const state = `the new table is in use; pg-ghost finalize ${id} can be given again at any time`;
  await explained(options, state, () => drop(options, id));
}

async function drop(options: CommonOptions, id: number): Promise<void> {
  await using session = await Session.open({
    connection: options.connection,
    applicationName: `pg-ghost ${id} finalize`,
    settings: { lock_timeout: lockTimeout },
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
  await completeSwap({
    session,
    plan: record.plan,
    lockTimeoutMs,
    deadlineMs: cutoverDeadlineMs,
    emit: createEmitter([options.onEvent]).withId(id),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  try {
    await removeLeftovers(session, id);
    await session.transaction(() => dropSchemas(session, id, record.table.name));
  } catch (error) {
    throw notDropped(error, old, id);
  }
  await setPhase(session, id, phase);
}

function notDropped(error: unknown, old: string, id: number): unknown {
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
