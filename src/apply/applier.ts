/**
 * Catch-up: applies the log in passes over all of its tables, until a pass finds little. Entries that were not visible when a
 * pass went by (their transactions were open) are found by the next. Where one session cannot keep up with the writers,
 * several share each range by the hash of the key.
 *
 * Invariant 4 is the caller's: every chunk is committed, the purge is done, the indexes are there.
 */
import { readBlocksOf } from '../catalog/sizes.js';
import { retryTransient } from '../db/retry.js';
import type { Session } from '../db/session.js';
import { isConflict, isRowError, isServerError, type ServerError } from '../db/sqlstate.js';
import { localSettings } from '../db/settings.js';
import type { EventMap } from '../model/event.js';
import { qualified } from '../sql/quote.js';
import type { QualifiedName } from '../model/name.js';
import type { ApplyPlan } from './apply-plan.js';
import type { Balance } from './balance.js';
import {
  drainStatements,
  hashableKeySql,
  planDrainStatements,
  prepareDrainStatements,
  type LogSlice,
} from './apply-sql.js';
import { applyBatch, type BatchResult } from './batch.js';
import { firstBatchBlocks, nextBatchBlocks, smallLogBlocks, worthReclaiming } from './batch-size.js';
import { blocksRange } from '../pieces/row-range.js';
import { findMisfits, notApplied } from './misfits.js';
import { isOutrun, workersFor, type Pass } from './pass.js';

type ApplyProgress = EventMap['apply:progress'];

/** A batch is committed. */
export type ApplyPoint = 'batch-applied';

/** Who keeps the tables of the log small; capture's, handed in by the runner. */
interface LogTidier {
  /** What is not the active segment comes first: it can be given back afterwards. */
  readonly active: QualifiedName;
  readonly others: readonly QualifiedName[];
  /** Truncates a table unless it is in use or has entries. */
  empty(session: Session, table: QualifiedName): Promise<boolean>;
  /** Makes another segment the active one; false when that cannot be now. */
  switch(session: Session): Promise<boolean>;
}

export interface CatchUpOptions {
  readonly plan: ApplyPlan;
  /** Pinned (invariant 13); nobody else uses it meanwhile. */
  readonly session: Session;
  readonly log: LogTidier;
  /** Further sessions of the same kind, for when one cannot keep up; opened when needed, the caller's to close. */
  readonly helpers?: (count: number) => Promise<readonly Session[]>;
  /** Most sessions to use; 1 by default. */
  readonly maxWorkers?: number;
  /** Told when the application writes faster than all of that can apply. Rates are keys a second. */
  readonly onOutrun?: (rates: {
    readonly written: number;
    readonly applied: number;
    readonly workers: number;
  }) => void;
  /** Whether the backlog is small enough after this pass. Default: 1,000 entries, 25 ms of work. */
  readonly until?: (pass: Pass) => boolean;
  /** Runs in every batch's transaction; throws when the definition of `from` is not as recorded (invariant 12). */
  readonly checkSource?: (session: Session) => Promise<void>;
  /** Resolves when everything that was committed before the call is in the log; asked only of a log that lags. */
  readonly logged?: (signal: AbortSignal | undefined) => Promise<void>;
  /** Kept where keys may collide. */
  readonly balance?: Balance | undefined;
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
  return await new CatchUp(options).run();
}

/** Opens the way for `drain`: once in its session, which has `applySettings`. */
export async function prepareDrain(session: Session, plan: ApplyPlan): Promise<void> {
  await session.under(plan.settings, () => session.batch(prepareDrainStatements(plan)));
}

/** Shortly before `drain`: leaves it nothing to plan. */
export async function planDrain(session: Session, plan: ApplyPlan): Promise<void> {
  await session.under(plan.settings, () => session.batch(planDrainStatements(plan)));
}

/**
 * Applies all that is left, inside the caller's transaction, which is READ COMMITTED and keeps writers out of `from`:
 * one message, with `first` before it. Conflicts and misfits are thrown as they come from the server: roll back, and let `catchUp` explain them.
 * The session went through `prepareDrain`.
 *
 * @returns number of entries
 */
export async function drain(session: Session, plan: ApplyPlan): Promise<number>;
/** @param first statements to go before, in the same message; @returns their rows too */
export async function drain(session: Session, plan: ApplyPlan, first: readonly string[]): Promise<Drained>;
export async function drain(
  session: Session,
  plan: ApplyPlan,
  first?: readonly string[],
): Promise<number | Drained> {
  // Only what differs: setting anew what is set already (a list of time zones, a text search configuration) is read anew, for milliseconds.
  const { changed, former } = session.differing(plan.settings);
  const results = await session.results([
    ...(first ?? []),
    ...localSettings(changed),
    ...drainStatements(plan),
    ...localSettings(former),
  ]);
  const at = results.findLastIndex(({ rows }) => rows[0] !== undefined && 'entries' in rows[0]);
  const counted = results[at]?.rows[0];
  const entries = Number(counted?.['entries'] ?? 0);
  if (first === undefined) return entries;
  const [deleted, inserted] = [results[at - 2]?.rowCount ?? 0, results[at - 1]?.rowCount ?? 0];
  const change =
    counted?.['truncated'] === true ? null : inserted - deleted - Number(counted?.['steps'] ?? 0);
  return { entries, first: results.slice(0, first.length).map(({ rows }) => rows), change };
}

export interface Drained {
  readonly entries: number;
  readonly first: readonly (readonly Record<string, unknown>[])[];
  /** What the balance differs by; null after a TRUNCATE, since which every row of `from` has an entry. */
  readonly change: number | null;
}

const smallBacklog = 1_000;
/** VACUUM cannot shorten a log whose end is in use, or that an old snapshot still sees: do not insist. */
const maxShrinks = 2;
/** Deadlocks and missed locks pass by themselves; what does not within this time is worth an error. */
const transientMs = 30_000;
/** Where the log lags, who holds a unique value may have no entry yet: so often it is waited for. */
const maxLaggingTries = 5;
/** After a conflict the next batches will have some too; looking for holders at once is cheaper than failing first. */
const clearingBatches = 16;
/** A segment with less than this is not worth changing: 512 KB. */
const worthSwitchingBlocks = 64;
/** Somebody who reads the log wants to know it once in a while, not at each pass. */
const outrunEveryMs = 30_000;

class CatchUp {
  #keysApplied = 0;
  #batchBlocks = firstBatchBlocks;
  #deletedSinceVacuum = 0;
  #shrinks = 0;
  #clearing = 0;
  #passes: Pass[] = [];
  #workers: readonly Session[];
  #canShare: boolean | null = null;
  #outrunToldMs = -Infinity;

  constructor(private readonly options: CatchUpOptions) {
    this.#workers = [options.session];
  }

  async run(): Promise<CatchUpResult> {
    const { until = (pass: Pass) => pass.entries <= smallBacklog } = this.options;
    for (;;) {
      const pass = await this.#pass();
      const isShort = await this.#tidy(until(pass));
      if (until(pass) && isShort) return { keysApplied: this.#keysApplied, lastPass: pass };
      await this.#keepUp(pass);
    }
  }

  async #pass(): Promise<Pass> {
    const { log } = this.options;
    const startedMs = performance.now();
    let entries = 0;
    for (const table of [...log.others, log.active]) entries += await this.#passOver(table);
    return { entries, durationMs: performance.now() - startedMs };
  }

  /** As far as the table goes when the pass comes to it: one that followed the writers would never end behind fast ones. */
  async #passOver(table: QualifiedName): Promise<number> {
    const { permission, signal, at } = this.options;
    let entries = 0;
    let end: number | null = null;
    for (let block = 0; end === null || block < end;) {
      signal?.throwIfAborted();
      await permission?.(signal);
      const batchStartedMs = performance.now();
      const blocks = this.#batchBlocks;
      const result = await this.#applyTogether({ table, range: blocksRange(block, block + blocks) });
      const batchMs = performance.now() - batchStartedMs;
      await at?.('batch-applied');
      entries += result.entries;
      this.#keysApplied += result.entries;
      this.#deletedSinceVacuum += result.entries;
      if (result.truncated) continue;
      end ??= result.logBlocks;
      // An empty or short table says nothing about how long a full batch takes.
      const wasFull = result.entries > 0 && block + blocks <= result.logBlocks;
      block += blocks;
      const next = nextBatchBlocks(blocks, batchMs);
      this.#batchBlocks = wasFull ? next : Math.min(blocks, next);
      this.#report(result, Math.max(0, end - block), Math.min(blocks, Math.max(end, 1)), batchMs);
    }
    return entries;
  }

  /** Each worker its share of the keys; a share that fails because of its rows is looked at by one alone. */
  async #applyTogether(slice: LogSlice): Promise<BatchResult> {
    const workers = this.#workers.length;
    if (workers === 1) return await this.#apply(slice);
    const outcomes = await Promise.allSettled(
      this.#workers.map((session, worker) => this.#batch(session, { ...slice, share: { worker, workers } })),
    );
    const failures = outcomes.flatMap((each) => (each.status === 'rejected' ? [each.reason as Error] : []));
    const unexpected = failures.find((error) => !isRowError(error));
    if (unexpected !== undefined) throw unexpected;
    const results = outcomes.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    if (failures.length > 0) results.push(await this.#apply(slice));
    return {
      truncated: results.some((result) => result.truncated),
      entries: results.reduce((sum, result) => sum + result.entries, 0),
      logBlocks: Math.max(...results.map((result) => result.logBlocks)),
    };
  }

  async #batch(session: Session, slice: LogSlice): Promise<BatchResult> {
    const { plan, checkSource, balance, signal } = this.options;
    const result = await retryTransient(
      () => applyBatch(session, plan, slice, { clearHolders: this.#clearing > 0, checkSource, balance }),
      { deadlineMs: transientMs, ...(signal === undefined ? {} : { signal }) },
    );
    this.#clearing = result.conflicted ? clearingBatches : Math.max(0, this.#clearing - 1);
    return result;
  }

  async #apply(slice: LogSlice): Promise<BatchResult> {
    try {
      return await this.#batch(this.options.session, slice);
    } catch (error) {
      if (!isRowError(error)) throw error;
      return await this.#applyWhatFits(slice, error);
    }
  }

  async #applyWhatFits(slice: LogSlice, error: ServerError): Promise<BatchResult> {
    const { session, plan, checkSource, balance, logged, signal } = this.options;
    const blocks = await readBlocksOf(session, slice.table);
    const { from, to } = slice.range;
    const within = { ...slice, range: { from, to: Math.min(to, blocksRange(0, blocks).to) } };
    let entries = 0;
    for (let tries = 1; ; tries += 1) {
      const isLagging = plan.log.lags && logged !== undefined && isConflict(error);
      if (isLagging) await logged(signal);
      const found = await findMisfits(session, plan, within, error, {
        clearHolders: true,
        checkSource,
        balance,
        signal,
      });
      entries += found.entries;
      if (found.misfits.length === 0 && !found.timedOut)
        return { truncated: false, entries, logBlocks: blocks };
      if (!isLagging || tries >= maxLaggingTries) throw notApplied(plan, found.misfits, error);
    }
  }

  /**
   * Between passes: gives back what is done, so that neither the disk nor the drain suffers. Returns whether the log is short
   * enough to drain, or as short as it gets.
   */
  async #tidy(isLast: boolean): Promise<boolean> {
    const { session, log } = this.options;
    for (const table of log.others) await log.empty(session, table);
    const { active } = log;
    const activeBlocks = await readBlocksOf(session, active);
    // What is in there goes with the next pass, and then all of it can be given back.
    if (activeBlocks > worthSwitchingBlocks && (await log.switch(session)))
      return activeBlocks <= smallLogBlocks;
    const isLong = activeBlocks > smallLogBlocks && this.#shrinks < maxShrinks;
    if (isLast && isLong) {
      this.#shrinks += 1;
      // ACCESS EXCLUSIVE on the log for a moment, given up as soon as a write waits for it:
      // https://www.postgresql.org/docs/current/sql-vacuum.html (TRUNCATE)
      await this.#vacuum(active, 'on');
      return false;
    }
    if (this.#deletedSinceVacuum >= worthReclaiming) await this.#vacuum(active, 'off');
    return true;
  }

  async #vacuum(table: QualifiedName, truncate: 'on' | 'off'): Promise<void> {
    await this.options.session.execute(`vacuum (truncate ${truncate}) ${qualified(table)}`);
    this.#deletedSinceVacuum = 0;
  }

  /** More sessions while the log does not get shorter; says so when that does not help either. */
  async #keepUp(pass: Pass): Promise<void> {
    const { helpers, maxWorkers = 1, onOutrun, session } = this.options;
    this.#passes = [...this.#passes, pass].slice(-4);
    const wanted = workersFor(this.#passes, this.#workers.length, helpers === undefined ? 1 : maxWorkers);
    if (wanted > this.#workers.length && (await this.#keysCanBeShared())) {
      this.#workers = [session, ...((await helpers?.(wanted - 1)) ?? [])];
      this.#passes = [];
      return;
    }
    const outrun = isOutrun(this.#passes);
    if (outrun === null || performance.now() - this.#outrunToldMs < outrunEveryMs) return;
    this.#outrunToldMs = performance.now();
    onOutrun?.({ ...outrun, workers: this.#workers.length });
  }

  /** Every type of the key needs a hash function. */
  async #keysCanBeShared(): Promise<boolean> {
    const { session, plan } = this.options;
    this.#canShare ??= await session.rows(hashableKeySql(plan)).then(
      () => true,
      (error: unknown) => {
        if (!isServerError(error)) throw error;
        return false;
      },
    );
    return this.#canShare;
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
