import { setTimeout as sleep } from 'node:timers/promises';

export interface UntilOptions {
  /** What is waited for, for the message. */
  readonly what: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * Waits until the condition gives something truthy, and gives that. The only waiting in tests: a fixed sleep is
 * either too long or, on a busy machine, too short.
 *
 * @throws Error when the time is over; what the condition throws; the signal's reason
 */
export async function until<T>(
  condition: () => T | Promise<T>,
  { what, timeoutMs = 20_000, signal }: UntilOptions,
): Promise<Exclude<T, false | 0 | '' | null | undefined>> {
  const deadline = Date.now() + timeoutMs;
  for (let pauseMs = 2; ; pauseMs = Math.min(pauseMs * 2, 50)) {
    signal?.throwIfAborted();
    const value = await condition();
    if (value) return value as Exclude<T, false | 0 | '' | null | undefined>;
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain for: ${what}`);
    await sleep(pauseMs, undefined, signal === undefined ? {} : { signal });
  }
}
