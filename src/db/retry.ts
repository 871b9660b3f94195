/** Runs a whole transaction again while it fails in a way that passes by itself. */
import pRetry from 'p-retry';
import { conflictStates, sqlState } from './sqlstate.js';

export interface RetryOptions {
  readonly deadlineMs: number;
  readonly signal?: AbortSignal;
}

export async function retryTransient<T>(work: () => Promise<T>, options: RetryOptions): Promise<T> {
  return pRetry(work, {
    retries: Number.POSITIVE_INFINITY,
    minTimeout: 20,
    factor: 2,
    maxTimeout: 2_000,
    maxRetryTime: options.deadlineMs,
    randomize: true,
    shouldRetry: ({ error }) => conflictStates.has(sqlState(error) ?? ''),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
}
