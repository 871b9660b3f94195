/** What to tell people of event triggers that are in the way. */
import { RefusedError } from '../errors.js';
import type { Refusal } from '../errors.js';
import {
  describeEventTriggers,
  eventTriggerHint,
  firingAt,
  raisedBy,
  type EventTrigger,
} from './event-triggers.js';
import type { Intruder } from './intruders.js';
import { SqlState, type ServerError } from '../db/sqlstate.js';

/** Something that an event trigger did to an object of ours stays there. */
export function addedByEventTrigger(
  object: string,
  left: readonly Intruder[],
  triggers: readonly EventTrigger[],
  serverVersion: number,
): RefusedError {
  const list = left.map(({ what }) => what).join('; ');
  const who = triggers.length === 0 ? 'an event trigger, it seems' : describeEventTriggers(triggers);
  return new RefusedError([
    {
      code: 'event-trigger',
      message: `${object} is not what it was made as, and that cannot be taken back: ${list}; behind it: ${who}`,
      hint: eventTriggerHint(triggers, serverVersion),
    },
  ]);
}

/**
 * What the server refused because an event trigger raised an error; null when none of them did.
 *
 * @param what was being done: `cannot build an empty clone of the table`
 */
export function eventTriggerRefusal(
  error: ServerError,
  what: string,
  triggers: readonly EventTrigger[],
  serverVersion: number,
): Refusal | null {
  const behind = raisedBy(error, triggers);
  if (behind.length > 0) {
    return {
      code: 'event-trigger',
      message: `${what}: ${describeEventTriggers(behind)} says: ${error.message}`,
      hint: eventTriggerHint(behind, serverVersion),
    };
  }
  // A table of ours that we may not touch: it was given away as soon as it was made.
  const giving = firingAt(triggers, ['CREATE TABLE', 'ALTER TABLE']);
  if (error.code !== SqlState.insufficientPrivilege || giving.length === 0) return null;
  return {
    code: 'event-trigger',
    message: `${what}: ${error.message}; it was ours a moment before, so behind it may be ${describeEventTriggers(giving)}`,
    hint: eventTriggerHint(giving, serverVersion),
  };
}
