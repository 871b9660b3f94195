/**
 * A statement that may run for hours under locks that are weak, or that keep nobody away: VALIDATE CONSTRAINT, REFRESH, the DROP
 * of an old table. Its locks are asked for as politely as the swap's; once they are there it has all the time it needs.
 */
import type { Session } from '../db/session.js';
import { SqlState, sqlState } from '../db/sqlstate.js';
import { attempts, type Asking, type Tried } from './attempts.js';
import type { LockTry } from './ladder.js';
import { OneTry } from './one-try.js';
import { lockOf, type AskLimits, type LockStep } from './lock-request.js';

export interface LongWork<T> extends Asking {
  readonly session: Session;
  /** Without one nobody counts or limits what our waiting costs others; who is in the way is looked up all the same. */
  readonly watcher?: Session;
  /** For people, in the ledger: `foreign key orders_customer_fkey of public.orders`. */
  readonly what: string;
  /**
   * In order. `implicit` for what only the statement itself can lock (a materialized view): it then runs under the try's own
   * `lock_timeout`, which must be long enough for any lock that it takes later.
   */
  readonly locks: readonly LockStep[];
  readonly limits: AskLimits;
  /** In the transaction that holds the locks, without a statement timeout; committed when it is done. */
  readonly run: () => Promise<T>;
}

export interface LongResult<T> {
  readonly value: T;
  readonly attempts: number;
  /** Until the locks were there, with all tries and pauses. */
  readonly waitedMs: number;
  readonly heldMs: number;
}

/**
 * An error of the statement itself is thrown as it is, and so is somebody's cancel while it runs.
 *
 * @throws LockNotObtained after the deadline, or when the harm of all tries is spent; nothing was changed
 * @throws CommitOutcomeUnknown when the connection broke at the commit
 */
export async function lockThenRun<T>(options: LongWork<T>): Promise<LongResult<T>> {
  const { session, watcher = session, locks } = options;
  const {
    value,
    attempts: made,
    waitedMs,
  } = await attempts({ ...options, watcher, locks: locks.map(lockOf) }, (step, evictAutovacuum, budgetMs) =>
    tryOnce(options, { step, evictAutovacuum, budgetMs }),
  );
  return { ...value, attempts: made, waitedMs: Math.max(0, waitedMs - value.heldMs) };
}

async function tryOnce<T>(
  options: LongWork<T>,
  how: { readonly step: LockTry; readonly evictAutovacuum: boolean; readonly budgetMs: number },
): Promise<Tried<{ value: T; heldMs: number }>> {
  const { session, watcher = null, what, locks, limits, onLock } = options;
  const one = new OneTry({ session, watcher, what, steps: locks, limits, onLock, ...how });
  const implicit = locks.some(({ kind }) => kind === 'implicit');
  try {
    await one.acquire(limits.lockTimeoutMs);
    await session.batch([
      `set local statement_timeout = 0`,
      // What it waits for later (a row that VALIDATE looks at is being written) must not cost the work of hours.
      ...(implicit ? [] : [`set local lock_timeout = '${limits.lockTimeoutMs}ms'`]),
    ]);
    const value = await options.run();
    const ended = await one.commit();
    return { value: { value, heldMs: ended.heldMs ?? 0 }, ...ended };
  } catch (error) {
    const ended = await one.undo(error);
    const missed = one.failure(error);
    if (missed === null) throw error;
    // Nothing of ours cancels it while it runs, but for the harm: somebody wants it to end.
    const running = one.locked !== null;
    if (running && missed === 'hold' && sqlState(error) === SqlState.queryCanceled) throw error;
    return { missed, ...ended };
  }
}
