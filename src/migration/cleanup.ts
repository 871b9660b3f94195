/** Takes away what a migration put into the database: for abort, for a prepare that failed, for finalize. */
import {
  dropCaptureObjectStatements,
  dropCaptureTriggerStatements,
} from '../capture/triggers/trigger-sql.js';
import { Session } from '../db/session.js';
import { messageOf, SqlState, sqlState } from '../db/sqlstate.js';
import { FailedError } from '../errors.js';
import { missedTry, notObtainedDetails, notObtainedText } from '../locks/describe-miss.js';
import type { LedgerEntry } from '../locks/ledger.js';
import { LockNotObtained, underLock, type LockLimits } from '../locks/locked-transaction.js';
import type { Emit } from '../report/events.js';
import { displayName, ident, qualified, type QualifiedName } from '../sql/quote.js';
import { schemasOf } from '../state/schema-sql.js';

export interface CleanupWork {
  readonly session: Session;
  readonly watcher: Session;
  readonly id: number;
  readonly table: QualifiedName;
  readonly sourceOid: number;
  readonly limits: LockLimits;
  readonly emit: Emit;
  readonly onLock?: (entry: LedgerEntry) => void;
  readonly signal?: AbortSignal;
}

/**
 * Removes capture, shadow, log and schemas. The only lock on the source is the one for dropping the triggers; may be
 * run again when it was cut short.
 */
export async function removeMigration(work: CleanupWork): Promise<void> {
  const { session, id, table } = work;
  if (await hasCapture(session, work.sourceOid, id)) {
    await lockedStatements(work, dropCaptureTriggerStatements({ id, table }));
  }
  try {
    // All or nothing: what cannot go now must be found by the next try as this one found it.
    await session.transaction(async () => {
      await dropSchemas(session, id, table.name);
      await session.batch(dropCaptureObjectStatements(id));
    });
  } catch (error) {
    throw notRemoved(error, id);
  }
}

/** Somebody made something that depends on the shadow: not ours to drop. */
function notRemoved(error: unknown, id: number): unknown {
  if (sqlState(error) !== SqlState.dependentObjects) return error;
  return new FailedError('not-removed', `the shadow could not be dropped: ${messageOf(error)}`, {
    state: 'capture is off; the shadow and the log are still there',
    hint: `drop what depends on it, then pg-ghost abort ${id} again`,
    cause: error,
  });
}

/** After the swap: the triggers went with it, the rest of the capture and the empty schema follow here. */
export async function removeLeftovers(session: Session, id: number): Promise<void> {
  await session.transaction(async () => {
    await session.batch(dropCaptureObjectStatements(id));
    await session.batch([`drop schema if exists ${ident(schemasOf(id).shadow)}`]);
  });
}

/** Both schemas with the table in them, in the caller's transaction. Without CASCADE: what somebody else put there is not ours to drop. */
export async function dropSchemas(session: Session, id: number, tableName: string): Promise<void> {
  const schemas = schemasOf(id);
  for (const schema of [schemas.shadow, schemas.old]) {
    await session.batch([
      `drop table if exists ${qualified({ schema, name: tableName })}`,
      `drop schema if exists ${ident(schema)}`,
    ]);
  }
}

async function lockedStatements(work: CleanupWork, statements: readonly string[]): Promise<void> {
  const what = 'switching capture off';
  try {
    await underLock({
      session: work.session,
      watcher: work.watcher,
      request: {
        what,
        table: qualified(work.table),
        tableOid: work.sourceOid,
        mode: 'ACCESS EXCLUSIVE',
      },
      limits: work.limits,
      work: () => Promise.resolve({ last: statements, value: undefined }),
      onMiss: (miss) => work.emit('lock:missed', { what, ...missedTry(miss) }),
      ...(work.onLock === undefined ? {} : { onLock: work.onLock }),
      ...(work.signal === undefined ? {} : { signal: work.signal }),
    });
  } catch (error) {
    if (!(error instanceof LockNotObtained)) throw error;
    throw new FailedError(
      'lock-not-obtained',
      `the capture triggers of ${displayName(work.table)} could not be dropped: ${notObtainedText(error)}`,
      {
        details: notObtainedDetails(error),
        state: 'capture is still on; the application is not affected beyond its small cost',
        hint: `pg-ghost abort ${work.id} again at a quieter moment`,
      },
    );
  }
}

async function hasCapture(session: Session, sourceOid: number, id: number): Promise<boolean> {
  const { found } = await session.row<{ found: boolean }>({
    text: `select exists (select from pg_trigger where tgrelid = $1 and tgname = any ($2::text[])) as found`,
    values: [sourceOid, [`ghost_capture_${id}`, `ghost_capture_truncate_${id}`]],
  });
  return found;
}
