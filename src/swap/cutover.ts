/**
 * The transaction of a swap: it holds the lock, looks at the table in use once more, drains the last writes, exchanges the
 * tables and commits (invariants 9, 10, 11, 12); it has a budget, and on overrun lets the application through.
 */
import type { Session } from '../db/session.js';
import type { EndBlockers } from '../locks/attempts.js';
import { underLock, type LockedResult } from '../locks/locked-transaction.js';
import type { LockLimits, LockStep } from '../locks/lock-request.js';
import { missedTry } from '../locks/describe-miss.js';
import type { Killed } from '../locks/kill-blockers.js';
import type { LedgerEntry } from '../locks/ledger.js';
import type { Emit } from '../model/event.js';

interface Finished {
  /** That were applied. */
  readonly keys: number;
  /** How long the log was waited for. */
  readonly captureMs: number;
}

export interface CutoverWork {
  /** Quoted, qualified. */
  readonly table: string;
  readonly tableOid: number;
  readonly session: Session;
  readonly watcher: Session;
  /** Relations that are locked before and after the table. */
  readonly locks: { readonly before: readonly LockStep[]; readonly after: readonly LockStep[] };
  readonly limits: LockLimits;
  /** Brings the backlog down, so that the drain under the lock is short. */
  readonly catchUp: (endBlockers: EndBlockers) => Promise<void>;
  /**
   * Under the lock: looks whether the table in use and its capture are what they were, and applies what is left in the log.
   * Throws when they are not.
   */
  readonly finish: () => Promise<Finished>;
  /** After `finish`. */
  readonly swap: () => readonly string[];
  /** After the swap's statements and before the commit: throws when the result is not what it must be. Costs the hold its time. */
  readonly inspect?: () => Promise<void>;
  /** Why there should be no try now, or null. */
  readonly ready?: () => Promise<string | null>;
  readonly killBlockers?: { readonly afterMs: number };
  readonly onKill?: (killed: Killed) => void;
  readonly onLock?: (entry: LedgerEntry) => void;
  /** Told before each try, and after one that did not succeed. */
  readonly onTrying?: (isTrying: boolean) => void;
  /** All of it, and then it is taken back. */
  readonly rehearse?: boolean;
  readonly emit: Emit;
  readonly signal?: AbortSignal;
}

/** A rehearsal that came to its end; it is thrown so that the transaction is rolled back. */
class Rehearsed extends Error {
  constructor(
    readonly finished: Finished,
    readonly holdMs: number,
    readonly attempts: number,
  ) {
    super('rehearsed');
  }
}

/**
 * @throws LockNotObtained after the deadline: nothing was swapped.
 * @throws CommitOutcomeUnknown when the connection broke at the commit.
 */
export async function cutover(work: CutoverWork): Promise<LockedResult<number>> {
  const { emit } = work;
  let attempt = 0;
  let finished: Finished = { keys: 0, captureMs: 0 };
  try {
    const result = await underLock<number>({
      session: work.session,
      watcher: work.watcher,
      request: {
        what: work.rehearse === true ? 'the rehearsal of the swap' : 'the swap',
        table: work.table,
        tableOid: work.tableOid,
        mode: 'ACCESS EXCLUSIVE',
        ...work.locks,
      },
      limits: work.limits,
      prepare: (_, endBlockers) => work.catchUp(endBlockers),
      work: async () => {
        const started = performance.now();
        finished = await work.finish();
        if (work.rehearse !== true && work.inspect === undefined)
          return { value: finished.keys, last: work.swap() };
        await work.session.batch(work.swap());
        await work.inspect?.();
        if (work.rehearse !== true) return { value: finished.keys, last: [] };
        throw new Rehearsed(finished, performance.now() - started, attempt);
      },
      onTry: (step) => {
        attempt = step.attempt;
        work.onTrying?.(true);
        emit('cutover:try', { attempt, lockTimeoutMs: step.lockTimeoutMs ?? 0 });
      },
      onMiss: (miss) => {
        work.onTrying?.(false);
        emit('cutover:missed', missedTry(miss));
      },
      ...(work.onKill === undefined ? {} : { onKill: work.onKill }),
      ...(work.ready === undefined ? {} : { ready: work.ready }),
      ...(work.killBlockers === undefined ? {} : { killBlockers: work.killBlockers }),
      ...(work.onLock === undefined ? {} : { onLock: work.onLock }),
      ...(work.signal === undefined ? {} : { signal: work.signal }),
    });
    const { attempts, holdMs } = result;
    const { captureMs, keys } = finished;
    emit('cutover:done', { attempts, holdMs, captureMs, drainedKeys: keys });
    return result;
  } catch (error) {
    work.onTrying?.(false);
    if (error instanceof Rehearsed) {
      const { holdMs, attempts } = error;
      const { captureMs, keys } = error.finished;
      emit('cutover:rehearsed', { holdMs, attempts, captureMs, drainedKeys: keys });
      return { value: keys, attempts, holdMs };
    }
    throw error;
  }
}
