/** The pieces of a comparison, one after the other: ranges of the key where both tables are ordered by it alike, else blocks. */
import { readBlocksOf } from '../catalog/sizes.js';
import type { Session } from '../db/session.js';
import { FailedError } from '../errors.js';
import { keyText } from '../model/key.js';
import type { Pace } from '../pieces/run-pieces.js';
import { displayName } from '../sql/quote.js';
import type { VerifyMode, VerifyPlan } from './verify-plan.js';
import type { KeyPosition, Piece } from './piece.js';
import { rangeEndSql, type RangeEnd } from './piece-sql.js';

/** Rows, or blocks of some 50 rows. */
const firstRows = 2_000;
const firstBlocks = 64;
const maxRows = 500_000;
const maxBlocks = 16_384;
/**
 * A piece costs some milliseconds whatever is in it, as long as thousands of rows take; so on a starved machine pieces of
 * single rows would never come to an end. A hundred rows of a megabyte each still end within seconds.
 */
const leastRows = 100;
const leastBlocks = 2;
/** A sample compares one piece of so many. */
const sampleEvery = 20;

type PieceSizes = Pick<Pace, 'first' | 'min' | 'max'>;

export abstract class Pieces {
  static of(plan: VerifyPlan, mode: VerifyMode): Pieces {
    return plan.order === null ? new Blocks(plan, mode) : new Ranges(plan, mode);
  }

  /** In the unit of `next`. */
  abstract readonly sizes: PieceSizes;

  /** null when all are taken. Several workers may ask at the same time. */
  abstract next(session: Session, size: number): Promise<Piece | null>;

  /** What a piece has turned out to be, in the unit of `next`. */
  abstract sizeOf(piece: Piece, rows: number): number;
}

class Ranges extends Pieces {
  readonly sizes = { first: firstRows, min: leastRows, max: maxRows };
  #after: KeyPosition | null = null;
  #ended = false;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly plan: VerifyPlan,
    private readonly mode: VerifyMode,
  ) {
    super();
  }

  /** Each range begins where the one before it ends, so they are found one at a time. */
  override next(session: Session, size: number): Promise<Piece | null> {
    const taken = this.#queue.then(() => this.#take(session, size));
    this.#queue = taken.catch(() => undefined);
    return taken;
  }

  async #take(session: Session, size: number): Promise<Piece | null> {
    if (this.#ended) return null;
    if (this.mode === 'sample' && this.#after !== null) {
      this.#after = await this.#endOf(session, size * (sampleEvery - 1));
      if (this.#after === null) {
        this.#ended = true;
        return null;
      }
    }
    const after = this.#after;
    const upTo = await this.#endOf(session, size);
    // The last one has no end: rows that only `to` has may lie behind all of `from`'s.
    this.#ended = upTo === null;
    this.#after = upTo;
    return { kind: 'range', range: { after, upTo } };
  }

  async #endOf(session: Session, rows: number): Promise<KeyPosition | null> {
    const [found] = await session.rows<RangeEnd>(rangeEndSql(this.plan, this.#after, rows));
    if (found === undefined) return null;
    if (!found.advances) throw doesNotAdvance(this.plan, found.key);
    return found.key;
  }

  override sizeOf(_piece: Piece, rows: number): number {
    return rows;
  }
}

/** The text of a type may say less than its value. */
function doesNotAdvance({ from, order, told }: VerifyPlan, key: KeyPosition): FailedError {
  const names = (order ?? []).map((column) => column.from.column);
  return new FailedError(
    'key-text-lossy',
    `the rows of ${displayName(from)} cannot be compared in order: the key ${keyText(names, key)} is another value when its text is read back`,
    {
      details: { key },
      state: told.uncompared,
      hint: 'the key has a type whose text does not say all of its value: --verify off leaves the comparison out',
    },
  );
}

type Totals = Readonly<Record<'from' | 'to', number>>;

class Blocks extends Pieces {
  readonly sizes = { first: firstBlocks, min: leastBlocks, max: maxBlocks };
  #totals: Promise<Totals> | null = null;
  #table: 'from' | 'to' = 'from';
  #at = 0;

  constructor(
    private readonly plan: VerifyPlan,
    private readonly mode: VerifyMode,
  ) {
    super();
  }

  override async next(session: Session, size: number): Promise<Piece | null> {
    this.#totals ??= readTotals(session, this.plan);
    return this.#take(await this.#totals, size);
  }

  #take(totals: Totals, size: number): Piece | null {
    if (this.#at >= totals[this.#table]) {
      if (this.#table === 'to') return null;
      this.#table = 'to';
      this.#at = 0;
    }
    const total = totals[this.#table];
    if (total === 0) return null;
    const blocks = { from: this.#at, to: Math.min(total, this.#at + size) };
    this.#at = this.mode === 'sample' ? blocks.to + size * (sampleEvery - 1) : blocks.to;
    return { kind: `${this.#table} blocks`, blocks };
  }

  override sizeOf(piece: Piece): number {
    return piece.kind === 'range' ? 0 : piece.blocks.to - piece.blocks.from;
  }
}

async function readTotals(session: Session, { from, to, bothWays }: VerifyPlan): Promise<Totals> {
  return {
    from: await readBlocksOf(session, from),
    to: bothWays ? await readBlocksOf(session, to) : 0,
  };
}
