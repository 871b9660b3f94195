/** How long a feed rests after it has read what there was. */

/** The longest, while nobody waits for the log: apply looks into it a few times a second. */
const relaxedMs = 100;
/** Who has asked will soon ask again: for the swap, under the lock, what has come since then is read, written and applied. */
const alertMs = 5;
const alertForMs = 2_000;
/** As much is worth waking up for. More might fill the socket's buffers, and the server would wait. */
const fullBite = 64 * 1024;

export interface Bite {
  readonly bytes: number;
  /** In which they have come, and were dealt with. */
  readonly overMs: number;
  /** Since somebody wanted all of the log; 0 while somebody does. */
  readonly sinceAskedMs: number;
}

/** @returns milliseconds */
export function restMs({ bytes, overMs, sinceAskedMs }: Bite): number {
  if (sinceAskedMs === 0) return 0;
  const longest = sinceAskedMs < alertForMs ? alertMs : relaxedMs;
  const untilFull = (fullBite / Math.max(1, bytes)) * overMs;
  // Less than the timer can do.
  return untilFull < 1 ? 0 : Math.min(longest, untilFull);
}
