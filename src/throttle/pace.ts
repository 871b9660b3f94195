/** How big the next piece of work is, from how long the last one took. Pure; the unit is the caller's: blocks, rows, keys. */

/** A fast piece may have been luck (cached, empty pages): grow slowly, shrink at once. */
const maxGrowth = 1.5;
/** A clock that saw no time pass would make the ideal size infinite. */
const shortestMs = 0.1;

export interface Piece {
  readonly size: number;
  readonly durationMs: number;
}

/**
 * A whole number from 1 to `max`.
 *
 * @param current what pieces are cut to now; the first is the caller's choice, and small
 * @param last a finished piece; may be smaller (the end of a range), and then is no reason to grow
 * @param targetMs how long a piece is to take
 */
export function nextSize(
  current: number,
  last: Piece,
  targetMs: number,
  { max }: { readonly max: number },
): number {
  const tooSlow = last.durationMs > targetMs;
  if (!tooSlow && last.size < current) return within(current, max);
  const ideal = (last.size * targetMs) / Math.max(last.durationMs, shortestMs);
  // A slow piece cut to another size before must not make the next one bigger.
  const limit = tooSlow ? Math.min(current, last.size) : current * maxGrowth;
  return within(Math.min(ideal, limit), max);
}

function within(size: number, max: number): number {
  return Math.round(Math.min(Math.max(size, 1), Math.max(max, 1)));
}
