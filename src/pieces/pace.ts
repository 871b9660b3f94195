/** How big the next piece of work is, from how long the last one took. Pure; the unit is the caller's: blocks, rows, keys. */

/** A fast piece may have been luck (cached, empty pages): grow slowly, shrink at once. */
const maxGrowth = 1.5;
/** A clock that saw no time pass would make the ideal size infinite. */
const shortestMs = 0.1;

export interface TimedPiece {
  readonly size: number;
  readonly durationMs: number;
  /** Of that, what a piece of any size costs: round trips, locks, checks. Absent: nobody measured it. */
  readonly overheadMs?: number;
}

export interface SizeLimits {
  /**
   * A slow piece makes the next one no smaller than this as long as it would cost more in overhead than in work: on a
   * starved machine the overhead alone takes longer than the target, which no size can reach, and every halving would
   * halve the rate. A single unit that is slow by its work (large TOASTed values) still becomes a piece of its own; where
   * the overhead was not measured it does not, and `min` counts as it is.
   */
  readonly min?: number;
  readonly max: number;
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
  last: TimedPiece,
  targetMs: number,
  { min = 1, max }: SizeLimits,
): number {
  const tooSlow = last.durationMs > targetMs;
  if (!tooSlow && last.size < current) return within(current, max);
  const ideal = (last.size * targetMs) / Math.max(last.durationMs, shortestMs);
  const grown = current * maxGrowth;
  if (!tooSlow) return within(Math.min(ideal, grown), max);
  // A slow piece cut to another size before must not make the next one bigger.
  const shrunk = Math.min(ideal, current, last.size);
  return within(Math.max(shrunk, Math.min(worthwhileSize(last), min, grown)), max);
}

/** That takes as long as its overhead. */
function worthwhileSize({ size, durationMs, overheadMs = durationMs }: TimedPiece): number {
  return (size * overheadMs) / Math.max(durationMs - overheadMs, shortestMs);
}

function within(size: number, max: number): number {
  return Math.round(Math.min(Math.max(size, 1), Math.max(max, 1)));
}
