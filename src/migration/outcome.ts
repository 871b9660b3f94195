/**
 * The connection broke when the commit of the swap was under way (invariant 11): ask the catalog what happened. The state
 * row changed in the same commit, so it tells; but only once the old backend is gone, which may still be committing.
 */
import { Session } from '../db/session.js';
import { isConnectionLost, messageOf } from '../db/sqlstate.js';
import { sleep } from '../db/wait.js';
import { OutcomeUnknownError } from '../errors.js';
import { displayName } from '../sql/quote.js';
import { runPids } from '../state/fence.js';
import { findMigration } from '../state/migrations.js';
import type { RunContext } from './context.js';

/** A server that crashed is usually back within this. */
const patienceMs = 60_000;

/** @throws OutcomeUnknownError when the server cannot be asked in time */
export async function findOutcome(context: RunContext, cause: unknown): Promise<'swapped' | 'not swapped'> {
  const { id, plan } = context;
  const deadline = performance.now() + patienceMs;
  let last: unknown = cause;
  while (performance.now() < deadline) {
    try {
      await using session = await Session.open({
        connection: context.sessions.connection,
        applicationName: `pg-ghost ${id} outcome`,
      });
      const { all } = await runPids(session, id);
      if (!all.some((pid) => pid !== context.control.pid)) {
        const record = await findMigration(session, id);
        return record?.phase === 'swapped' ? 'swapped' : 'not swapped';
      }
    } catch (error) {
      if (!isUnreachable(error)) throw error;
      last = error;
    }
    await sleep(250);
  }
  throw new OutcomeUnknownError(
    'outcome-unknown',
    `the connection was lost at the commit of the swap, and the server cannot be asked what became of it: ${messageOf(last)}`,
    {
      state: 'either the swap is complete or nothing of it happened; nothing in between is possible',
      hint:
        `when the server is back: pg-ghost status ${id} says "swapped" or an earlier phase ` +
        `(${displayName(plan.table)} is the new table in the first case); the same run command goes on from there`,
      cause: last,
    },
  );
}

function isUnreachable(error: unknown): boolean {
  return isConnectionLost(error) || (error instanceof Error && isConnectionLost(error.cause));
}
