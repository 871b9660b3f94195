/**
 * A run that has lost its connection goes on by itself: it connects again, makes sure that this is the same server and that
 * nobody has taken over, becomes the runner again, and reads from the state where it stands. What became of the statement
 * that was under way is in the state, too: work and its record commit together (invariants 7, 11).
 */
import { advice, doing } from '../advice.js';
import { Session } from '../db/session.js';
import { isTransient, messageOf, SqlState, sqlState } from '../db/sqlstate.js';
import { jittered, sleep } from '../db/wait.js';
import { RefusedError } from '../errors.js';
import type { Emit } from '../model/event.js';
import { TakenOver } from '../state/fence.js';
import { findMigration, type MigrationRecord } from '../state/migrations.js';
import { isSameServer, readServerIdentity, type ServerIdentity } from '../state/server-identity.js';
import { claimRun } from './claim.js';
import type { CommonOptions } from './run-options.js';

const firstPauseMs = 200;
const growth = 1.6;
const longestPauseMs = 5_000;

export interface Reconnection {
  readonly options: Pick<CommonOptions, 'connection'>;
  readonly id: number;
  /** The word of this process; see `Claim.owner`. */
  readonly owner: string;
  readonly server: ServerIdentity;
  /** Control sessions of this process whose backends may still be there. */
  readonly formerPids: Set<number>;
  /** How long to go on trying. */
  readonly forMs: number;
  readonly emit: Emit;
  /** Of the user. */
  readonly signal: AbortSignal;
}

export interface Reconnected {
  readonly control: Session;
  readonly runNo: number;
  readonly record: MigrationRecord;
}

/**
 * null when the time is over.
 * @throws TakenOver; RefusedError `another-server`; the signal's reason
 */
export async function reconnect(work: Reconnection, cause: unknown): Promise<Reconnected | null> {
  const { emit, signal, forMs } = work;
  const started = performance.now();
  emit('run:retrying', { message: messageOf(cause), forSeconds: forMs / 1000 });
  for (let attempt = 1; performance.now() - started < forMs; attempt += 1) {
    const pauseMs = Math.min(firstPauseMs * growth ** (attempt - 1), longestPauseMs);
    await sleep(jittered(pauseMs), signal);
    const found = await tryOnce(work);
    if (found === null) continue;
    emit('run:resumed', {
      attempts: attempt,
      seconds: (performance.now() - started) / 1000,
      phase: found.record.phase,
    });
    return found;
  }
  return null;
}

async function tryOnce(work: Reconnection): Promise<Reconnected | null> {
  const { options, id, formerPids, signal } = work;
  let control: Session | null = null;
  try {
    control = await Session.open({
      own: true,
      connection: options.connection,
      applicationName: `pg-ghost ${id} control`,
      signal,
    });
    const server = await readServerIdentity(control);
    refuseAnotherServer(id, work.server, server);
    const runNo = await claimRun({
      session: control,
      id,
      owner: work.owner,
      continues: true,
      mayEnd: (pid) => formerPids.has(pid),
      signal,
    });
    const record = await findMigration(control, id);
    if (record === null) throw new TakenOver(id);
    return { control, runNo, record };
  } catch (error) {
    // The server may take a while to notice, and until then it is in the way of the next try.
    if (control !== null) formerPids.add(control.pid);
    await control?.close();
    if (signal.aborted) throw signal.reason;
    // A standby that answers in the server's place may be promoted yet, and then it is known as another one.
    if (!isTransient(error) && sqlState(error) !== SqlState.notInPrerequisiteState) throw error;
    return null;
  }
}

/** @throws RefusedError `another-server` */
export function refuseAnotherServer(id: number, known: ServerIdentity, now: ServerIdentity): void {
  if (isSameServer(known, now)) return;
  const what =
    known.systemIdentifier === now.systemIdentifier
      ? `a standby was promoted or a backup restored: its timeline is ${now.timeline}, and was ${known.timeline}`
      : `its system identifier is ${now.systemIdentifier}, and was ${known.systemIdentifier}`;
  throw new RefusedError(
    [
      {
        code: 'another-server',
        message: `migration ${id} was begun on another server than the one that answers now: ${what}`,
        hint: advice`what was written last may be missing here; ${doing('abort', id)} removes the migration, then run again`,
      },
    ],
    { state: `this run has stopped; the source is untouched, capture goes on wherever its trigger is` },
  );
}
