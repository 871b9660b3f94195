/** Runs a whole transaction again while it fails in a way that passes by itself. */
import { conflictStates, sqlState } from './sqlstate.js';
import { jittered, sleep } from './wait.js';

export interface RetryOptions {
  /** From the first failure on: how long the work itself takes says nothing about whoever is in its way. */
  readonly deadlineMs: number;
  /** Ends a wait between two tries; what a try has done by then counts. */
  readonly signal?: AbortSignal | undefined;
}

const firstWaitMs = 30;
const longestWaitMs = 2_000;

/** @throws what `work` throws, when that does not pass; the signal's reason */
export async function retryTransient<T>(work: () => Promise<T>, options: RetryOptions): Promise<T> {
  let failedFirst: number | null = null;
  for (let waitMs = firstWaitMs; ; waitMs = Math.min(waitMs * 2, longestWaitMs)) {
    try {
      return await work();
    } catch (error) {
      if (!conflictStates.has(sqlState(error) ?? '')) throw error;
      failedFirst ??= performance.now();
      const leftMs = failedFirst + options.deadlineMs - performance.now();
      if (leftMs <= 0) throw error;
      await sleep(Math.min(jittered(waitMs), leftMs), options.signal);
    }
  }
}
