/**
 * A short transaction under a strong lock on a user's table: tried again and again, politely, until a deadline.
 * Every lock that an application could wait for is taken here or by `lockThenRun`.
 *
 * A clock of our own caps the whole transaction: when the hold budget is spent before the commit was sent, it is rolled back.
 */
import type { Session } from '../db/session.js';
import { attempts, type Asking, type Tried } from './attempts.js';
import type { LockTry } from './ladder.js';
import { OneTry } from './one-try.js';
import { lockOf, stepsOf, type LockLimits, type LockRequest, type LockStep } from './lock-request.js';

interface Hold {
  /** Still inside the budget? Checked before each further statement; throws `HoldOverrun` when not. */
  check(): void;
}

export interface LockedResult<T> {
  readonly value: T;
  readonly attempts: number;
  /** From the first lock to the commit. */
  readonly holdMs: number;
}

export interface LockedWork<T> extends Asking {
  readonly session: Session;
  /** Another session, which sees, counts and cancels while the first waits. Best one that does nothing else meanwhile. */
  readonly watcher: Session;
  readonly request: LockRequest;
  readonly limits: LockLimits;
  /**
   * Under the lock. Returns the statements that go to the server in one message together with the commit, and the
   * result of it all.
   */
  readonly work: (hold: Hold) => Promise<{ readonly last: readonly string[]; readonly value: T }>;
}

/** The work took longer than its budget; it was rolled back. */
class HoldOverrun extends Error {}

/**
 * @throws LockNotObtained after the deadline, or when the harm of all tries is spent; nothing was changed
 * @throws CommitOutcomeUnknown when the connection broke at the commit
 */
export async function underLock<T>(options: LockedWork<T>): Promise<LockedResult<T>> {
  const steps = stepsOf(options.request);
  const { value, attempts: made } = await attempts(
    { ...options, locks: steps.map(lockOf) },
    (step, evictAutovacuum, budgetMs) => tryOnce(options, steps, { step, evictAutovacuum, budgetMs }),
  );
  return { ...value, attempts: made };
}

async function tryOnce<T>(
  options: LockedWork<T>,
  steps: readonly LockStep[],
  how: { readonly step: LockTry; readonly evictAutovacuum: boolean; readonly budgetMs: number },
): Promise<Tried<{ value: T; holdMs: number }>> {
  const { session, watcher, request, limits, onLock } = options;
  const { maxHoldMs } = limits;
  const { what = `the lock on ${request.table}` } = request;
  const one = new OneTry({ session, watcher, what, steps, limits, onLock, ...how });
  const heldMs = (): number => (one.locked === null ? 0 : performance.now() - one.locked);
  const check = (): void => {
    if (heldMs() > maxHoldMs) throw new HoldOverrun();
  };
  try {
    await one.acquire(maxHoldMs);
    // The server's own timeout is per statement; this one is for the sum.
    one.watch?.startClock(maxHoldMs);
    const { last, value } = await options.work({ check });
    check();
    const ended = await one.commit(last);
    return { value: { value, holdMs: ended.heldMs ?? 0 }, ...ended };
  } catch (error) {
    const ended = await one.undo(error);
    const missed = error instanceof HoldOverrun ? 'hold' : one.failure(error);
    if (missed === null) throw error;
    return { missed, ...ended };
  }
}
