/** Runs a whole transaction again while it fails in a way that passes by itself. */
import pRetry from 'p-retry';
import { SqlState, sqlState } from './sqlstate.js';

/** Two transactions met; neither is to blame, and the same work on a fresh snapshot may well pass. */
const transient: ReadonlySet<string> = new Set([
  SqlState.serializationFailure,
  SqlState.deadlockDetected,
  SqlState.lockNotAvailable,
]);

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
    shouldRetry: ({ error }) => transient.has(sqlState(error) ?? ''),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
}
