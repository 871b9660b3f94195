/**
 * Catch-up: applies the log in passes from its first block to its last, until a pass finds little. Entries that were not
 * visible when a pass went by (their transactions were open) are found by the next.
 *
 * Invariant 4 is the caller's: every chunk is committed, the purge is done, the indexes are there.
 */
import { retryTransient } from '../db/retry.js';
import type { Session } from '../db/session.js';
import type { EventMap } from '../report/events.js';
import { qualified } from '../sql/quote.js';
import type { ApplyPlan } from './apply-plan.js';
import {
  deleteEntriesSql,
  drainStatements,
  logBlocksSql,
  planDrainStatements,
  prepareDrainStatements,
  wholeLog,
} from './apply-sql.js';
import { applyBatch, type BatchResult } from './batch.js';
import { firstBatchBlocks, nextBatchBlocks, reclaim, smallLogBlocks } from './batch-size.js';
import { blocksRange, type LogRange } from './log-range.js';
import { findMisfits, isRowError, misfitError } from './misfits.js';

export type ApplyProgress = EventMap['apply:progress'];

/** A batch is committed. */
export type ApplyPoint = 'batch-applied';

/** One pass over the log. */
export interface Pass {
  readonly entries: number;
  readonly durationMs: number;
}

export interface CatchUpOptions {
  readonly plan: ApplyPlan;
  /** Pinned (invariant 13); nobody else uses it meanwhile. */
  readonly session: Session;
  /** Whether the backlog is small enough after this pass. Default: 1,000 entries, 25 ms of work. */
  readonly until?: (pass: Pass) => boolean;
  /** Runs in every batch's transaction; throws when the source's definition is not as recorded (invariant 12). */
  readonly checkSource?: (session: Session) => Promise<void>;
  /** Awaited before every batch: pause and throttle. */
  readonly permission?: (signal: AbortSignal | undefined) => Promise<void>;
  readonly onProgress?: (progress: ApplyProgress) => void;
  readonly at?: (point: ApplyPoint) => Promise<void> | void;
  /** The current batch is finished and committed, then `catchUp` rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

export interface CatchUpResult {
  readonly keysApplied: number;
  readonly lastPass: Pass;
}

/**
 * Returns when a pass left the backlog small and the log is short enough to drain.
 *
 * @throws FailedError `row-does-not-fit` or `unique-violation`, naming keys; what the callbacks throw; the signal's reason
 */
export async function catchUp(options: CatchUpOptions): Promise<CatchUpResult> {
  return await new Applier(options).run();
}

/** Opens the way for `drain`: once in its session, which has `applySettings`. */
export async function prepareDrain(session: Session, plan: ApplyPlan): Promise<void> {
  await session.batch(prepareDrainStatements(plan));
}

/** Shortly before `drain`: leaves it nothing to plan. */
export async function planDrain(session: Session, plan: ApplyPlan): Promise<void> {
  await session.batch(planDrainStatements(plan));
}

/**
 * Applies all that is left, inside the caller's transaction, which is READ COMMITTED and keeps writers out of the source:
 * one message, with `first` before it. Conflicts and misfits are thrown as they come from the server: roll back, and let `catchUp` explain them.
 * The session went through `prepareDrain`.
 *
 * @returns number of entries
 */
export async function drain(session: Session, plan: ApplyPlan): Promise<number>;
/** @param first a statement to go before, in the same message; @returns its rows too */
export async function drain(session: Session, plan: ApplyPlan, first: string): Promise<Drained>;
export async function drain(session: Session, plan: ApplyPlan, first?: string): Promise<number | Drained> {
  const results = await session.results([
    ...(first === undefined ? [] : [first]),
    ...drainStatements(plan),
    deleteEntriesSql(plan, wholeLog).text,
  ]);
  const entries = results.at(-1)?.rowCount ?? 0;
  return first === undefined ? entries : { entries, first: results[0]?.rows ?? [] };
}

export interface Drained {
  readonly entries: number;
  readonly first: readonly Record<string, unknown>[];
}

const smallBacklog = 1_000;
/** VACUUM cannot shorten a log whose end is in use, or that an old snapshot still sees: do not insist. */
const maxShrinks = 2;
/** Deadlocks and missed locks pass by themselves; what does not within this time is worth an error. */
const transientMs = 30_000;
/** After a conflict the next batches will have some too; looking for holders at once is cheaper than failing first. */
const clearingBatches = 16;

class Applier {
  #keysApplied = 0;
  #batchBlocks = firstBatchBlocks;
  #deletedSinceVacuum = 0;
  #shrinks = 0;
  #clearing = 0;

  constructor(private readonly options: CatchUpOptions) {}

  async run(): Promise<CatchUpResult> {
    const { until = (pass: Pass) => pass.entries <= smallBacklog } = this.options;
    for (;;) {
      const pass = await this.#pass();
      const isShort = await this.#reclaim(until(pass));
      if (until(pass) && isShort) return { keysApplied: this.#keysApplied, lastPass: pass };
    }
  }

  async #pass(): Promise<Pass> {
    const { permission, signal } = this.options;
    const startedMs = performance.now();
    let entries = 0;
    for (let block = 0, end = 1; block < end;) {
      signal?.throwIfAborted();
      await permission?.(signal);
      const batchStartedMs = performance.now();
      const blocks = this.#batchBlocks;
      const result = await this.#apply(blocksRange(block, block + blocks));
      const batchMs = performance.now() - batchStartedMs;
      await this.options.at?.('batch-applied');
      end = result.logBlocks;
      entries += result.entries;
      this.#keysApplied += result.entries;
      this.#deletedSinceVacuum += result.entries;
      if (result.truncated) continue;
      block += blocks;
      this.#batchBlocks = nextBatchBlocks(blocks, batchMs);
      this.#report(result, Math.max(0, end - block), Math.min(blocks, Math.max(end, 1)), batchMs);
    }
    return { entries, durationMs: performance.now() - startedMs };
  }

  async #apply(range: LogRange): Promise<BatchResult> {
    const { session, plan, checkSource, signal } = this.options;
    try {
      const result = await retryTransient(
        () => applyBatch(session, plan, range, { clearHolders: this.#clearing > 0, checkSource }),
        { deadlineMs: transientMs, ...(signal === undefined ? {} : { signal }) },
      );
      this.#clearing = result.conflicted ? clearingBatches : Math.max(0, this.#clearing - 1);
      return result;
    } catch (error) {
      if (!isRowError(error)) throw error;
      const { blocks } = await session.row<{ blocks: number }>(logBlocksSql(plan));
      const within = { from: range.from, to: Math.min(range.to, blocksRange(0, blocks).to) };
      const found = await findMisfits(session, plan, within, { clearHolders: true, checkSource, signal });
      if (found.misfits.length > 0 || found.timedOut) throw misfitError(plan, found.misfits, error);
      return { truncated: false, entries: found.entries, logBlocks: blocks };
    }
  }

  /** Between passes. Returns whether the log is short, or as short as it gets. */
  async #reclaim(isLast: boolean): Promise<boolean> {
    const { session, plan } = this.options;
    const { blocks: logBlocks } = await session.row<{ blocks: number }>(logBlocksSql(plan));
    const isLong = logBlocks > smallLogBlocks && this.#shrinks < maxShrinks;
    const what = isLast && isLong ? 'shrink' : reclaim({ logBlocks, deleted: this.#deletedSinceVacuum });
    if (what === 'nothing') return true;
    const truncate = what === 'shrink' ? 'on' : 'off';
    await session.execute(`vacuum (truncate ${truncate}) ${qualified(plan.log.entries)}`);
    this.#deletedSinceVacuum = 0;
    if (isLast && isLong) this.#shrinks += 1;
    return !(isLast && isLong);
  }

  #report(batch: BatchResult, blocksLeft: number, blocksTaken: number, batchMs: number): void {
    this.options.onProgress?.({
      // As if what is left were as full as what was just taken.
      backlog: Math.round((blocksLeft * batch.entries) / blocksTaken),
      keysApplied: this.#keysApplied,
      keysPerSecond: batch.entries === 0 ? null : (batch.entries * 1000) / batchMs,
      batchMs,
    });
  }
}
