/**
 * One runner at a time, and dead ones are fenced (invariant 8).
 *
 * The runner's control session holds an exclusive advisory lock for as long as it lives. Every session of the run,
 * the control session too, holds another one shared: whoever continues waits until it can have that one for itself
 * alone, and so knows that no backend of a killed client is still at work.
 *
 * Each run has a number, stored by whoever has the runner's lock. A session joins under its run's number and looks at the
 * stored one after it has the shared lock: a process that was frozen and wakes up when another has taken over finds
 * another number there, and every statement that it could still send goes to a session that is gone.
 */
import type { Session } from '../db/session.js';
import { sql } from '../sql/quote.js';

/** First halves of the two-part lock keys; the second is the migration's id. Arbitrary, but ours for good. */
const runnerLock = 0x67683031;
const sessionLock = 0x67683032;

/** Another run has taken the migration over. */
export class TakenOver extends Error {
  constructor(readonly id: number) {
    super(`another run has taken migration ${id} over`);
  }
}

/** The runner's right to this migration; false when somebody has it. Lasts until the session ends. */
export async function tryBecomeRunner(session: Session, id: number): Promise<boolean> {
  const { taken } = await session.row<{ taken: boolean }>({
    text: `select pg_try_advisory_lock($1, $2) as taken`,
    values: [runnerLock, id],
  });
  return taken;
}

/**
 * Marks a session as belonging to a run.
 * @throws TakenOver when the stored number is another one, or the migration is gone
 */
export async function joinRun(session: Session, id: number, runNo: number): Promise<void> {
  // After the lock, with a snapshot of its own: whoever stored another number before this look waits for this session to be gone.
  const [, current] = await session.results([
    `select pg_advisory_lock_shared(${sessionLock}, ${id})`,
    `select run_no as "runNo" from ghost.migrations where id = ${id}`,
  ]);
  if (current?.rows[0]?.['runNo'] !== runNo) throw new TakenOver(id);
}

export interface CurrentRun {
  readonly runNo: number;
  /** The process that stored it, by a word of its own: the answer to its own number may have been lost. */
  readonly owner: string | null;
}

/** The last run; null when there is no such migration. */
export async function currentRun(session: Session, id: number): Promise<CurrentRun | null> {
  const [found] = await session.rows<CurrentRun>({
    text: `select run_no as "runNo", run_owner as owner from ghost.migrations where id = $1`,
    values: [id],
  });
  return found ?? null;
}

/** True once no session of a former run is left. Call before `joinRun`. */
export async function isAlone(session: Session, id: number): Promise<boolean> {
  const { alone } = await session.row<{ alone: boolean }>({
    text: `select pg_try_advisory_lock($1, $2) as alone`,
    values: [sessionLock, id],
  });
  if (alone) await session.rows({ text: `select pg_advisory_unlock($1, $2)`, values: [sessionLock, id] });
  return alone;
}

export interface RunPids {
  /** The backend that holds the runner's lock. */
  readonly runner: number | null;
  /** Every backend of the run, the runner's too. */
  readonly all: readonly number[];
}

/** Backends of the run, without the asking one. */
export async function runPids(session: Session, id: number): Promise<RunPids> {
  const rows = await session.rows<{ pid: number; runner: boolean }>({
    text: sql`
      select pid, bool_or(classid = $1::bigint::oid) as runner
      from pg_locks
      where locktype = 'advisory'
        and database = (select oid from pg_database where datname = current_database())
        and classid in ($1::bigint::oid, $2::bigint::oid)
        and objid = $3::bigint::oid
        and objsubid = 2
        and granted
        and pid <> pg_backend_pid()
      group by pid`,
    values: [runnerLock, sessionLock, id],
  });
  return { runner: rows.find((row) => row.runner)?.pid ?? null, all: rows.map((row) => row.pid) };
}

/** Ends backends. Needs the same role, or pg_signal_backend. */
export async function terminate(session: Session, pids: readonly number[]): Promise<void> {
  if (pids.length === 0) return;
  await session.rows({
    text: `select pg_terminate_backend(pid) from unnest($1::int[]) as pid`,
    values: [pids],
  });
}
