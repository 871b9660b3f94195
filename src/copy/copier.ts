/**
 * Copies the source into the bare shadow, chunk by chunk, with several sessions. What is copied is here; who copies, when and how
 * much at a time is the machine's (pieces/).
 *
 * Keeps invariant 7 (chunk and checkpoint commit together) and 12 (the source is checked in every chunk's transaction).
 * Invariant 2 is the caller's: capture is on before this starts. The number of blocks is fixed then too: rows that
 * come to later blocks were written after capture, so the log has them.
 */
import type { Session } from '../db/session.js';
import { isRowError } from '../db/sqlstate.js';
import type { EventMap } from '../model/event.js';
import type { Crew } from '../pieces/crew.js';
import { etaSeconds } from '../pieces/rates.js';
import { blocksRange } from '../pieces/row-range.js';
import {
  runPieces,
  type FailedPiece,
  type FinishedPiece,
  type Pace,
  type PieceDone,
  type PieceWork,
} from '../pieces/run-pieces.js';
import type { SqlQuery } from '../sql/quote.js';
import { misfitError } from '../stream/misfit.js';
import { findBadRows } from './bad-rows.js';
import { countBlocks, remainingRanges, takeChunk } from './block-chunks.js';
import { copyRowsSql, copySettings, lockSourceSql } from './copy-sql.js';
import { chunkBlocksNow, chunkLimits, startChunkBlocks } from './chunk-size.js';
import type { BlockRange, CopiedChunk, CopyStream } from './copy-plan.js';

export type CopyProgress = EventMap['copy:progress'];

/** `chunk-read`: copied and recorded, not committed. `chunk-copied`: committed. */
export type CopyPoint = 'chunk-read' | 'chunk-copied';

export interface CopyOptions {
  readonly plan: CopyStream;
  /** Pinned (invariant 13). */
  readonly crew: Crew<Session>;
  /** Of the source's heap, read once after capture was on. */
  readonly totalBlocks: number;
  /** Bytes of one block. */
  readonly blockBytes: number;
  /** Of the source's TOAST table; 0 where it has none. */
  readonly toastBytes: number;
  /** Chunks that a former run committed, and their rows. */
  readonly done: readonly BlockRange[];
  readonly rowsDone: number;
  /** How long a chunk is to take, now. */
  readonly chunkTimeMs: () => number;
  /** The statement that records a chunk as done; runs in the chunk's transaction. */
  readonly checkpoint: (chunk: CopiedChunk) => SqlQuery;
  /** Runs in the chunk's transaction, under a lock that keeps the source as it is; throws when it is not as recorded. */
  readonly checkSource: (session: Session) => Promise<void>;
  /** Awaited before every chunk: pause and throttle. */
  readonly permission?: (signal: AbortSignal | undefined) => Promise<void>;
  /** After every chunk, told how long it took: a throttle may want a pause. */
  readonly afterPiece?: (chunkMs: number, signal: AbortSignal | undefined) => Promise<void>;
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
  const copy = new Copy(options);
  await runPieces(copy, options.crew);
  return { rowsCopied: copy.rowsCopied };
}

/** A row error whose rows cannot be found again was repaired meanwhile; more often than this it is something else. */
const maxRepairedTries = 3;

type Unit = 'blocks' | 'rows';
type Copied = PieceDone<Unit>;

class Copy implements PieceWork<Session, BlockRange, Copied, Unit> {
  rowsCopied: number;
  readonly pace: Pace;
  readonly signal: AbortSignal | undefined;
  #remaining: BlockRange[];
  #blocksDone: number;

  constructor(private readonly options: CopyOptions) {
    const { totalBlocks, blockBytes, toastBytes, chunkTimeMs } = options;
    this.signal = options.signal;
    this.pace = {
      first: startChunkBlocks(totalBlocks, blockBytes, toastBytes),
      targetMs: chunkTimeMs,
      ...chunkLimits,
    };
    this.rowsCopied = options.rowsDone;
    this.#remaining = remainingRanges(totalBlocks, options.done);
    this.#blocksDone = totalBlocks - countBlocks(this.#remaining);
  }

  hasMore(): boolean {
    return this.#remaining.length > 0;
  }

  take(
    _: Session,
    { size, workers }: { readonly size: number; readonly workers: number },
  ): BlockRange | null {
    const left = countBlocks(this.#remaining);
    const taken = takeChunk(this.#remaining, chunkBlocksNow(size, left, workers));
    if (taken === null) return null;
    this.#remaining = taken.remaining;
    return taken.chunk;
  }

  /** One chunk, one transaction. */
  async work(session: Session, blocks: BlockRange): Promise<Copied> {
    const { plan, checkSource, checkpoint, at } = this.options;
    return await session.transaction(
      async () => {
        await session.batch([lockSourceSql(plan)]);
        await checkSource(session);
        const startedMs = performance.now();
        const rows = await session.under(plan.settings, () =>
          session.execute(copyRowsSql(plan, blocksRange(blocks.from, blocks.to))),
        );
        const workMs = performance.now() - startedMs;
        await session.execute(checkpoint({ blocks, rows }));
        await at?.('chunk-read');
        const size = countBlocks([blocks]);
        return { size, workMs, amounts: { blocks: size, rows } };
      },
      { settings: copySettings },
    );
  }

  async lookInto({ worker, piece, error, tries }: FailedPiece<Session, BlockRange>): Promise<void> {
    if (!isRowError(error)) throw error;
    const { plan, signal } = this.options;
    const bad = await findBadRows(worker, plan, piece, signal);
    const isRepaired = bad.rows.length === 0 && !bad.timedOut;
    if (!isRepaired || tries >= maxRepairedTries) throw misfitError(plan, bad.rows, error);
  }

  async finished(chunk: FinishedPiece<BlockRange, Copied, Unit>): Promise<void> {
    const { totalBlocks, blockBytes, onProgress, at } = this.options;
    const { done, durationMs, workers, perSecond } = chunk;
    this.rowsCopied += done.amounts.rows;
    this.#blocksDone += done.amounts.blocks;
    onProgress?.({
      blocksDone: this.#blocksDone,
      blocksTotal: totalBlocks,
      rowsCopied: this.rowsCopied,
      bytesDone: this.#blocksDone * blockBytes,
      rowsPerSecond: perSecond?.rows ?? null,
      bytesPerSecond: perSecond === null ? null : perSecond.blocks * blockBytes,
      etaSeconds: etaSeconds(totalBlocks - this.#blocksDone, perSecond?.blocks ?? null),
      workers,
      chunkBlocks: done.size,
      chunkMs: durationMs,
    });
    await at?.('chunk-copied');
  }

  async permission(signal: AbortSignal | undefined): Promise<void> {
    await this.options.permission?.(signal);
  }

  async afterPiece(chunkMs: number, signal: AbortSignal | undefined): Promise<void> {
    await this.options.afterPiece?.(chunkMs, signal);
  }
}
