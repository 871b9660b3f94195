/**
 * Copies the source into the bare shadow, chunk by chunk, with several sessions. It knows no policy: it takes the next
 * chunk, waits for permission, copies, feeds back the time.
 *
 * Keeps invariant 7 (chunk and checkpoint commit together) and 12 (the source is checked in every chunk's transaction).
 * Invariant 2 is the caller's: capture is on before this starts. The number of blocks is fixed then too: rows that
 * come to later blocks were written after capture, so the log has them.
 */
import { retryTransient } from '../db/retry.js';
import type { Session } from '../db/session.js';
import { isRowError } from '../db/sqlstate.js';
import type { SqlQuery } from '../sql/quote.js';
import { findBadRows, rowDoesNotFit } from './bad-rows.js';
import { countBlocks, remainingRanges, takeChunk } from './block-chunks.js';
import { copyRowsSql, copySettings, lockSourceSql, tidRange } from './copy-sql.js';
import { chunkBlocksNow, nextChunkBlocks, startChunkBlocks } from './pace.js';
import { addSample, etaSeconds, ratesOf, type CopyProgress, type Sample } from './progress.js';
import type { BlockRange, CopiedChunk, CopyPlan } from './types.js';

/** `chunk-read`: copied and recorded, not committed. `chunk-copied`: committed. */
export type CopyPoint = 'chunk-read' | 'chunk-copied';

export interface CopyOptions {
  readonly plan: CopyPlan;
  /** One worker each. Pinned (invariant 13); nobody else uses them meanwhile. */
  readonly sessions: readonly Session[];
  /** Of the source's heap, read once after capture was on. */
  readonly totalBlocks: number;
  /** Bytes of one block. */
  readonly blockBytes: number;
  /** Of the source's TOAST table; 0 where it has none. */
  readonly toastBytes: number;
  /** Chunks that a former run committed, and their rows. */
  readonly done: readonly BlockRange[];
  readonly rowsDone: number;
  readonly chunkTimeMs: number;
  /** The statement that records a chunk as done; runs in the chunk's transaction. */
  readonly checkpoint: (chunk: CopiedChunk) => SqlQuery;
  /** Runs in the chunk's transaction, under a lock that keeps the source as it is; throws when it is not as recorded. */
  readonly checkSource: (session: Session) => Promise<void>;
  /** Awaited before every chunk: pause and throttle. */
  readonly permission?: (signal: AbortSignal | undefined) => Promise<void>;
  /** After every chunk, told how long it took: a throttle may want a pause. */
  readonly afterChunk?: (chunkMs: number, signal: AbortSignal | undefined) => Promise<void>;
  readonly onProgress?: (progress: CopyProgress) => void;
  readonly at?: (point: CopyPoint) => Promise<void> | void;
  /** Current chunks are finished and committed, then `runCopy` rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/**
 * Returns when every block is copied, with the rows copied in all runs.
 *
 * @throws FailedError `row-does-not-fit`, naming rows; what `checkSource` and `permission` throw; the signal's reason
 */
export async function runCopy(options: CopyOptions): Promise<{ readonly rowsCopied: number }> {
  const copier = new Copier(options);
  await Promise.all(options.sessions.map((session) => copier.work(session)));
  // The first to fail stopped the others; what they threw after that is a consequence.
  if (copier.failure !== null) throw copier.failure.error;
  if (!copier.isDone) options.signal?.throwIfAborted();
  return { rowsCopied: copier.rowsCopied };
}

/** A row error whose rows cannot be found again was repaired meanwhile; more often than this it is something else. */
const maxRepairedTries = 3;
/** Whoever made a chunk wait for a lock in vain, or a deadlock with it, is usually gone sooner. */
const transientMs = 15_000;

class Copier {
  rowsCopied: number;
  failure: { readonly error: unknown } | null = null;
  #remaining: BlockRange[];
  #chunkBlocks: number;
  #blocksDone: number;
  #samples: Sample[];

  constructor(private readonly options: CopyOptions) {
    const { totalBlocks, blockBytes, toastBytes } = options;
    this.rowsCopied = options.rowsDone;
    this.#chunkBlocks = startChunkBlocks(totalBlocks, blockBytes, toastBytes);
    this.#remaining = remainingRanges(totalBlocks, options.done);
    this.#blocksDone = totalBlocks - countBlocks(this.#remaining);
    this.#samples = [{ atMs: performance.now(), blocks: this.#blocksDone, rows: this.rowsCopied }];
  }

  get isDone(): boolean {
    return this.#blocksDone === this.options.totalBlocks;
  }

  /** Never rejects: every worker is to finish its chunk. What went wrong is in `failure`. */
  async work(session: Session): Promise<void> {
    const { permission, signal } = this.options;
    try {
      while (this.#remaining.length > 0 && !this.#stopped()) {
        await permission?.(signal);
        if (this.#stopped()) return;
        const chunk = this.#take();
        if (chunk === null) return;
        await this.#copy(session, chunk);
      }
    } catch (error) {
      this.failure ??= { error };
    }
  }

  #stopped(): boolean {
    return this.failure !== null || this.options.signal?.aborted === true;
  }

  #take(): BlockRange | null {
    const left = countBlocks(this.#remaining);
    const taken = takeChunk(
      this.#remaining,
      chunkBlocksNow(this.#chunkBlocks, left, this.options.sessions.length),
    );
    if (taken === null) return null;
    this.#remaining = taken.remaining;
    return taken.chunk;
  }

  async #copy(session: Session, blocks: BlockRange): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      const startedMs = performance.now();
      try {
        const copied = await retryTransient(() => copyChunk(session, this.options, blocks), {
          deadlineMs: transientMs,
        });
        const chunkMs = performance.now() - startedMs;
        this.#record(blocks, copied, chunkMs);
        await this.options.at?.('chunk-copied');
        if (!this.#stopped()) await this.options.afterChunk?.(chunkMs, this.options.signal);
        return;
      } catch (error) {
        if (!isRowError(error)) throw error;
        const { plan, signal } = this.options;
        const bad = await findBadRows(session, plan, blocks, signal);
        const repaired = bad.rows.length === 0 && !bad.timedOut;
        if (!repaired || tries >= maxRepairedTries) throw rowDoesNotFit(plan, bad.rows, error);
      }
    }
  }

  #record(chunk: BlockRange, { rows, workMs }: Copied, chunkMs: number): void {
    const { totalBlocks, blockBytes, chunkTimeMs, sessions, onProgress } = this.options;
    const blocks = chunk.to - chunk.from;
    this.rowsCopied += rows;
    this.#blocksDone += blocks;
    const took = { blocks, durationMs: chunkMs, overheadMs: chunkMs - workMs };
    this.#chunkBlocks = nextChunkBlocks(this.#chunkBlocks, took, chunkTimeMs);
    const sample = { atMs: performance.now(), blocks: this.#blocksDone, rows: this.rowsCopied };
    this.#samples = addSample(this.#samples, sample);
    const rates = ratesOf(this.#samples);
    onProgress?.({
      blocksDone: this.#blocksDone,
      blocksTotal: totalBlocks,
      rowsCopied: this.rowsCopied,
      bytesDone: this.#blocksDone * blockBytes,
      rowsPerSecond: rates?.rowsPerSecond ?? null,
      bytesPerSecond: rates === null ? null : rates.blocksPerSecond * blockBytes,
      etaSeconds: etaSeconds(totalBlocks - this.#blocksDone, rates),
      workers: sessions.length,
      chunkBlocks: blocks,
      chunkMs,
    });
  }
}

interface Copied {
  readonly rows: number;
  /** Of the statement that copied them. */
  readonly workMs: number;
}

/** One chunk, one transaction. */
async function copyChunk(session: Session, options: CopyOptions, blocks: BlockRange): Promise<Copied> {
  const { plan, checkSource, checkpoint } = options;
  return await session.transaction(
    async () => {
      await session.batch([lockSourceSql(plan)]);
      await checkSource(session);
      const startedMs = performance.now();
      const rows = await session.under(plan.settings, () =>
        session.execute(copyRowsSql(plan, tidRange(blocks))),
      );
      const workMs = performance.now() - startedMs;
      await session.execute(checkpoint({ blocks, rows }));
      await options.at?.('chunk-read');
      return { rows, workMs };
    },
    { settings: copySettings },
  );
}
