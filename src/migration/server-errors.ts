/** At the edge of the library: what the server says and nobody foresaw is still one of our errors. */
import { isConnectionLost, isServerError, messageOf } from '../db/sqlstate.js';
import { FailedError, InterruptedError, PgGhostError } from '../errors.js';
import { CommitOutcomeUnknown } from '../locks/locked-transaction.js';
import type { CommonOptions } from './types.js';

/**
 * Runs one function of the library.
 *
 * @param state what the tables are in when it fails half way
 */
export async function explained<T>(
  options: CommonOptions,
  state: string,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
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

/** For commands that have nothing to finish: breaks the connection off, and with it the statement that runs. */
export function breakOffWhenAsked(options: CommonOptions, session: { destroy(): void }): void {
  for (const signal of [options.signal, options.cancelSignal]) {
    if (signal?.aborted === true) session.destroy();
    signal?.addEventListener('abort', () => session.destroy(), { once: true });
  }
}
