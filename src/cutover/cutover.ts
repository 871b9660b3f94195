/**
 * The swap. One transaction holds the lock, looks at the source once more, drains the last writes, exchanges the
 * tables and commits (invariants 9, 10, 11, 12); it has a budget, and on overrun lets the application through.
 */
import type { Session } from '../db/session.js';
import { CutoverNotObtainedError } from '../errors.js';
import {
  LockNotObtained,
  underLock,
  type LockLimits,
  type LockStep,
  type LockedResult,
} from '../locks/locked-transaction.js';
import { blockerLines } from '../locks/describe-blockers.js';
import type { Emit } from '../report/events.js';

export interface CutoverWork {
  readonly id: number;
  /** For people. */
  readonly displayTable: string;
  /** Quoted, qualified. */
  readonly table: string;
  readonly tableOid: number;
  readonly session: Session;
  readonly watcher: Session;
  /** Relations that are locked before and after the table. */
  readonly locks: { readonly before: readonly LockStep[]; readonly after: readonly LockStep[] };
  readonly limits: LockLimits;
  /** Brings the backlog down, so that the drain under the lock is short. */
  readonly catchUp: () => Promise<void>;
  /**
   * Under the lock: looks whether the source and its capture are what they were, and applies what is left in the log.
   * Throws when they are not; returns the number of keys applied.
   */
  readonly finish: () => Promise<number>;
  readonly swap: readonly string[];
  readonly emit: Emit;
  readonly signal?: AbortSignal;
}

/**
 * @throws CutoverNotObtainedError after the deadline: nothing was swapped, the shadow is still in sync.
 * @throws CommitOutcomeUnknown when the connection broke at the commit.
 */
export async function cutover(work: CutoverWork): Promise<LockedResult<number>> {
  const { emit } = work;
  try {
    const result = await underLock<number>({
      session: work.session,
      watcher: work.watcher,
      request: { table: work.table, tableOid: work.tableOid, mode: 'ACCESS EXCLUSIVE', ...work.locks },
      limits: work.limits,
      prepare: () => work.catchUp(),
      work: async () => ({ value: await work.finish(), last: work.swap }),
      onTry: (step) => emit('cutover:try', { attempt: step.attempt, lockTimeoutMs: step.lockTimeoutMs ?? 0 }),
      onMissed: (missed) =>
        emit('cutover:missed', {
          attempt: missed.try.attempt,
          waitedMs: missed.waitedMs,
          why: missed.why,
          blockers: missed.blockers,
          nextTryMs: missed.nextTryMs,
        }),
      ...(work.signal === undefined ? {} : { signal: work.signal }),
    });
    emit('cutover:done', { attempts: result.attempts, holdMs: result.holdMs, drainedKeys: result.value });
    return result;
  } catch (error) {
    if (error instanceof LockNotObtained) throw notObtained(work, error);
    throw error;
  }
}

function notObtained(work: CutoverWork, missed: LockNotObtained): CutoverNotObtainedError {
  const { last } = missed;
  const reasons = {
    lock: 'the lock on it was never free',
    deadlock: 'another session waited for us and we for it',
    hold: `the swap took longer than its budget of ${work.limits.maxHoldMs} ms and was rolled back each time`,
  };
  return new CutoverNotObtainedError(
    'cutover-not-obtained',
    `${work.displayTable} was not swapped: in ${missed.attempts} tries over ${Math.round(missed.waitedMs / 1000)} s ` +
      reasons[last.why] +
      blockerLines(last.blockers),
    {
      details: {
        attempts: missed.attempts,
        waitedMs: missed.waitedMs,
        why: last.why,
        blockers: last.blockers,
      },
      state:
        'the source is untouched and goes on being captured; the shadow stays in sync as soon as the run continues',
      hint: `run the same command again at a quieter moment, or with a longer --cutover-deadline; pg-ghost abort ${work.id} undoes`,
    },
  );
}
