/** Undoes a migration that has not swapped: the database is as it was found (invariant 1). */
import { advice, doing, toDo } from '../advice.js';
import { randomUUID } from 'node:crypto';
import { Session } from '../db/session.js';
import { RefusedError } from '../errors.js';
import { createEmitter } from '../run/emitter.js';
import { displayName } from '../sql/quote.js';
import type { MigrationIdentity } from '../sql/marks.js';
import { endMigration, findMigration, type MigrationRecord } from '../state/migrations.js';
import { readMarkedMigrations, readMigrationSlots, readOwnObjects, tablesIn } from '../state/own-objects.js';
import { openState } from '../state/schema.js';
import { whereabouts } from '../state/whereabouts.js';
import { claimRun } from '../run/claim.js';
import { removeMarked, removeMigration } from '../run/cleanup.js';
import { limitsOf } from '../settings/lock-limits.js';
import { resolveMigration } from '../run/find-table.js';
import { withLedger } from '../run/ledger-book.js';
import { isEnded, isOver, isRolledBack, next, type Phase } from '../model/phase.js';
import { connectingSignal, explained } from './server-errors.js';
import type { CommonOptions } from '../run/run-options.js';
import { watchState } from '../state/watch-state.js';
import { defaultRunSettings } from '../settings/table.js';

/**
 * Stops the run if one is under way, then removes trigger, log, shadow and schemas.
 * @throws RefusedError when the tables are already swapped
 */
export async function abort(options: CommonOptions, id: number): Promise<void> {
  const state = advice`the source keeps its rows and its definition; ${toDo('abort', id)} can be given again at any time`;
  await explained(options, state, () => undo(options, id));
}

async function undo(options: CommonOptions, id: number): Promise<void> {
  const { connection, signal, onPoint } = options;
  const asked = {
    own: true,
    connection,
    applicationName: `pg-ghost ${id} abort`,
    ...connectingSignal(options),
  };
  await using session = await Session.open(asked);
  await using watcher = await Session.open(asked);
  const work = {
    session,
    watcher,
    limits: limitsOf(defaultRunSettings),
    emit: createEmitter([options.onEvent]).withId(id),
    onCaptureOff: async () => onPoint?.('capture-off'),
    ...(signal === undefined ? {} : { signal }),
  };
  const unknown = await unknownToState(session, id);
  if (unknown.length > 0) {
    for (const marked of unknown) await removeMarked(work, marked);
    return;
  }
  await mayAbort(session, id);
  // Whoever runs it is ended.
  await claimRun({
    session,
    id,
    owner: randomUUID(),
    mayEnd: () => true,
    ...(signal === undefined ? {} : { signal }),
  });
  await onPoint?.('abort-claimed');
  // Looked at again now that nobody else can move it.
  const { record, phase } = await mayAbort(session, id);
  await withLedger(session, id, (onLock) =>
    removeMigration({ ...work, onLock }, record, async () => {
      await endMigration(session, id, phase);
      await onPoint?.('abort-uncommitted');
    }),
  );
  await onPoint?.('aborted');
}

/**
 * What carries marks of the number, or is a slot of that name, while the state has no such migration, or only one that is over: left by a dump without the state's rows, say. An
 * old table among it is nobody's to drop but the user's.
 */
async function unknownToState(session: Session, id: number): Promise<MigrationIdentity[]> {
  const record = (await openState(session, watchState)) ? await findMigration(session, id) : null;
  if (record !== null && !isOver(record.phase)) return [];
  const found = [
    ...new Map(
      [...(await readMarkedMigrations(session)), ...(await readMigrationSlots(session))]
        .filter((marked) => marked.id === id)
        .map(({ identity }) => [identity, { id, identity }]),
    ).values(),
  ];
  for (const marked of found) {
    const { schemas } = await readOwnObjects(session, marked);
    const kept = await tablesIn(
      session,
      schemas.filter(({ role }) => role === 'old table'),
    );
    if (kept.length === 0) continue;
    throw new RefusedError([
      {
        code: 'state-missing',
        message: `the state of migration ${id} is not in this database any more, but the table from before it is: ${kept.map(displayName).join(', ')}`,
        hint: `it was swapped; drop that table and its schema yourself when nobody needs it`,
      },
    ]);
  }
  return found;
}

/** @returns what the migration is in afterwards */
async function mayAbort(
  session: Session,
  id: number,
): Promise<{ readonly record: MigrationRecord; readonly phase: Phase }> {
  const record = await resolveMigration(session, id);
  const phase = next(record.phase, 'abort');
  if (phase !== null) return { record, phase };
  const { tables } = await whereabouts(session, record);
  const old = tables.flatMap((table) => (table.old === null ? [] : [displayName(table.old)]));
  throw new RefusedError([
    isEnded(record.phase) && !isOver(record.phase)
      ? {
          code: isRolledBack(record.phase) ? 'rolled-back' : 'already-swapped',
          message: isRolledBack(record.phase)
            ? `migration ${id} was rolled back, and keeps the new table`
            : `migration ${id} has already swapped its tables; the old one is ${old.length === 0 ? 'gone' : old.join(', ')}`,
          hint: isRolledBack(record.phase)
            ? advice`${doing('finalize', id)} drops the new table`
            : advice`${doing('rollback', id)} brings the old table back into use; ${doing('finalize', id)} drops it`,
        }
      : { code: 'already-ended', message: `migration ${id} is already ${record.phase}` },
  ]);
}
