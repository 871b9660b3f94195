/**
 * While nothing can be applied yet (copy, purge, index) or nothing is (settle), the log still must not grow with every write:
 * what is in it is kept once for each key.
 */
import type { Session } from '../db/session.js';
import { relaxedCommit } from '../db/settings.js';
import { messageOf } from '../db/sqlstate.js';
import { sleep } from '../db/wait.js';
import type { RunContext, TableContext } from './context.js';
import type { Transition } from '../model/phase.js';

const everyMs = 500;

/** The phase, with the log kept short beside it. */
export function compacting(
  work: (context: RunContext) => Promise<Transition>,
): (context: RunContext) => Promise<Transition> {
  return async (context) => await whileCompacting(context.tables, () => work(context));
}

/** Nobody applies these meanwhile. */
export async function whileCompacting<T>(
  tables: readonly TableContext[],
  work: () => Promise<T>,
): Promise<T> {
  const stop = new AbortController();
  const minding = Promise.all(tables.map((table) => mind(table, stop.signal)));
  try {
    return await work();
  } finally {
    stop.abort();
    await minding;
  }
}

/** Never rejects: without this the log is longer, and nothing is wrong. */
async function mind(context: TableContext, stop: AbortSignal): Promise<void> {
  const { sessions, emit, at } = context;
  const { keeper } = context.capture;
  let session: Session | null = null;
  let told = false;
  while (!stop.aborted) {
    try {
      await sleep(everyMs, stop);
      if (session === null) {
        session = await sessions.open('log', relaxedCommit);
        await keeper.restore(session);
      }
      await keeper.shorten(session, at);
      told = false;
    } catch (error) {
      if (session !== null) await sessions.release(session);
      session = null;
      if (stop.aborted || told || context.signal.aborted) continue;
      told = true;
      emit('warning', {
        code: 'log-not-compacted',
        message: `the change log was not compacted (${messageOf(error)}): it grows with every write until that is over`,
      });
    }
  }
  if (session !== null) await sessions.release(session);
}
