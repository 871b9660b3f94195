/**
 * Compares `to` with `from`, row by row as the change maps them, in pieces of one short transaction each. What is compared
 * is here; who compares, when and how much at a time is the machine's (pieces/).
 *
 * A piece whose digests differ is looked at row by row; what differs there is looked at again when the log has been applied
 * once more. What differs then is a difference (invariant 10).
 */
import type { Session } from '../db/session.js';
import { isDataError } from '../db/sqlstate.js';
import type { EventMap } from '../model/event.js';
import type { Crew } from '../pieces/crew.js';
import { searchByHalves } from '../pieces/halving.js';
import { etaSeconds } from '../pieces/rates.js';
import {
  runPieces,
  type FailedPiece,
  type FinishedPiece,
  type Pace,
  type PieceDone,
  type PieceWork,
} from '../pieces/run-pieces.js';
import { Pieces } from './pieces.js';
import {
  findUncomparable,
  isAboutARow,
  rowsOrHalves,
  uncomparable,
  type LocatedRows,
} from './uncomparable.js';
import type { VerifyMode, VerifyPlan } from './verify-plan.js';
import { differencesSql, digestSql, lockSql, type DifferentRow, type Digest } from './compare-sql.js';
import type { ComparedBlocks, Piece } from './piece.js';
import { toKeysSql } from './piece-sql.js';
import { requeueSql } from './requeue-sql.js';

/** A piece was compared. */
export type VerifyPoint = 'range-verified';
type VerifyProgress = EventMap['verify:progress'];

/** More keys say no more about what is wrong. */
export const maxDifferences = 20;
/** Of a piece that is looked at again; the first look shows the first of them. */
const recheckLimit = 1000;
/** Where the log lags: a row that is written all the time may differ at any one look. */
const laggingRechecks = 3;

export interface VerifierOptions {
  readonly plan: VerifyPlan;
  readonly mode: VerifyMode;
  /** Rows that differ are no finding: their keys go into the log, so that apply brings them over. Default: false. */
  readonly requeues?: boolean;
  /** With `verifySettings`; pinned (invariant 13). */
  readonly crew: Crew<Session>;
  /** How long a piece is to take, now. */
  readonly pieceTimeMs: () => number;
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

export interface VerifyResult {
  /** Rows of `from` that were compared. */
  readonly rows: number;
  readonly pieces: number;
  /** `maxDifferences` at most; then the comparison ended there. */
  readonly differences: readonly DifferentRow[];
  /** Keys that were put into the log. */
  readonly requeued: number;
}

/**
 * Returns when everything has been compared, or when enough differs.
 *
 * @throws FailedError `row-not-comparable`, `key-text-lossy`; what the callbacks throw; the signal's reason
 */
export async function compareRows(options: VerifierOptions): Promise<VerifyResult> {
  const comparison = new Comparison(options);
  await runPieces(comparison, options.crew);
  return comparison.result;
}

interface Compared extends PieceDone<'rows'> {
  readonly differences: readonly DifferentRow[];
  readonly requeued: number;
}

class Comparison implements PieceWork<Session, Piece, Compared, 'rows'> {
  readonly pace: Pace;
  readonly signal: AbortSignal | undefined;
  readonly #pieces: Pieces;
  #isTaken = false;
  #rows = 0;
  #count = 0;
  #differences: DifferentRow[] = [];
  #requeued = 0;

  constructor(private readonly options: VerifierOptions) {
    this.signal = options.signal;
    this.#pieces = Pieces.of(options.plan, options.mode);
    this.pace = { ...this.#pieces.sizes, targetMs: options.pieceTimeMs };
  }

  get result(): VerifyResult {
    return {
      rows: this.#rows,
      pieces: this.#count,
      differences: this.#differences.slice(0, maxDifferences),
      requeued: this.#requeued,
    };
  }

  hasMore(): boolean {
    return !this.#isTaken && this.#differences.length < maxDifferences;
  }

  async take(session: Session, { size }: { readonly size: number }): Promise<Piece | null> {
    const piece = await this.#pieces.next(session, size);
    if (piece === null) this.#isTaken = true;
    return piece;
  }

  async work(session: Session, piece: Piece): Promise<Compared> {
    const { rows, differences, requeued = 0 } = await this.#compare(session, piece);
    return { size: this.#pieces.sizeOf(piece, rows), amounts: { rows }, differences, requeued };
  }

  async lookInto({ worker, piece, error, tries }: FailedPiece<Session, Piece>): Promise<void> {
    if (!isAboutARow(error)) throw error;
    // A key in the log that cannot be converted is gone when it has been applied, or named by apply.
    if (tries === 1) return await this.options.caughtUp();
    const { plan } = this.options;
    const key = await findUncomparable(worker, plan, piece, (...args) => this.#once(...args));
    throw uncomparable(plan, key, error);
  }

  async finished(piece: FinishedPiece<Piece, Compared, 'rows'>): Promise<void> {
    const { rowsExpected, mode, onProgress, at } = this.options;
    const { done, durationMs, workers, perSecond } = piece;
    this.#rows += done.amounts.rows;
    this.#count += 1;
    this.#differences.push(...done.differences);
    this.#requeued += done.requeued;
    const rowsPerSecond = perSecond?.rows ?? null;
    const left = rowsExpected === null || mode === 'sample' ? null : Math.max(0, rowsExpected - this.#rows);
    onProgress?.({
      rowsDone: this.#rows,
      rowsTotal: rowsExpected,
      rowsPerSecond,
      etaSeconds: left === null ? null : etaSeconds(left, rowsPerSecond),
      workers,
      pieceMs: durationMs,
      differences: this.#differences.length,
    });
    await at?.('range-verified');
  }

  async permission(signal: AbortSignal | undefined): Promise<void> {
    await this.options.permission?.(signal);
  }

  async afterPiece(durationMs: number, signal: AbortSignal | undefined): Promise<void> {
    await this.options.afterPiece?.(durationMs, signal);
  }

  async #compare(session: Session, piece: Piece): Promise<Result> {
    try {
      return await this.#compareOnce(session, piece);
    } catch (error) {
      if (!(error instanceof InconvertibleKey) || piece.kind !== 'to blocks') throw error;
      // Nothing that apply could be asked to do leads to such a row.
      if (this.options.requeues === true) throw error.cause;
      return await this.#compareConvertible(session, piece.blocks);
    }
  }

  async #compareOnce(session: Session, piece: Piece): Promise<Result> {
    const { caughtUp, requeues = false, signal } = this.options;
    for (;;) {
      signal?.throwIfAborted();
      const digest = await this.#digest(session, piece);
      if (digest.truncated) {
        await caughtUp();
        continue;
      }
      if (requeues && !digest.same) {
        return { rows: digest.fromRows, differences: [], requeued: await this.#requeue(session, piece) };
      }
      const differences = digest.same ? [] : await this.#recheck(session, piece);
      return { rows: digest.fromRows, differences };
    }
  }

  async #digest(session: Session, piece: Piece): Promise<Digest> {
    try {
      return await this.#once(
        session,
        async () => await session.row<Digest>(digestSql(this.options.plan, piece)),
      );
    } catch (error) {
      // The key of `to` goes back to `from`'s type here, and a row that should not be there need not fit.
      if (piece.kind === 'to blocks' && isDataError(error)) throw new InconvertibleKey(error);
      throw error;
    }
  }

  async #requeue(session: Session, piece: Piece): Promise<number> {
    return await this.#once(session, () => session.execute(requeueSql(this.options.plan, piece)));
  }

  async #recheck(session: Session, piece: Piece): Promise<DifferentRow[]> {
    const { plan, caughtUp } = this.options;
    const look = async (limit: number): Promise<DifferentRow[]> =>
      await this.#once(
        session,
        async () => await session.rows<DifferentRow>(differencesSql(plan, piece, limit)),
      );
    const first = await look(maxDifferences);
    const [identity, rechecks] = plan.log?.lags === true ? [writeOf, laggingRechecks] : [keyOf, 1];
    let suspects = first;
    for (let looks = 1; looks <= rechecks && suspects.length > 0; looks += 1) {
      await caughtUp();
      const seen = new Set(suspects.map(identity));
      const again = await look(recheckLimit);
      suspects = again.filter((row) => seen.has(identity(row)));
    }
    return suspects;
  }

  /** Rows whose key is none of `from`'s type are extra rows. */
  async #compareConvertible(session: Session, blocks: ComparedBlocks): Promise<Result> {
    const { plan, signal } = this.options;
    const differences: DifferentRow[] = [];
    await searchByHalves<LocatedRows, InconvertibleKey>(blocks, {
      attempt: async (part) => {
        try {
          const result = await this.#compareOnce(session, { kind: 'to blocks', blocks: part });
          differences.push(...result.differences);
          return null;
        } catch (error) {
          if (!(error instanceof InconvertibleKey)) throw error;
          return error;
        }
      },
      split: (part) => rowsOrHalves(session, toKeysSql(plan, part), part),
      found: ({ key }) => {
        if (key !== undefined) differences.push({ kind: 'extra', key, from: null, to: null });
      },
      isEnough: () => differences.length >= maxDifferences,
      // It is the comparison itself.
      withinMs: Infinity,
      signal,
    });
    return { rows: 0, differences };
  }

  /** In a transaction of one snapshot, taken after the locks. */
  async #once<T>(session: Session, work: () => Promise<T>): Promise<T> {
    const { plan } = this.options;
    return await session.transaction(async () => {
      await session.batch([lockSql(plan)]);
      return await session.under(plan.settings, work);
    });
  }
}

function keyOf({ key }: DifferentRow): string {
  return JSON.stringify(key);
}

/**
 * Where the log lags, a row that is written again and again may differ at each look. One that was written since the last look is on
 * its way to the log, and is brought over like any other.
 */
function writeOf({ kind, key, from }: DifferentRow): string {
  return JSON.stringify([kind, key, from]);
}

/** Of a row of `to`: its key is no value of the type that it has in `from`. */
class InconvertibleKey extends Error {
  constructor(cause: unknown) {
    super('a key cannot be converted back', { cause });
  }
}

interface Result {
  /** Of `from`. */
  readonly rows: number;
  readonly differences: readonly DifferentRow[];
  readonly requeued?: number;
}
