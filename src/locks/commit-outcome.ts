/** What became of a transaction whose commit nobody has answered: the server knows, as soon as it can be asked (invariant 11). */
import type { ConnectionOptions } from '../db/conninfo/connection-options.js';
import { Session } from '../db/session.js';
import { sleep } from '../db/wait.js';

const patienceMs = 30_000;
const pauseMs = 250;

/** The connection broke after the commit was sent: it may have happened or not (invariant 11). */
export class CommitOutcomeUnknown extends Error {
  constructor(cause: unknown) {
    super('the connection was lost at the commit', { cause });
  }
}

/** In a transaction, which needs its number anyway. */
export async function transactionId(session: Session): Promise<string> {
  const { xid } = await session.row<{ xid: string }>('select pg_current_xact_id()::text as xid');
  return xid;
}

/** null when the server cannot be asked, or has forgotten. https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-PG-SNAPSHOT */
export async function commitOutcome(
  connection: ConnectionOptions,
  xid: string,
): Promise<'committed' | 'aborted' | null> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const outcome = await ask(connection, xid).catch(() => null);
    if (outcome === 'committed' || outcome === 'aborted') return outcome;
    if (performance.now() > deadline) return null;
    await sleep(pauseMs);
  }
}

async function ask(connection: ConnectionOptions, xid: string): Promise<string | null> {
  await using session = await Session.open({ own: true, connection, applicationName: 'pg-ghost afterwards' });
  const { outcome } = await session.row<{ outcome: string | null }>({
    text: 'select pg_xact_status($1::xid8) as outcome',
    values: [xid],
  });
  return outcome;
}
