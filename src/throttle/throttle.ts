/**
 * Keeps the work within its limits: reads the signals again and again, and holds up or slows down whoever asks.
 *
 * What cannot be known is never taken for good: a signal that fails pauses (governor.ts), so does a server that does not
 * answer, and a lost session ends the work.
 */
import { EventEmitter, once } from 'node:events';
import type { Session } from '../db/session.js';
import { inTime, late, sleep as realSleep } from '../db/wait.js';
import {
  govern,
  initialState,
  pauseAfterChunkMs,
  type Decision,
  type GovernorState,
  type Reason,
} from './governor.js';
import { isLimited, type Limits } from './limits.js';
import type { Reading } from './reading.js';
import { readSignal, unreadable, type Signal } from './signal.js';

/** Often enough that a limit is not passed by much, seldom enough that nobody notices the queries. */
const defaultIntervalMs = 1_000;
/** No round of small queries takes that long; longer, and the last decision is about a server of the past. */
const defaultAnswerWithinMs = 5_000;

export interface ThrottleOptions {
  /** Its own: nobody else uses it meanwhile. The caller closes it, after this. */
  readonly session: Session;
  /** Read in turn, those that a limit is set for. Closed with this. */
  readonly signals: readonly Signal[];
  readonly limits: Limits;
  /** What `permission` rejects with at a critical limit. */
  readonly stopError: (reasons: readonly Reason[]) => Error;
  /** Called when the kind of decision or its reasons change; not for every value or share. */
  readonly onChange?: (decision: Decision) => void;
  /** Between two rounds of readings. */
  readonly intervalMs?: number;
  /** A round that takes longer counts as one that failed, and once more each time it passes again. */
  readonly answerWithinMs?: number;
  /** Of all sleeps between rounds and after chunks. */
  readonly sleep?: (ms: number, signal?: AbortSignal) => Promise<void>;
}

export class Throttle implements AsyncDisposable {
  #limits: Limits;
  #state: GovernorState = initialState;
  #governed: Decision = { kind: 'go', share: 1 };
  #manual: string | null = null;
  /** What `onChange` was last told, reduced to what it is told of. */
  #told = 'go';
  #failure: { readonly error: unknown } | null = null;
  #rounds: Promise<void> | null = null;
  readonly #ended = new AbortController();
  readonly #changes = new EventEmitter();
  readonly #sleep: (ms: number, signal?: AbortSignal) => Promise<void>;

  constructor(private readonly options: ThrottleOptions) {
    this.#limits = options.limits;
    this.#sleep = options.sleep ?? realSleep;
    // One listener a waiting worker.
    this.#changes.setMaxListeners(0);
  }

  /** Full speed until `start`. */
  get current(): Decision {
    const governed = this.#governed;
    if (this.#manual === null || governed.kind === 'stop') return governed;
    const manual: Reason = { signal: 'manual', value: null, limit: null, text: this.#manual };
    return { kind: 'pause', reasons: [manual, ...(governed.kind === 'pause' ? governed.reasons : [])] };
  }

  /** Returns after the first round of readings; `permission` and `current` then know it. Does not reject. */
  async start(): Promise<void> {
    if (this.#rounds !== null) throw new Error('the throttle has been started already');
    const { lost } = this.options.session;
    const lose = (): void => this.#fail(lost.reason);
    if (lost.aborted) lose();
    else lost.addEventListener('abort', lose, { signal: this.#ended.signal });
    const first = this.#round();
    this.#rounds = first.then(() => this.#goOn());
    await first;
  }

  /**
   * For work that a pause does not hold up.
   *
   * @throws what `stopError` makes, at a critical limit; the error that ended the readings (a lost session)
   */
  check(): void {
    if (this.#failure !== null) throw this.#failure.error;
    this.#ended.signal.throwIfAborted();
    const { current } = this;
    if (current.kind === 'stop') throw this.options.stopError(current.reasons);
  }

  /**
   * Returns at once while work may go on, waits while it is paused.
   *
   * @throws what `check` throws; the signal's reason
   */
  async permission(signal?: AbortSignal): Promise<void> {
    for (;;) {
      signal?.throwIfAborted();
      this.check();
      if (this.current.kind === 'go') return;
      await this.#change(signal);
    }
  }

  /**
   * Sleeps so that its worker works only the share that is allowed, and what `niceRatio` asks on top. Follows changes of
   * either meanwhile; a pause is `permission`'s matter.
   *
   * @throws the signal's reason
   */
  async afterChunk(chunkMs: number, signal?: AbortSignal): Promise<void> {
    for (let sleptMs = 0; ;) {
      const leftMs = this.#pauseAfterMs(chunkMs) - sleptMs;
      if (leftMs <= 0 || this.#failure !== null || this.#ended.signal.aborted) return;
      const sliceMs = Math.min(leftMs, this.#intervalMs);
      await this.#sleep(sliceMs, signal);
      sleptMs += sliceMs;
    }
  }

  /** Other limits from the next round on; what is not named stays, null takes away. */
  update(limits: Partial<Limits>): void {
    this.#limits = { ...this.#limits, ...limits };
  }

  /** By a person, whatever the signals say. `reason` is for people. */
  pause(reason: string): void {
    this.#manual = reason;
    this.#tell();
  }

  unpause(): void {
    this.#manual = null;
    this.#tell();
  }

  /** Ends the readings; whoever waits for permission gets an error. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort(new Error('the throttle has ended'));
    this.#changes.emit('change');
    await this.#rounds;
    for (const signal of this.options.signals) await signal.close?.();
  }

  get #intervalMs(): number {
    return this.options.intervalMs ?? defaultIntervalMs;
  }

  #pauseAfterMs(chunkMs: number): number {
    const { current } = this;
    return pauseAfterChunkMs(
      chunkMs,
      current.kind === 'go' ? current.share : 1,
      this.#limits.niceRatio ?? undefined,
    );
  }

  async #goOn(): Promise<void> {
    while (this.#failure === null && this.#governed.kind !== 'stop') {
      try {
        await this.#sleep(this.#intervalMs, this.#ended.signal);
      } catch (error) {
        if (!this.#ended.signal.aborted) this.#fail(error);
        return;
      }
      await this.#round();
    }
  }

  /** Never rejects: what went wrong is in `#failure`. */
  async #round(): Promise<void> {
    try {
      const answer = this.#read();
      let readings = await this.#inTime(answer);
      while (readings === late) {
        this.#apply(this.#noAnswer());
        readings = await this.#inTime(answer);
      }
      this.#apply(readings);
    } catch (error) {
      if (!this.#ended.signal.aborted) this.#fail(error);
    }
  }

  async #read(): Promise<readonly Reading[]> {
    const { session } = this.options;
    const limits = this.#limits;
    const readings: Reading[] = [];
    for (const signal of this.#limited()) readings.push(...(await readSignal(signal, session, limits)));
    return readings;
  }

  #limited(): Signal[] {
    return this.options.signals.filter(({ names }) => names.some((name) => isLimited(this.#limits, name)));
  }

  #noAnswer(): Reading[] {
    return this.#limited().flatMap(({ names }) => unreadable(names, 'the server does not answer'));
  }

  /** Rejects when the throttle ends, whatever becomes of the answer. */
  async #inTime(answer: Promise<readonly Reading[]>): Promise<readonly Reading[] | typeof late> {
    return await inTime(answer, this.options.answerWithinMs ?? defaultAnswerWithinMs, this.#ended.signal);
  }

  #apply(readings: readonly Reading[]): void {
    const { decision, state } = govern(readings, this.#limits, this.#state);
    this.#state = state;
    this.#governed = decision;
    this.#tell();
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#changes.emit('change');
  }

  #tell(): void {
    const { current } = this;
    const told =
      current.kind === 'go' ? 'go' : JSON.stringify([current.kind, ...current.reasons.map(toldOf)]);
    if (told === this.#told) return;
    this.#told = told;
    this.#changes.emit('change');
    this.options.onChange?.(current);
  }

  async #change(signal: AbortSignal | undefined): Promise<void> {
    try {
      await once(this.#changes, 'change', signal === undefined ? {} : { signal });
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    }
  }
}

/** Who it is about and whether it is known, not how much: that changes with every reading. */
function toldOf({ signal, subject, value, text }: Reason): unknown[] {
  return [signal, subject, value === null, signal === 'manual' ? text : null];
}
