/** What stops a run from outside: the user, or the loss of the session that proves that we are the runner. */
import type { Session } from '../db/session.js';
import { FailedError, InterruptedError } from '../errors.js';
import type { CommonOptions } from './types.js';

export interface RunInterrupt {
  /** Its reason is the error to report. */
  readonly signal: AbortSignal;
}

export function runSignal(options: CommonOptions, control: Session): RunInterrupt {
  const stop = new AbortController();
  const interrupted = (): void =>
    stop.abort(
      new InterruptedError('interrupted', 'stopped as asked', {
        state: 'the source is untouched; the state is kept',
        hint: 'run the same command again to continue',
      }),
    );
  whenAborted(options.signal, interrupted);
  whenAborted(options.cancelSignal, interrupted);
  whenAborted(control.lost, () =>
    stop.abort(
      new FailedError('connection-lost', 'the connection to the server was lost', {
        state: 'the state is kept in the database',
        hint: 'run the same command again to continue, as soon as the server can be reached',
        cause: control.lost.reason,
      }),
    ),
  );
  return { signal: stop.signal };
}

function whenAborted(signal: AbortSignal | undefined, listener: () => void): void {
  if (signal === undefined) return;
  if (signal.aborted) listener();
  else signal.addEventListener('abort', listener, { once: true });
}
