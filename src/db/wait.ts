/** Waiting that can be interrupted. */
import { setTimeout as timer } from 'node:timers/promises';

/** Sleeps; rejects with the signal's reason when aborted. */
export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  try {
    await timer(ms, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}

export const late = Symbol('late');

/**
 * What `answer` comes to; `late` when that takes longer, and then nobody hears what becomes of it.
 *
 * @throws what `answer` throws in time; the signal's reason
 */
export async function inTime<T>(
  answer: Promise<T>,
  withinMs: number,
  signal?: AbortSignal,
): Promise<T | typeof late> {
  const answered = new AbortController();
  const either = signal === undefined ? answered.signal : AbortSignal.any([answered.signal, signal]);
  try {
    return await Promise.race([answer, sleep(withinMs, either).then((): typeof late => late)]);
  } finally {
    answered.abort();
  }
}

/** A value within +-`spread` of `ms`, so that several waiters do not move in step. */
export function jittered(ms: number, spread = 0.3, random: () => number = Math.random): number {
  return ms * (1 - spread + 2 * spread * random());
}
