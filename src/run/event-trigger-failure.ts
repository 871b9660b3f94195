/** An error that an event trigger raised says so, by its name, wherever it came up. */
import type { Text } from '../advice.js';
import {
  raisedBy,
  describeEventTriggers,
  eventTriggerHint,
  readEventTriggers,
} from '../catalog/event-triggers.js';
import type { Session } from '../db/session.js';
import { isServerError } from '../db/sqlstate.js';
import { FailedError, PgGhostError, RefusedError } from '../errors.js';

/** The server's error, or the one that ours was made from, when it came out of a function. */
export function cameFromFunction(error: unknown): boolean {
  const root = error instanceof PgGhostError ? error.cause : error;
  const isSaid = error instanceof PgGhostError && error.code === 'event-trigger';
  return !isSaid && isServerError(root) && root.where !== undefined;
}

/**
 * @param error for which `cameFromFunction` holds
 * @param session in no transaction
 * @returns the error itself when no event trigger is behind it
 */
export async function namingEventTrigger(session: Session, error: unknown, state: Text): Promise<unknown> {
  const own = error instanceof PgGhostError ? error : null;
  const root = own === null ? error : own.cause;
  const behind = raisedBy(root, await readEventTriggers(session));
  if (behind.length === 0 || !isServerError(root)) return error;
  const message = `${own?.message ?? `PostgreSQL: ${root.message} (SQLSTATE ${root.code})`}; raised by ${describeEventTriggers(behind)}`;
  const hint = eventTriggerHint(behind, session.serverVersion);
  if (own instanceof RefusedError) {
    return new RefusedError([{ code: 'event-trigger', message, hint }], { cause: root });
  }
  return new FailedError('event-trigger', message, {
    state: own?.told.state ?? state,
    hint: `${hint}; then the same command again`,
    details: { ...own?.details, sqlState: root.code, eventTriggers: behind.map(({ name }) => name) },
    cause: root,
  });
}
