/**
 * When the primary was where: turns the position of a replica into the time that it is behind. Pure but for its memory.
 *
 * `replay_lag` and the age of the last replayed commit cannot do that: the first is as old as the replica's last message
 * (10 seconds while it replays nothing, a minute when it hangs), the second counts the time in which the primary had
 * nothing to commit.
 */

interface Sample {
  readonly atMs: number;
  readonly lsn: bigint;
}

/** Half an hour of one sample a second; then every other one goes, and the lag is known half as finely. */
const maxSamples = 2_000;

export class WalHistory {
  #samples: readonly Sample[] = [];

  /** What the primary has written now. Times never go back. */
  add(atMs: number, lsn: bigint): void {
    const last = this.#samples.at(-1);
    if (last !== undefined && lsn === last.lsn) return;
    // Another server answers now: what the former wrote says nothing of it.
    const kept = last !== undefined && lsn < last.lsn ? [] : this.#samples;
    const all = [...kept, { atMs, lsn }];
    this.#samples =
      all.length <= maxSamples ? all : all.filter((_, index) => index % 2 === 0 || index === all.length - 1);
  }

  /**
   * How long ago the primary was first seen beyond this position, 0 when it was not.
   *
   * `atLeast`: it was beyond when we first looked, so that the true lag is longer, by an unknown time.
   */
  behind(lsn: bigint, nowMs: number): { readonly ms: number; readonly atLeast: boolean } {
    const index = this.#samples.findIndex((sample) => sample.lsn > lsn);
    const first = this.#samples[index];
    return first === undefined
      ? { ms: 0, atLeast: false }
      : { ms: Math.max(0, nowMs - first.atMs), atLeast: index === 0 };
  }
}
