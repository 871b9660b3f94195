/** Who was in the way over all tries and looks, how often, and for how long. Pure: times are handed in. */
import { isPrepared, type Blocker } from '../model/blocker.js';
import { blockerOf, sessionOf, transactionOf, type InTheWay } from './in-the-way.js';

/** One session (with all of its transactions), or one prepared transaction. Its facts are those of the last time it was seen. */
export interface CensusEntry extends Blocker {
  /** How often it was found in the way. */
  readonly times: number;
  /** From when each of its transactions was first seen in the way to when it was last. */
  readonly inTheWayMs: number;
  /** Why it does not go by itself, where there is something to say. */
  readonly note: string | null;
}

interface Seen {
  firstMs: number;
  lastMs: number;
}

export class Census {
  readonly #entries = new Map<
    string,
    { blocker: InTheWay; times: number; transactions: Map<string, Seen> }
  >();
  /** How many looks and tries there were. */
  #observations = 0;

  get observations(): number {
    return this.#observations;
  }

  /**
   * @param nowMs of any clock that does not jump
   * @param waitedMs we waited so long before that, for those who were there already
   */
  observe(blockers: readonly InTheWay[], nowMs: number, waitedMs = 0): void {
    this.#observations += 1;
    for (const blocker of blockers) {
      const key = sessionOf(blocker);
      const entry = this.#entries.get(key) ?? { blocker, times: 0, transactions: new Map<string, Seen>() };
      this.#entries.set(key, entry);
      entry.times += 1;
      entry.blocker = blocker;
      const transaction = transactionOf(blocker);
      const ageMs = (blocker.transactionSeconds ?? Infinity) * 1_000;
      const firstMs = nowMs - Math.min(waitedMs, ageMs);
      const seen = entry.transactions.get(transaction) ?? { firstMs, lastMs: nowMs };
      seen.lastMs = nowMs;
      entry.transactions.set(transaction, seen);
    }
  }

  /** Since when this very transaction is known to be in the way. */
  seenMs(blocker: InTheWay, nowMs: number): number {
    const seen = this.#entries.get(sessionOf(blocker))?.transactions.get(transactionOf(blocker));
    return seen === undefined ? 0 : nowMs - seen.firstMs;
  }

  /** The longest in the way first. */
  entries(): CensusEntry[] {
    return [...this.#entries.values()]
      .map(({ blocker, times, transactions }): CensusEntry => ({
        ...blockerOf(blocker),
        times,
        inTheWayMs: [...transactions.values()].reduce(
          (sum, { firstMs, lastMs }) => sum + lastMs - firstMs,
          0,
        ),
        note: noteOn(blocker),
      }))
      .toSorted((a, b) => b.inTheWayMs - a.inTheWayMs || b.times - a.times);
  }
}

function noteOn(blocker: InTheWay): string | null {
  if (blocker.wraparound) return 'works to prevent wraparound and does not give way';
  if (isPrepared(blocker)) return 'ends only by COMMIT PREPARED or ROLLBACK PREPARED';
  return null;
}
