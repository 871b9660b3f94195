/** Undoes a migration that has not swapped: the database is as it was found (invariant 1). */
import { randomUUID } from 'node:crypto';
import { Session } from '../db/session.js';
import { RefusedError } from '../errors.js';
import { createEmitter } from '../report/emitter.js';
import { displayName } from '../sql/quote.js';
import { setPhase, settleChunks } from '../state/migrations.js';
import { schemasOf } from '../state/schema-sql.js';
import { claimRun } from './claim.js';
import { removeMigration } from './cleanup.js';
import { limitsOf } from './context.js';
import { resolveMigration } from './find-table.js';
import { withLedger } from './ledger-book.js';
import { next } from './machine.js';
import { explained } from './server-errors.js';
import { defaultRunSettings, type CommonOptions } from './types.js';

/**
 * Stops the run if one is under way, then removes trigger, log, shadow and schemas.
 * @throws RefusedError when the tables are already swapped
 */
export async function abort(options: CommonOptions, id: number): Promise<void> {
  const state = `the source keeps its rows and its definition; pg-ghost abort ${id} can be given again at any time`;
  await explained(options, state, () => undo(options, id));
}

async function undo(options: CommonOptions, id: number): Promise<void> {
  const { connection, signal } = options;
  await using session = await Session.open({ connection, applicationName: `pg-ghost ${id} abort` });
  await using watcher = await Session.open({ connection, applicationName: `pg-ghost ${id} abort` });
  await mayAbort(session, id);
  // Whoever runs it is ended.
  await claimRun({
    session,
    id,
    owner: randomUUID(),
    mayEnd: () => true,
    ...(signal === undefined ? {} : { signal }),
  });
  // Looked at again now that nobody else can move it.
  const record = await mayAbort(session, id);
  await withLedger(session, id, (onLock) =>
    removeMigration({
      session,
      watcher,
      id,
      table: record.table,
      sourceOid: record.sourceOid,
      limits: limitsOf({ settings: defaultRunSettings }),
      emit: createEmitter([options.onEvent]).withId(id),
      onLock,
      ...(signal === undefined ? {} : { signal }),
    }),
  );
  await settleChunks(session, id);
  await setPhase(session, id, 'aborted');
}

async function mayAbort(session: Session, id: number): ReturnType<typeof resolveMigration> {
  const record = await resolveMigration(session, id);
  if (next(record.phase, 'abort') !== null) return record;
  const old = displayName({ schema: schemasOf(id).old, name: record.table.name });
  throw new RefusedError([
    record.phase === 'swapped'
      ? {
          code: 'already-swapped',
          message: `migration ${id} has already swapped its tables; the old one is ${old}`,
          hint: `pg-ghost finalize ${id} drops the old table`,
        }
      : { code: 'already-ended', message: `migration ${id} is already ${record.phase}` },
  ]);
}
