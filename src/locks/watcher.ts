/**
 * The second session during one try: counts who waits behind us, and cancels us when that costs too much or takes too long.
 *
 * Its queries follow each other in one line (a `pg` client would queue them just the same), so each must be short.
 */
import type { Session } from '../db/session.js';
import { sleep } from '../db/wait.js';
import type { SqlQuery } from '../sql/quote.js';
import { Harm, lookAgainMs } from './harm.js';
import { cancelSql, cancelWaitSql, harmSql, type HarmRow } from './harm-sql.js';
import { lockModeOf } from '../model/lock-mode.js';
import type { Lock } from './lock-request.js';

export interface WatchOptions {
  readonly watcher: Session;
  /** The session that is watched. */
  readonly pid: number;
  readonly relations: readonly number[];
  /** Blocked backends x milliseconds after which a wait is cancelled; infinite when there is no limit. */
  readonly budgetMs: number;
}

/** A server that refuses to be looked at must not be asked as fast as it answers. */
const afterErrorMs = 20;

/** A relation's lock as it was seen from outside. */
interface Sighting {
  /** By the server's clock. */
  readonly firstMs: number;
}

export class Watch {
  readonly harm = new Harm();
  readonly #options: WatchOptions;
  readonly #held = new Map<number, Sighting>();
  readonly #stop = new AbortController();
  #line: Promise<unknown> = Promise.resolve();
  #looking: Promise<void> | null = null;
  #nudged = new AbortController();
  #cancelling: Promise<unknown> | null = null;
  #overdrawn = false;
  #unforeseen: Lock | null = null;
  #heldSince: number | null = null;
  #mayCancel = true;
  #clock: NodeJS.Timeout | undefined;
  /** To tell the server's time between two looks. */
  #offsetMs: number | null = null;

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  /** Was the wait cancelled because of what it cost others? */
  get overdrawn(): boolean {
    return this.#overdrawn;
  }

  /** A lock that the work has waited for and that is none of those it was said to need. */
  get unforeseen(): Lock | null {
    return this.#unforeseen;
  }

  /**
   * Begins to look; again does nothing.
   *
   * @param afterMs a hold is mostly shorter than this, and then one look at its end is enough (`nudge`)
   */
  begin(afterMs = 0): void {
    this.#looking ??= this.#look(afterMs);
  }

  /**
   * From now on the locks are held. What it costs is still counted.
   *
   * @param mayCancel the work takes locks of its own, and waiting for those has the same budget
   */
  hold({ mayCancel = false } = {}): void {
    this.#heldSince = performance.now();
    this.#mayCancel = mayCancel;
  }

  /** Looks at once: a hold may be over before the next look is due. */
  nudge(): void {
    this.#nudged.abort();
  }

  /** Cancels whatever the session does when the time is over. */
  startClock(ms: number): void {
    clearTimeout(this.#clock);
    this.#clock = setTimeout(() => {
      this.#cancelling = this.#ask(cancelSql(this.#options.pid)).catch(() => undefined);
    }, ms);
  }

  stopClock(): void {
    clearTimeout(this.#clock);
  }

  /** No cancel comes after this: one that is still on its way must not hit what the session does next. */
  async calm(): Promise<void> {
    this.stopClock();
    this.#mayCancel = false;
    await this.#cancelling;
  }

  /** Ends it all. The session holds nothing any more since `at`, a reading of `performance.now()`. */
  async end(at: number): Promise<void> {
    await this.calm();
    this.#stop.abort();
    await this.#looking;
    this.harm.end(this.#serverTime(at));
  }

  /** How long the session has been seen to hold a lock of the relation, up to `at`; null when it was not seen at all. */
  heldMs(oid: number, at: number): number | null {
    const seen = this.#held.get(oid);
    return seen === undefined ? null : Math.max(0, this.#serverTime(at) - seen.firstMs);
  }

  async #look(afterMs: number): Promise<void> {
    const { watcher, pid, relations, budgetMs } = this.#options;
    if (afterMs > 0) await this.#pause(afterMs);
    while (!this.#stop.signal.aborted) {
      try {
        const asked = performance.now();
        const [row] = (await this.#ask(harmSql(pid, relations))) as HarmRow[];
        if (row === undefined) return;
        const { nowMs, behind, wants, held } = row;
        const waiting = wants !== null;
        if (waiting && !relations.includes(wants.oid)) this.#unforeseen = unforeseenLock(wants);
        this.#offsetMs = nowMs - (asked + performance.now()) / 2;
        for (const oid of held) if (!this.#held.has(oid)) this.#held.set(oid, { firstMs: nowMs });
        this.harm.observe(nowMs, behind);
        const leftMs = budgetMs - this.harm.total(nowMs).blockedMs;
        if (leftMs <= 0 && waiting && this.#mayCancel) await this.#cancelWait();
        const heldMs = this.#heldSince === null || waiting ? null : performance.now() - this.#heldSince;
        const spendable = this.#mayCancel ? leftMs : Infinity;
        await this.#pause(lookAgainMs({ heldMs, waiting: this.harm.waiting, budgetMs: spendable }));
      } catch {
        // Without a watcher there is no more watching; lock_timeout and the hold's budget bound what we do all the same.
        if (watcher.lost.aborted) return;
        // Somebody cancelled this look: the next one may see.
        await this.#pause(afterErrorMs);
      }
    }
  }

  async #cancelWait(): Promise<void> {
    const cancelling = this.#ask(cancelWaitSql(this.#options.pid));
    this.#cancelling = cancelling.catch(() => undefined);
    if ((await cancelling).length > 0) this.#overdrawn = true;
  }

  /** One query after the other, whoever asks. */
  #ask(query: SqlQuery): Promise<object[]> {
    const answer = this.#line.then(() => this.#options.watcher.rows(query));
    this.#line = answer.catch(() => undefined);
    return answer;
  }

  async #pause(ms: number): Promise<void> {
    const signal = AbortSignal.any([this.#stop.signal, this.#nudged.signal]);
    try {
      await sleep(ms, signal);
    } catch {
      this.#nudged = new AbortController();
    }
  }

  /** The server's time at a reading of our own clock; ours where it was never asked for. */
  #serverTime(at: number): number {
    return at + (this.#offsetMs ?? performance.timeOrigin);
  }
}

function unforeseenLock({ oid, mode }: NonNullable<HarmRow['wants']>): Lock {
  return { oid, table: `relation ${oid}`, mode: lockModeOf(mode) ?? 'ACCESS EXCLUSIVE', implicit: true };
}
