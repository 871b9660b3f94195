/**
 * One try: opens the transaction, takes the locks in one message, and keeps account of what that cost. Whoever uses it does its
 * work under the locks and ends the transaction.
 *
 * `lock_timeout` counts for each lock by itself, so `statement_timeout` caps each statement, and a clock of our own caps the sum.
 */
import { lockHolders } from '../catalog/activity.js';
import type { Session } from '../db/session.js';
import { SqlState, isConnectionLost, sqlState } from '../db/sqlstate.js';
import { displayQualified } from '../sql/quote.js';
import type { TryFailure, TryResult } from './attempts.js';
import { CommitOutcomeUnknown } from './commit-outcome.js';
import { inTheWay } from './in-the-way.js';
import type { LockTry } from './ladder.js';
import type { LedgerEntry } from './ledger.js';
import {
  clockReadings,
  lockOf,
  lockStatements,
  type AskLimits,
  type Lock,
  type LockStep,
} from './lock-request.js';
import { Watch } from './watcher.js';

/** Into a hold. */
const firstLookMs = 20;

/** Longer than any pause of a healthy process between two messages; nobody should be kept out for longer by a sick one. */
const leastIdleMs = 2_000;

export interface TryOptions {
  readonly session: Session;
  /** Without one (`null`) nobody counts who waits behind us, and nobody cancels. */
  readonly watcher: Session | null;
  readonly what: string;
  readonly steps: readonly LockStep[];
  readonly limits: AskLimits;
  readonly step: LockTry;
  readonly evictAutovacuum: boolean;
  readonly budgetMs: number;
  readonly onLock?: ((entry: LedgerEntry) => void) | undefined;
}

export class OneTry {
  readonly watch: Watch | null;
  readonly #options: TryOptions;
  readonly #locks: readonly Lock[];
  readonly #started = performance.now();
  /** When each lock was there, and for how long it was waited for. */
  #taken: readonly { readonly at: number; readonly waitedMs: number }[] = [];
  #locked: number | null = null;
  #commitSent = false;

  constructor(options: TryOptions) {
    const { watcher, session, steps, budgetMs } = options;
    this.#options = options;
    this.#locks = steps.map(lockOf);
    this.watch =
      watcher &&
      new Watch({ watcher, pid: session.pid, relations: this.#locks.map(({ oid }) => oid), budgetMs });
  }

  /** `performance.now()` of the first lock; null as long as they are not all there. */
  get locked(): number | null {
    return this.#locked;
  }

  /** @param maxAcquireMs for all locks together, on top of one lock's timeout */
  async acquire(maxAcquireMs: number): Promise<void> {
    const { session, steps, step, evictAutovacuum } = this.#options;
    const lockTimeoutMs = step.lockTimeoutMs ?? 0;
    // A try that does not wait makes nobody wait before it holds something.
    if (this.#watches && step.lockTimeoutMs !== null) this.watch?.begin();
    // The first of several locks is held while we wait for the next, and statement_timeout counts for each: cap the sum.
    if (steps.length > 1) this.watch?.startClock(lockTimeoutMs + maxAcquireMs);
    const results = await session.results([
      'begin isolation level read committed',
      `set local lock_timeout = '${lockTimeoutMs}ms'`,
      `set local statement_timeout = '${lockTimeoutMs + maxAcquireMs}ms'`,
      // Whoever holds the locks may be frozen, and its kernel goes on answering: then the server has to end it.
      `set local idle_in_transaction_session_timeout = '${Math.max(leastIdleMs, 2 * maxAcquireMs)}ms'`,
      // Autovacuum gives way only to a waiter whose deadlock check has run, so that must come before lock_timeout.
      ...(evictAutovacuum && step.lockTimeoutMs !== null
        ? [`set local deadlock_timeout = '${Math.max(1, Math.floor(step.lockTimeoutMs / 4))}ms'`]
        : []),
      ...lockStatements(steps, step),
      // A NOWAIT try waits for nothing later either: what it meets after the first lock is as bad as a held table.
      `set local lock_timeout = '${step.lockTimeoutMs ?? 1}ms'`,
    ]);
    const answered = performance.now();
    this.watch?.stopClock();
    const clock = clockReadings(results);
    const last = clock.at(-1) ?? 0;
    this.#taken = this.#locks.map((_, index) => {
      const [from = last, to = last] = clock.slice(index, index + 2);
      return { at: answered - (last - to), waitedMs: Math.max(0, to - from) };
    });
    // The application waits from the first lock on.
    this.#locked = this.#taken[0]?.at ?? answered;
    this.watch?.hold({ mayCancel: this.#implicit });
    // The work's own locks are waited for from its beginning.
    if (this.#watches) this.watch?.begin(this.#implicit ? 0 : firstLookMs);
  }

  /** Of an error that is a miss; null for one that is not. */
  failure(error: unknown): TryFailure | null {
    switch (sqlState(error)) {
      case SqlState.lockNotAvailable:
        return 'lock';
      case SqlState.deadlockDetected:
        return 'deadlock';
      case SqlState.queryCanceled:
        // One that came too late to end the wait has ended nothing.
        if (this.watch?.overdrawn === true && (this.#locked === null || this.#implicit)) return 'harm';
        // Ours (statement_timeout, or the clock) unless somebody cancelled us by hand; trying again is right for all.
        return this.#locked === null ? 'lock' : 'hold';
      default:
        return null;
    }
  }

  /** @param last goes to the server in one message with the commit */
  async commit(last: readonly string[] = []): Promise<TryResult> {
    this.#commitSent = true;
    this.watch?.nudge();
    await this.#options.session.batch([...last, 'commit']);
    return await this.#end('committed');
  }

  /**
   * Rolls back after an error.
   *
   * @throws the error when the connection is gone; CommitOutcomeUnknown when that was at the commit
   */
  async undo(error: unknown): Promise<TryResult> {
    if (isConnectionLost(error)) {
      await this.#end(this.#commitSent ? 'unknown' : 'rolled back');
      throw this.#commitSent ? new CommitOutcomeUnknown(error) : error;
    }
    await this.watch?.calm();
    await this.#options.session.rollback();
    return await this.#end('rolled back');
  }

  /** The transaction is over: writes the ledger. `unknown`: what became of it may be anything, so nothing is written. */
  async #end(outcome: 'committed' | 'rolled back' | 'unknown'): Promise<TryResult> {
    const at = performance.now();
    await this.watch?.end(at);
    const harmMs = this.watch?.harm.total(0).blockedMs ?? 0;
    if (this.#options.onLock !== undefined && outcome !== 'unknown') {
      const entries = this.#locked === null ? await this.#missed(at) : this.#held(at, outcome);
      for (const entry of entries) this.#tell(entry);
    }
    const heldMs = this.#locked === null ? null : at - this.#locked;
    return { waitedMs: at - this.#started, harmMs, unforeseen: this.watch?.unforeseen ?? null, heldMs };
  }

  get #implicit(): boolean {
    return this.#locks.some((lock) => lock.implicit);
  }

  get #watches(): boolean {
    const { onLock, budgetMs } = this.#options;
    return onLock !== undefined || budgetMs < Infinity;
  }

  #held(at: number, outcome: 'committed' | 'rolled back'): LedgerEntry[] {
    return this.#locks.map((lock, index) => {
      const { at: taken = at, waitedMs = 0 } = this.#taken[index] ?? {};
      if (!lock.implicit) return this.#entry(lock, waitedMs, at - taken, outcome);
      // When the work got it, only the watcher can have seen.
      const heldMs = this.watch?.heldMs(lock.oid, at) ?? 0;
      const missed = heldMs === 0 && outcome === 'rolled back';
      return this.#entry(lock, missed ? at - taken : 0, heldMs, missed ? 'missed' : outcome);
    });
  }

  /**
   * The server does not say which of the locks it was. In order: those before the first that somebody is in the way of were
   * taken, that one was waited for. (Nobody there any more: the last.)
   */
  async #missed(at: number): Promise<LedgerEntry[]> {
    const { step } = this.#options;
    const waitedMs = at - this.#started;
    const missed = await this.#whichMissed();
    return this.#locks.slice(0, missed + 1).flatMap((lock, index) => {
      if (index < missed) return lock.implicit ? [] : [this.#entry(lock, 0, waitedMs, 'rolled back')];
      // NOWAIT: neither waited for nor taken.
      return step.lockTimeoutMs === null ? [] : [this.#entry(lock, waitedMs, 0, 'missed')];
    });
  }

  async #whichMissed(): Promise<number> {
    if (this.#locks.length < 2) return 0;
    const { watcher, session } = this.#options;
    const looking = watcher ?? session;
    const relations = this.#locks.map(({ oid }) => oid);
    const holders = await lockHolders(looking, relations, [session.pid, looking.pid]);
    const blocked = new Set(inTheWay(holders, this.#locks).flatMap((each) => each.relations));
    const found = this.#locks.findIndex(({ oid }) => blocked.has(oid));
    return found === -1 ? this.#locks.length - 1 : found;
  }

  #entry(lock: Lock, waitedMs: number, heldMs: number, outcome: LedgerEntry['outcome']): LedgerEntry {
    const { what, step } = this.#options;
    const { oid, table, mode } = lock;
    const { blocked, blockedMs } = this.#costOf(lock);
    return {
      what,
      attempt: step.attempt,
      table: displayQualified(table),
      oid,
      mode,
      waitedMs,
      heldMs,
      blocked,
      blockedMs,
      outcome,
    };
  }

  /** Who waits for a child of a table, or for what the work locks besides, counts for the last of the set. */
  #costOf(lock: Lock): Pick<LedgerEntry, 'blocked' | 'blockedMs'> {
    const harm = this.watch?.harm;
    if (harm === undefined) return { blocked: 0, blockedMs: 0 };
    const known = new Set(this.#locks.map(({ oid }) => oid));
    const others = lock === this.#locks.at(-1) ? harm.relations.filter((oid) => !known.has(oid)) : [];
    const costs = [lock.oid, ...others].map((oid) => harm.of(oid));
    return {
      blocked: costs.reduce((sum, { blocked }) => sum + blocked, 0),
      blockedMs: costs.reduce((sum, { blockedMs }) => sum + blockedMs, 0),
    };
  }

  /** Whoever listens cannot turn a commit into a failure. */
  #tell(entry: LedgerEntry): void {
    try {
      this.#options.onLock?.(entry);
    } catch {
      // The listener's own matter.
    }
  }
}
