/** Undoes a migration that has not swapped: the database is as it was found (invariant 1). */
import { Session } from '../db/session.js';
import { sleep } from '../db/wait.js';
import { FailedError, RefusedError } from '../errors.js';
import { displayName } from '../sql/quote.js';
import { isAlone, terminateRun, tryBecomeRunner } from '../state/fence.js';
import { setPhase, settleChunks } from '../state/migrations.js';
import { schemasOf } from '../state/schema-sql.js';
import { removeMigration } from './cleanup.js';
import { resolveMigration } from './find-table.js';
import { next } from './machine.js';
import { explained } from './server-errors.js';
import { defaultRunSettings, type CommonOptions } from './types.js';

const fenceTimeoutMs = 30_000;

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
  await takeOver(session, id, signal);
  // Looked at again now that nobody else can move it.
  const record = await mayAbort(session, id);
  await removeMigration({
    session,
    watcher,
    id,
    table: record.table,
    sourceOid: record.sourceOid,
    limits: {
      lockTimeoutMs: defaultRunSettings.lockTimeoutMs,
      maxHoldMs: defaultRunSettings.maxHoldMs,
      deadlineMs: defaultRunSettings.cutoverDeadlineMs,
    },
    ...(signal === undefined ? {} : { signal }),
  });
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

async function takeOver(session: Session, id: number, signal: AbortSignal | undefined): Promise<void> {
  await fenced(session, id, signal, () => terminateRun(session, id));
}

/**
 * Waits until this session is the runner and no session of another one is left.
 * @param evict called while somebody else still has it
 */
export async function fenced(
  session: Session,
  id: number,
  signal: AbortSignal | undefined,
  evict: () => Promise<void>,
): Promise<void> {
  const started = performance.now();
  for (;;) {
    if ((await tryBecomeRunner(session, id)) && (await isAlone(session, id))) return;
    if (performance.now() - started > fenceTimeoutMs) {
      throw new FailedError(
        'run-still-alive',
        `sessions of an earlier run of migration ${id} are still at work`,
        {
          state: 'nothing was changed by this command',
          hint: `look for application_name 'pg-ghost ${id} ...' in pg_stat_activity and end those backends`,
        },
      );
    }
    await evict();
    await sleep(100, signal);
  }
}
