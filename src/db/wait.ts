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

/** A value within +-`spread` of `ms`, so that several waiters do not move in step. */
export function jittered(ms: number, spread = 0.3, random: () => number = Math.random): number {
  return ms * (1 - spread + 2 * spread * random());
}
