/**
 * How long to wait for a lock, try by try: pure.
 *
 * While we wait for a strong lock everybody who comes after us waits behind us, so the first tries do not wait at all,
 * later ones climb slowly to a limit, and between them the application gets time to breathe. There is no last,
 * untimed try.
 */

export interface LockTry {
  /** Counts from 1. */
  readonly attempt: number;
  /** `lock_timeout` of this try; null = NOWAIT. */
  readonly lockTimeoutMs: number | null;
  /** Pause after it failed, before jitter. */
  readonly pauseMs: number;
}

/** Tries that do not queue at all: they cost the application nothing, and on a quiet table the first succeeds. */
const nowaitTries = 3;
const firstTimeoutMs = 10;
const growth = 1.6;
const firstPauseMs = 50;
/** A pause is this many times the wait before it, so that waits of up to a second block a tenth of the time at most. */
const pausePerWait = 10;
const longestPauseMs = 10_000;

export function lockTry(attempt: number, limitMs: number): LockTry {
  if (attempt <= nowaitTries) {
    return { attempt, lockTimeoutMs: null, pauseMs: firstPauseMs * 2 ** (attempt - 1) };
  }
  const climbed = firstTimeoutMs * growth ** (attempt - nowaitTries - 1);
  const lockTimeoutMs = Math.max(1, Math.round(Math.min(climbed, limitMs)));
  return {
    attempt,
    lockTimeoutMs,
    pauseMs: Math.min(Math.max(firstPauseMs * 4, lockTimeoutMs * pausePerWait), longestPauseMs),
  };
}

/** A look costs the application nothing, so it may come again sooner than a try. */
const longestLookPauseMs = 1_000;

/** Pause after the `looks`th look in a row that found that a try would be in vain, before jitter. */
export function lookPauseMs(looks: number): number {
  return Math.min(firstPauseMs * 2 ** (looks - 1), longestLookPauseMs);
}
