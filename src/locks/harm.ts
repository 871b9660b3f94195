/**
 * What one try costs others: backends that wait behind us, times the time they do. Pure: it is told what was seen when.
 *
 * PostgreSQL says since when each backend waits (`pg_locks.waitstart`), so a look now and then gives the exact time of whoever
 * is still there; one who has gone since the look before is taken to have gone halfway between the two.
 */

export interface Waiter {
  readonly pid: number;
  /** The relation that it waits for. */
  readonly oid: number;
  /** By the server's clock; null in the first moment of its wait. */
  readonly sinceMs: number | null;
}

export interface Cost {
  /** Most backends at one moment. */
  readonly blocked: number;
  readonly blockedMs: number;
}

interface Waiting {
  readonly oid: number;
  fromMs: number;
}

export class Harm {
  readonly #waiting = new Map<number, Waiting>();
  /** Of those who wait no more, by relation. */
  readonly #spent = new Map<number, number>();
  readonly #most = new Map<number, number>();
  #mostOfAll = 0;
  #seenMs: number | null = null;

  /** @param nowMs by the server's clock, as the waiters' times are */
  observe(nowMs: number, waiters: readonly Waiter[]): void {
    const goneMs = this.#seenMs === null ? nowMs : (this.#seenMs + nowMs) / 2;
    this.#seenMs = nowMs;
    const now = new Map(waiters.map((waiter) => [waiter.pid, waiter]));
    for (const [pid, { oid, fromMs }] of this.#waiting) {
      const still = now.get(pid);
      // The same backend may have got its lock and wait for the next one already.
      if (still?.oid === oid && (still.sinceMs === null || still.sinceMs <= goneMs)) continue;
      this.#spend(oid, goneMs - fromMs);
      this.#waiting.delete(pid);
    }
    for (const { pid, oid, sinceMs } of waiters) {
      const known = this.#waiting.get(pid);
      if (known === undefined) this.#waiting.set(pid, { oid, fromMs: Math.min(sinceMs ?? nowMs, nowMs) });
      else if (sinceMs !== null && sinceMs < known.fromMs) known.fromMs = sinceMs;
    }
    this.#mostOfAll = Math.max(this.#mostOfAll, this.#waiting.size);
    for (const [oid, count] of countBy([...this.#waiting.values()].map((each) => each.oid))) {
      this.#most.set(oid, Math.max(this.#most.get(oid) ?? 0, count));
    }
  }

  /** The locks are gone, and with them everybody's reason to wait. */
  end(nowMs: number): void {
    for (const { oid, fromMs } of this.#waiting.values()) this.#spend(oid, nowMs - fromMs);
    this.#waiting.clear();
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** So far, with those who still wait. */
  total(nowMs: number): Cost {
    const spent = [...this.#spent.values()].reduce((sum, ms) => sum + ms, 0);
    const waiting = [...this.#waiting.values()].reduce(
      (sum, { fromMs }) => sum + Math.max(0, nowMs - fromMs),
      0,
    );
    return { blocked: this.#mostOfAll, blockedMs: spent + waiting };
  }

  /** By relation; call after `end`. */
  of(oid: number): Cost {
    return { blocked: this.#most.get(oid) ?? 0, blockedMs: this.#spent.get(oid) ?? 0 };
  }

  /** Relations that somebody waited for. */
  get relations(): number[] {
    return [...this.#most.keys()];
  }

  #spend(oid: number, ms: number): void {
    this.#spent.set(oid, (this.#spent.get(oid) ?? 0) + Math.max(0, ms));
  }
}

const shortestPauseMs = 2;
/** Many may come to wait within this, and none of them is seen. A look takes 0.2 ms. */
const waitPauseMs = 10;
const holdPauseMs = 20;
const longestPauseMs = 1_000;

/**
 * Until the next look. While we wait: soon enough for the budget not to be overdrawn by much. While we hold: less and less often,
 * for what can no longer be helped is only counted.
 */
export function lookAgainMs(state: {
  readonly heldMs: number | null;
  readonly waiting: number;
  readonly budgetMs: number;
}): number {
  const { heldMs, waiting, budgetMs } = state;
  if (heldMs !== null) return Math.min(Math.max(holdPauseMs, heldMs / 50), longestPauseMs);
  const spentInMs = waiting === 0 ? waitPauseMs : budgetMs / waiting;
  return Math.max(shortestPauseMs, Math.min(waitPauseMs, spentInMs));
}

function countBy(values: readonly number[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}
