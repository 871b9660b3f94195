/**
 * One runner at a time, and dead ones are fenced (invariant 8).
 *
 * The runner's control session holds an exclusive advisory lock for as long as it lives. Every session of the run,
 * the control session too, holds another one shared: whoever continues waits until it can have that one for itself
 * alone, and so knows that no backend of a killed client is still at work.
 */
import type { Session } from '../db/session.js';
import { sql } from '../sql/quote.js';

/** First halves of the two-part lock keys; the second is the migration's id. Arbitrary, but ours for good. */
const runnerLock = 0x67683031;
const sessionLock = 0x67683032;

/** The runner's right to this migration; false when somebody has it. Lasts until the session ends. */
export async function tryBecomeRunner(session: Session, id: number): Promise<boolean> {
  const { taken } = await session.row<{ taken: boolean }>({
    text: `select pg_try_advisory_lock($1, $2) as taken`,
    values: [runnerLock, id],
  });
  return taken;
}

/** Marks a session as belonging to the run. */
export async function joinRun(session: Session, id: number): Promise<void> {
  await session.rows({ text: `select pg_advisory_lock_shared($1, $2)`, values: [sessionLock, id] });
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

/** Backends of the run: the runner's first. */
export async function runPids(
  session: Session,
  id: number,
): Promise<{ runner: number | null; all: number[] }> {
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

/** Ends the run's backends. Needs the same role, or pg_signal_backend. */
export async function terminateRun(session: Session, id: number): Promise<void> {
  const { all } = await runPids(session, id);
  if (all.length === 0) return;
  await session.rows({
    text: `select pg_terminate_backend(pid) from unnest($1::int[]) as pid`,
    values: [all],
  });
}
