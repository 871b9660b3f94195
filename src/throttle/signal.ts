/** One thing that is read of the server, again and again. */
import { isConnectionLost, isServerError, messageOf } from '../db/sqlstate.js';
import type { Session } from '../db/session.js';
import type { Reading } from './reading.js';
import type { Limits, SignalName } from './limits.js';

export interface Signal {
  /** Everything that its readings are called. */
  readonly names: readonly SignalName[];
  /**
   * Reads it once: one reading a subject, none where there is nothing to measure (no replica, the first look at a rate).
   * The session is not in a transaction, and is not when this returns.
   *
   * @throws an error of the server: nothing could be read; any other error is a defect or a lost connection
   */
  read(session: Session, limits: Limits): Promise<readonly Reading[]>;
  /** Of what it keeps open. */
  close?(): Promise<void>;
}

/**
 * Reads a signal; what the server refused (rights, a timeout, a view that another version lacks) becomes a reading that
 * failed.
 *
 * @throws when the session is lost
 */
export async function readSignal(
  signal: Signal,
  session: Session,
  limits: Limits,
): Promise<readonly Reading[]> {
  try {
    return await signal.read(session, limits);
  } catch (error) {
    if (!isServerError(error) || isConnectionLost(error)) throw error;
    return unreadable(signal.names, messageOf(error));
  }
}

/** Readings that failed, one a name. */
export function unreadable(names: readonly SignalName[], detail: string, subject?: string): Reading[] {
  return names.map((signal) => ({
    signal,
    value: null,
    detail,
    ...(subject === undefined ? {} : { subject }),
  }));
}
