/**
 * The machine for everything that several sessions do in pieces. Each worker asks for permission, takes the next piece, does it,
 * and feeds back the time, from which the size of the next one follows.
 *
 * - What passes by itself (a deadlock, a lock that was not free) is tried again, the whole piece, until a deadline.
 * - The first failure stops everybody: pieces that are under way come to their end, none is begun, and it is what is thrown.
 * - The crew may grow and shrink meanwhile. New workers come at once; those who are too many go after their piece, or at
 *   once where they wait.
 *
 * It knows no policy and no SQL: both are the work's.
 */
import { retryTransient } from '../db/retry.js';
import type { Crew } from './crew.js';
import { nextSize, type SizeLimits } from './pace.js';
import { addAmounts, addSample, ratesOf, type Amounts, type Sample } from './rates.js';

/** How large pieces are; in the unit of the work. */
export interface Pace extends SizeLimits {
  /** Of the first one, when nothing is known yet. */
  readonly first: number;
  /** How long a piece is to take, now. */
  readonly targetMs: () => number;
}

/** What came of a piece. */
export interface PieceDone<Unit extends string = string> {
  /** As it turned out to be, in the unit of the pace. */
  readonly size: number;
  /** Of its time, what went for the work itself; absent where nobody measured it. */
  readonly workMs?: number;
  /** What was done with it, for rates. */
  readonly amounts: Amounts<Unit>;
}

export interface FinishedPiece<Piece, Done extends PieceDone<Unit>, Unit extends string> {
  readonly piece: Piece;
  readonly done: Done;
  /** Of the last try, with the waits for what was in its way. */
  readonly durationMs: number;
  /** At work now. */
  readonly workers: number;
  /** Over the last seconds, of all workers; null while nobody knows. */
  readonly perSecond: Amounts<Unit> | null;
}

export interface FailedPiece<Worker, Piece> {
  readonly worker: Worker;
  readonly piece: Piece;
  readonly error: unknown;
  /** This one included. */
  readonly tries: number;
}

export interface PieceWork<Worker, Piece, Done extends PieceDone<Unit>, Unit extends string> {
  /** null: pieces have no size. */
  readonly pace: Pace | null;
  /** No piece is begun after it. */
  readonly signal?: AbortSignal | undefined;
  /** Is there anything to take? Nobody waits for permission, and nobody comes, where there is not. */
  hasMore(): boolean;
  /** Several workers may ask at the same time. null: there was nothing left, and `hasMore` says so from now on. */
  take(
    worker: Worker,
    want: { readonly size: number; readonly workers: number },
  ): Piece | null | Promise<Piece | null>;
  /** Can be done again when it fails: whatever it did is undone then. Nobody else takes the piece. */
  work(worker: Worker, piece: Piece): Promise<Done>;
  /** Looks who is to blame. Returns when the piece is worth another try; else throws what people are told, or the error as it is. */
  lookInto?(failed: FailedPiece<Worker, Piece>): Promise<void>;
  /** Awaited before the next piece. */
  finished(piece: FinishedPiece<Piece, Done, Unit>): Promise<void> | void;
  /** Awaited before a piece is taken: pause and throttle. */
  permission?(signal: AbortSignal | undefined): Promise<void>;
  /** Told how long a piece took: a throttle may want a pause. */
  afterPiece?(durationMs: number, signal: AbortSignal | undefined): Promise<void>;
}

/** Who was in the way of a piece is usually gone sooner. */
const transientMs = 30_000;

/**
 * Returns when nothing is left.
 *
 * @throws the first failure, be it of a piece, of a callback, or of a worker who could not come; the signal's reason
 */
export async function runPieces<Worker, Piece, Done extends PieceDone<Unit>, Unit extends string>(
  work: PieceWork<Worker, Piece, Done, Unit>,
  crew: Crew<Worker>,
): Promise<void> {
  await new Machine(work, crew).run();
}

class Machine<Worker, Piece, Done extends PieceDone<Unit>, Unit extends string> {
  #failure: { readonly error: unknown } | null = null;
  /** With those who are on their way. */
  #workers = 0;
  #size: number;
  #done: Partial<Amounts<Unit>> = {};
  #samples: Sample<Unit>[] = [{ atMs: performance.now(), done: {} }];
  /** What ends a wait. */
  #interrupt: { readonly resized: AbortSignal | undefined; readonly signal: AbortSignal | undefined };
  readonly #employed = new Set<Promise<void>>();
  readonly #ended = new AbortController();

  constructor(
    private readonly work: PieceWork<Worker, Piece, Done, Unit>,
    private readonly crew: Crew<Worker>,
  ) {
    this.#size = work.pace?.first ?? 1;
    this.#interrupt = this.#listen();
  }

  async run(): Promise<void> {
    this.#staff();
    while (this.#employed.size > 0) await Promise.all(this.#employed);
    this.#ended.abort();
    if (this.#failure !== null) throw this.#failure.error;
    if (!this.work.hasMore()) return;
    this.work.signal?.throwIfAborted();
    throw new Error('pieces are left, and nobody has taken them');
  }

  get #isOver(): boolean {
    return this.#failure !== null || this.work.signal?.aborted === true || !this.work.hasMore();
  }

  get #wanted(): number {
    return Math.max(1, this.crew.wanted());
  }

  #staff(): void {
    while (!this.#isOver && this.#workers < this.#wanted) {
      this.#workers += 1;
      const employed = this.#employ().finally(() => this.#employed.delete(employed));
      this.#employed.add(employed);
    }
  }

  #listen(): { readonly resized: AbortSignal | undefined; readonly signal: AbortSignal | undefined } {
    const { signal } = this.work;
    const resized = this.crew.resized?.();
    const resize = (): void => {
      this.#interrupt = this.#listen();
      this.#staff();
    };
    resized?.addEventListener('abort', resize, { once: true, signal: this.#ended.signal });
    const either = [signal, resized].filter((each) => each !== undefined);
    return { resized, signal: either.length === 0 ? undefined : AbortSignal.any(either) };
  }

  /** Never rejects: what went wrong is in `#failure`, and what is thrown after that is a consequence. */
  async #employ(): Promise<void> {
    try {
      const worker = await this.crew.join();
      try {
        await this.#goOn(worker);
      } finally {
        await this.crew.leave(worker);
      }
    } catch (error) {
      this.#failure ??= { error };
    }
  }

  async #goOn(worker: Worker): Promise<void> {
    while (!this.#isOver) {
      if (this.#workers > this.#wanted) {
        this.#workers -= 1;
        return;
      }
      const isPermitted = await this.#uninterrupted((signal) => this.work.permission?.(signal));
      if (!isPermitted || this.#isOver) continue;
      const piece = await this.work.take(worker, { size: this.#size, workers: this.#workers });
      if (piece === null) return;
      const durationMs = await this.#do(worker, piece);
      if (this.#isOver) return;
      await this.#uninterrupted((signal) => this.work.afterPiece?.(durationMs, signal));
    }
  }

  /** False when the wait was cut short because the crew has changed. */
  async #uninterrupted(
    wait: (signal: AbortSignal | undefined) => Promise<void> | undefined,
  ): Promise<boolean> {
    const { resized, signal } = this.#interrupt;
    try {
      await wait(signal);
      return true;
    } catch (error) {
      if (resized?.aborted === true && error === resized.reason) return false;
      throw error;
    }
  }

  /** @returns how long it took */
  async #do(worker: Worker, piece: Piece): Promise<number> {
    const { work } = this;
    const retry = { deadlineMs: transientMs, signal: work.signal };
    let done: Done | null = null;
    let startedMs = 0;
    for (let tries = 1; done === null; tries += 1) {
      startedMs = performance.now();
      try {
        done = await retryTransient(() => work.work(worker, piece), retry);
      } catch (error) {
        const failed = { worker, piece, error, tries };
        if (work.lookInto === undefined) throw error;
        await retryTransient(async () => await work.lookInto?.(failed), retry);
      }
    }
    const durationMs = performance.now() - startedMs;
    await work.finished(this.#counted(piece, done, durationMs));
    return durationMs;
  }

  #counted(piece: Piece, done: Done, durationMs: number): FinishedPiece<Piece, Done, Unit> {
    const { pace } = this.work;
    if (pace !== null) {
      const { size, workMs } = done;
      const took = { size, durationMs, ...(workMs === undefined ? {} : { overheadMs: durationMs - workMs }) };
      this.#size = nextSize(this.#size, took, pace.targetMs(), pace);
    }
    this.#done = addAmounts(this.#done, done.amounts);
    this.#samples = addSample(this.#samples, { atMs: performance.now(), done: this.#done });
    return { piece, done, durationMs, workers: this.#workers, perSecond: ratesOf(this.#samples) };
  }
}
