/**
 * Compares `to` with `from`, row by row as the change maps them, in pieces of one short transaction each. It knows no
 * policy: it waits for permission, takes the next piece, and feeds back the time.
 *
 * A piece whose digests differ is looked at row by row; what differs there is looked at again when the log has been applied
 * once more. What differs then is a difference (invariant 10).
 */
import { retryTransient } from '../db/retry.js';
import type { Session } from '../db/session.js';
import { isDataError } from '../db/sqlstate.js';
import type { EventMap } from '../model/event.js';
import { nextSize } from '../pieces/pace.js';
import { Pieces } from './pieces.js';
import { findUncomparable, isAboutARow, uncomparable } from './uncomparable.js';
import type { VerifyMode, VerifyPlan } from './verify-plan.js';
import {
  differencesSql,
  digestSql,
  lockSql,
  toKeysSql,
  type BlockRange,
  type DifferentRow,
  type Digest,
  type Piece,
} from './verify-sql.js';

/** A piece was compared. */
export type VerifyPoint = 'range-verified';
export type VerifyProgress = EventMap['verify:progress'];

/** More keys say no more about what is wrong. */
export const maxDifferences = 20;
/** Of a piece that is looked at again; the first look shows the first of them. */
const recheckLimit = 1000;
const transientMs = 30_000;
const rateWindowMs = 1_000;

export interface VerifyOptions {
  readonly plan: VerifyPlan;
  readonly mode: VerifyMode;
  /** For progress; null when nobody knows. */
  readonly rowsExpected: number | null;
  /** Resolves when everything that is in the log now has been applied. */
  readonly caughtUp: () => Promise<void>;
  readonly permission?: (signal: AbortSignal | undefined) => Promise<void>;
  /** Told how long a piece took: a throttle may want a pause. */
  readonly afterPiece?: (durationMs: number, signal: AbortSignal | undefined) => Promise<void>;
  readonly onProgress?: (progress: VerifyProgress) => void;
  readonly at?: (point: VerifyPoint) => Promise<void> | void;
  /** Ends the comparison, pieces that are under way included. */
  readonly signal?: AbortSignal;
}

/** With whom the comparison goes on; may be another one for each stretch of it. */
export interface VerifyWorkers {
  /** One worker each, with `verifySettings`; pinned (invariant 13). */
  readonly sessions: readonly Session[];
  /** Target duration of one piece. */
  readonly chunkTimeMs: number;
  /** Pieces that are under way are finished, the next ones are for other workers. */
  readonly relieved?: AbortSignal;
}

export interface VerifyResult {
  /** Rows of `from` that were compared. */
  readonly rows: number;
  readonly pieces: number;
  /** `maxDifferences` at most; then the comparison ended there. */
  readonly differences: readonly DifferentRow[];
}

/** One comparison; `goOn` until it says that it is done. */
export class Verifier {
  #pieces: Pieces | null = null;
  #isDone = false;
  #failure: { readonly error: unknown } | null = null;
  #rows = 0;
  #count = 0;
  #differences: DifferentRow[] = [];
  #size = 1;
  readonly #startedMs = performance.now();

  constructor(private readonly options: VerifyOptions) {}

  get result(): VerifyResult {
    return { rows: this.#rows, pieces: this.#count, differences: this.#differences.slice(0, maxDifferences) };
  }

  /**
   * @returns whether everything has been compared; otherwise the workers were relieved
   * @throws what the callbacks throw; the signal's reason
   */
  async goOn(workers: VerifyWorkers): Promise<boolean> {
    const pieces = await this.#begun(workers);
    await Promise.all(workers.sessions.map((session) => this.#work(session, pieces, workers)));
    if (this.#failure !== null) throw this.#failure.error;
    this.options.signal?.throwIfAborted();
    return this.#isDone || this.#differences.length >= maxDifferences;
  }

  async #begun({ sessions: [session] }: VerifyWorkers): Promise<Pieces> {
    if (session === undefined) throw new Error('nobody to compare the tables');
    if (this.#pieces !== null) return this.#pieces;
    const pieces = await Pieces.of(this.options.plan, session, this.options.mode);
    this.#size = pieces.firstSize;
    this.#pieces = pieces;
    return pieces;
  }

  /** Never rejects: what went wrong is in `#failure`. A piece that was taken is compared: nobody takes it again. */
  async #work(session: Session, pieces: Pieces, workers: VerifyWorkers): Promise<void> {
    const { permission, afterPiece, at, signal } = this.options;
    const { relieved } = workers;
    const over =
      signal === undefined || relieved === undefined
        ? (signal ?? relieved)
        : AbortSignal.any([signal, relieved]);
    const stopped = (): boolean => this.#stopped() || over?.aborted === true;
    try {
      while (!stopped()) {
        await permission?.(over);
        if (stopped()) return;
        const piece = await pieces.next(session, this.#size);
        if (piece === null) {
          this.#isDone = true;
          return;
        }
        const startedMs = performance.now();
        const rows = await this.#compareOrExplain(session, piece);
        const durationMs = performance.now() - startedMs;
        const took = { size: pieces.sizeOf(piece, rows), durationMs };
        this.#size = nextSize(this.#size, took, workers.chunkTimeMs, {
          min: pieces.leastSize,
          max: pieces.maxSize,
        });
        this.#record(workers, rows, durationMs);
        await at?.('range-verified');
        if (!stopped()) await afterPiece?.(durationMs, over);
      }
    } catch (error) {
      // Who waited was relieved.
      if (signal?.aborted !== true && relieved?.aborted === true && error === relieved.reason) return;
      this.#failure ??= { error };
    }
  }

  #stopped(): boolean {
    return this.#failure !== null || this.#differences.length >= maxDifferences;
  }

  async #compareOrExplain(session: Session, piece: Piece): Promise<number> {
    const { plan } = this.options;
    try {
      return await this.#compare(session, piece);
    } catch (error) {
      if (!isAboutARow(error)) throw error;
    }
    try {
      // A key in the log that cannot be converted is gone when it has been applied, or named by apply.
      await this.options.caughtUp();
      return await this.#compare(session, piece);
    } catch (error) {
      if (!isAboutARow(error)) throw error;
      const key = await findUncomparable(session, plan, piece, (...args) => this.#once(...args));
      throw uncomparable(plan, key, error);
    }
  }

  /** @returns rows of `from` */
  async #compare(session: Session, piece: Piece): Promise<number> {
    const { caughtUp, signal } = this.options;
    for (;;) {
      signal?.throwIfAborted();
      const digest = await this.#digest(session, piece);
      if (digest === 'not convertible') return 0;
      if (digest.truncated) {
        await caughtUp();
        continue;
      }
      if (!digest.same) await this.#recheck(session, piece);
      return digest.fromRows;
    }
  }

  async #digest(session: Session, piece: Piece): Promise<Digest | 'not convertible'> {
    try {
      return await this.#once(
        session,
        async () => await session.row<Digest>(digestSql(this.options.plan, piece)),
      );
    } catch (error) {
      // The key of `to` goes back to `from`'s type here, and a row that should not be there need not fit.
      if (piece.kind !== 'to blocks' || !isDataError(error)) throw error;
      await this.#inconvertible(session, piece.blocks);
      return 'not convertible';
    }
  }

  async #recheck(session: Session, piece: Piece): Promise<void> {
    const { plan, caughtUp } = this.options;
    const look = async (limit: number): Promise<DifferentRow[]> =>
      await this.#once(
        session,
        async () => await session.rows<DifferentRow>(differencesSql(plan, piece, limit)),
      );
    const first = await look(maxDifferences);
    if (first.length === 0) return;
    await caughtUp();
    const seen = new Set(first.map(({ key }) => JSON.stringify(key)));
    const again = await look(recheckLimit);
    this.#differences.push(...again.filter(({ key }) => seen.has(JSON.stringify(key))));
  }

  /** Halves the blocks down to the rows whose key is none of `from`'s type: those are extra rows. */
  async #inconvertible(session: Session, blocks: BlockRange): Promise<void> {
    const { plan } = this.options;
    if (blocks.to - blocks.from > 1) {
      const middle = Math.floor((blocks.from + blocks.to) / 2);
      for (const half of [
        { from: blocks.from, to: middle },
        { from: middle, to: blocks.to },
      ]) {
        await this.#compare(session, { kind: 'to blocks', blocks: half });
      }
      return;
    }
    if (blocks.tid !== undefined) {
      const [row] = await session.rows<{ key: string[] }>(toKeysSql(plan, blocks));
      if (row !== undefined) {
        this.#differences.push({ kind: 'extra', key: row.key, from: null, to: null });
      }
      return;
    }
    for (const { tid } of await session.rows<{ tid: string }>(toKeysSql(plan, blocks))) {
      await this.#compare(session, { kind: 'to blocks', blocks: { ...blocks, tid } });
    }
  }

  /** In a transaction of one snapshot, taken after the locks. */
  async #once<T>(session: Session, work: () => Promise<T>): Promise<T> {
    const { plan, signal } = this.options;
    return await retryTransient(
      () =>
        session.transaction(async () => {
          await session.batch([lockSql(plan)]);
          return await session.under(plan.settings, work);
        }),
      { deadlineMs: transientMs, ...(signal === undefined ? {} : { signal }) },
    );
  }

  #record({ sessions }: VerifyWorkers, rows: number, durationMs: number): void {
    const { rowsExpected, onProgress } = this.options;
    this.#rows += rows;
    this.#count += 1;
    const elapsedMs = performance.now() - this.#startedMs;
    const rowsPerSecond = elapsedMs < rateWindowMs ? null : (this.#rows * 1000) / elapsedMs;
    const left =
      rowsExpected === null || this.options.mode === 'sample' ? null : Math.max(0, rowsExpected - this.#rows);
    onProgress?.({
      rowsDone: this.#rows,
      rowsTotal: rowsExpected,
      rowsPerSecond,
      etaSeconds:
        left === null || rowsPerSecond === null || rowsPerSecond === 0 ? null : left / rowsPerSecond,
      workers: sessions.length,
      pieceMs: durationMs,
      differences: this.#differences.length,
    });
  }
}
