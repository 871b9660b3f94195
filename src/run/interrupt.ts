/** What stops a run from outside: the user, or the loss of a session that proves that we are the runner. */
import type { Session } from '../db/session.js';
import { InterruptedError } from '../errors.js';
import type { CommonOptions } from './run-options.js';

/** Aborts when the user wants to stop; its reason is the error to report. */
export function userSignal(options: CommonOptions): AbortSignal {
  const stop = new AbortController();
  for (const signal of [options.signal, options.cancelSignal]) {
    whenAborted(signal, () =>
      stop.abort(
        new InterruptedError('interrupted', 'stopped as asked', {
          state: 'the source is untouched; the state is kept',
          hint: 'run the same command again to continue',
        }),
      ),
    );
  }
  return stop.signal;
}

/** A session that the run cannot do without is gone. */
export class SessionLost extends Error {
  constructor(cause: unknown) {
    super('the connection to the server was lost', { cause });
  }
}

/** Aborts when the user wants to stop, or when one of the sessions is lost; then the reason is `SessionLost`. */
export function runSignal(user: AbortSignal, sessions: readonly Session[]): AbortSignal {
  const stop = new AbortController();
  for (const { lost } of sessions) whenAborted(lost, () => stop.abort(new SessionLost(lost.reason)));
  // Not by a listener: the user's signal outlives every attempt.
  return AbortSignal.any([user, stop.signal]);
}

function whenAborted(signal: AbortSignal | undefined, listener: () => void): void {
  if (signal === undefined) return;
  if (signal.aborted) listener();
  else signal.addEventListener('abort', listener, { once: true });
}
