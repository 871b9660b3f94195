/**
 * How far the log is on disk: only that may be confirmed. Keys are committed without waiting for the disk, since somebody may wait for
 * them under a lock, and a crash of the server loses no more than what was not confirmed: the WAL has it still, and the position
 * that is stored with the keys is lost with them.
 *
 * All of our commits are before the end of the WAL that the server names after them, and durable when it has flushed it up to there.
 */
import type { Lsn } from '../../db/replication.js';

/** What the server says of its WAL. */
export interface WalEnds {
  readonly inserted: Lsn;
  readonly flushed: Lsn;
}

/** What was in the log when the server was asked. */
export interface Asked {
  readonly stored: Lsn;
  readonly writes: number;
}

export class DurablePosition {
  #stored: Lsn = 0n;
  #writes = 0;
  #durableWrites = 0;
  #confirmed: Lsn = 0n;
  #awaited: (Asked & { readonly inserted: Lsn }) | null = null;

  /** Everything before it is in the log to stay, or nothing had to be written. */
  get confirmed(): Lsn {
    return this.#confirmed;
  }

  /** Whether the server has to be asked for it to go on. */
  get isBehind(): boolean {
    return this.#durableWrites < this.#writes;
  }

  /** Everything before `end` is in the log. @param wrote something was committed for that */
  stored(end: Lsn, wrote: boolean): void {
    if (wrote) this.#writes += 1;
    if (end > this.#stored) this.#stored = end;
    if (!this.isBehind) this.#confirmed = this.#stored;
  }

  /** To be called before the server is asked, and given back with its answer. */
  ask(): Asked {
    return { stored: this.#stored, writes: this.#writes };
  }

  answered({ stored, writes }: Asked, { inserted, flushed }: WalEnds): void {
    if (this.#awaited !== null && flushed >= this.#awaited.inserted) {
      this.#durableWrites = this.#awaited.writes;
      this.#confirmed = this.isBehind ? this.#awaited.stored : this.#stored;
      this.#awaited = null;
    }
    if (this.isBehind) this.#awaited ??= { stored, writes, inserted };
  }
}
