/** At the edge of the library: what the server says and nobody foresaw is still one of our errors. */
import type { Text } from '../advice.js';
import { Session } from '../db/session.js';
import { isConnectionLost, isServerError, messageOf } from '../db/sqlstate.js';
import { FailedError, InterruptedError, PgGhostError } from '../errors.js';
import { CommitOutcomeUnknown } from '../locks/commit-outcome.js';
import { cameFromFunction, namingEventTrigger } from '../run/event-trigger-failure.js';
import type { CommonOptions } from '../run/run-options.js';

/**
 * Runs one function of the library.
 *
 * @param state what the tables are in when it fails half way
 */
export async function explained<T>(options: CommonOptions, state: Text, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    const error = cameFromFunction(thrown) ? await named(options, thrown, state) : thrown;
    if (error instanceof PgGhostError) throw error;
    if (options.signal?.aborted === true || options.cancelSignal?.aborted === true) {
      throw new InterruptedError('interrupted', 'stopped as asked', { state, cause: error });
    }
    if (error instanceof CommitOutcomeUnknown || isConnectionLost(error)) {
      throw new FailedError('connection-lost', `the connection to the server was lost: ${messageOf(error)}`, {
        state,
        hint: 'the same command again, as soon as the server can be reached',
        cause: error,
      });
    }
    if (isServerError(error)) {
      throw new FailedError('server-error', `PostgreSQL: ${error.message} (SQLSTATE ${error.code})`, {
        state,
        hint: 'remove the cause and give the same command again',
        cause: error,
      });
    }
    throw error;
  }
}

/** Asked in a session of its own: those of the command may be in a transaction that has failed. */
async function named(options: CommonOptions, error: unknown, state: Text): Promise<unknown> {
  try {
    await using session = await Session.open({
      own: true,
      connection: options.connection,
      applicationName: 'pg-ghost afterwards',
    });
    return await namingEventTrigger(session, error, state);
  } catch {
    // The error that there was matters more.
    return error;
  }
}

/** For commands that have nothing to finish: breaks the connection off, and with it the statement that runs. */
export function breakOffWhenAsked(options: CommonOptions, session: { destroy(): void }): void {
  for (const signal of [options.signal, options.cancelSignal]) {
    if (signal?.aborted === true) session.destroy();
    signal?.addEventListener('abort', () => session.destroy(), { once: true });
  }
}

/** Nothing has to be finished while there is no connection yet: the first signal breaks it off. */
export function connectingSignal({ signal, cancelSignal }: CommonOptions): { signal?: AbortSignal } {
  const signals = [signal, cancelSignal].filter((each) => each !== undefined);
  return signals.length === 0 ? {} : { signal: AbortSignal.any(signals) };
}
