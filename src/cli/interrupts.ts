/**
 * Ctrl-C and SIGTERM. The first asks the work to finish its chunk; the second cancels it, and where that does not end it within
 * seconds (a lock, a host or a pooler that does not answer) ends the process all the same. A third, by the signals' usual effect,
 * ends it at once. The state survives that as it does a crash.
 */
import { isServerError, SqlState } from '../db/sqlstate.js';
import { InterruptedError } from '../errors.js';

const names = ['SIGINT', 'SIGTERM'] as const;

/** `process`, or an emitter in tests. */
export interface SignalSource {
  on(name: (typeof names)[number], listener: () => void): unknown;
  off(name: (typeof names)[number], listener: () => void): unknown;
}

export interface InterruptsOptions {
  /** What the first signal does, for the user; null: nothing has to be finished, the first signal cancels. */
  readonly finishing: string | null;
  readonly tell: (text: string) => void;
  /** Ends the process: the cancelled work has not ended. */
  readonly end: () => void;
}

/** Enough for a statement to be cancelled and for what was made to be taken away again. */
const graceMs = 3_000;

export class Interrupts implements Disposable {
  readonly #stop = new AbortController();
  readonly #cancel = new AbortController();
  readonly #source: SignalSource;
  readonly #options: InterruptsOptions;

  constructor(source: SignalSource, options: InterruptsOptions) {
    this.#source = source;
    this.#options = options;
    for (const name of names) source.on(name, this.#interrupt);
  }

  /** First: finish the current chunk, keep the state. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** Second: cancel what runs now. */
  get cancelSignal(): AbortSignal {
    return this.#cancel.signal;
  }

  #grace: NodeJS.Timeout | undefined;

  readonly #interrupt = (): void => {
    const { finishing, tell, end } = this.#options;
    const first = !this.signal.aborted;
    this.#stop.abort(new InterruptedError('interrupted', 'stopped as asked'));
    if (first && finishing !== null) {
      tell(`${finishing}; once more cancels it`);
      return;
    }
    this.#listenNoMore();
    this.#grace = setTimeout(end, graceMs);
    tell('cancelling; once more ends the program at once');
    this.#cancel.abort(this.signal.reason);
  };

  [Symbol.dispose](): void {
    clearTimeout(this.#grace);
    this.#listenNoMore();
  }

  #listenNoMore(): void {
    for (const name of names) this.#source.off(name, this.#interrupt);
  }
}

/** What is left after an interruption. */
export interface Aftermath {
  readonly state: string;
  readonly hint?: string;
}

/**
 * What a command ends with after an interruption: aborted waits and statements cancelled on request are not failures of
 * their own. Errors that say more (an unknown outcome) stay as they are.
 */
export function interruptionOf(error: unknown, signal: AbortSignal, aftermath: Aftermath): unknown {
  if (!signal.aborted) return error;
  const aborted = error instanceof Error && error.name === 'AbortError';
  const cancelled = isServerError(error) && error.code === SqlState.queryCanceled;
  // One that knows better what is left.
  if (error instanceof InterruptedError && error.code !== 'interrupted') return error;
  if (!(error instanceof InterruptedError) && !aborted && !cancelled) return error;
  return new InterruptedError('interrupted', 'stopped as asked', aftermath);
}
