/** What the server refuses in the trial, it would refuse on the table. */
import { eventTriggerRefusal } from '../../catalog/event-trigger-errors.js';
import type { EventTrigger } from '../../catalog/event-triggers.js';
import { RefusedError, FailedError } from '../../errors.js';
import { SqlState, isConnectionLost, isServerError, sqlState } from '../../db/sqlstate.js';
import type { QualifiedName } from '../../model/name.js';

export interface TrialNames {
  readonly clone: QualifiedName;
  readonly source: QualifiedName;
  readonly eventTriggers: readonly EventTrigger[];
  /** What stands for other tables, by the name that the user knows. */
  readonly standIns?: readonly { readonly name: string; readonly of: string }[];
  readonly serverVersion: number;
}

/** Classes that speak of the moment and not of the change: lost connection, out of memory, canceled, broken server. */
const transientClasses = ['08', '40', '53', '55', '57', '58', 'XX'];
/** But for this one of class 55: `column "id" is not an identity column` and the like. */
const ofTheChange: readonly string[] = [SqlState.notInPrerequisiteState];

/**
 * Runs one step of the trial; errors of the server become a refusal that says which action it was.
 *
 * @param label the user's text, or null while the clone is built
 */
export async function refusedByServer(
  names: TrialNames,
  label: string | null,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    const state = sqlState(error);
    if (!isServerError(error) || isConnectionLost(error) || state === null) throw error;
    const what = label ?? 'cannot build an empty clone of the table';
    // Word for word: it may be about the clone's schema.
    const forbidden =
      label !== null && state === SqlState.insufficientPrivilege
        ? null
        : eventTriggerRefusal(error, what, names.eventTriggers, names.serverVersion);
    if (forbidden !== null) {
      throw new RefusedError([forbidden], { details: { sqlState: state }, cause: error });
    }
    // The clone's schema means nothing to the user; its name is random, so it occurs in no other sense.
    const own = (text: string): string =>
      (names.standIns ?? []).reduce(
        (said, { name, of }) => said.replaceAll(name, of),
        text.replaceAll(names.clone.schema, names.source.schema),
      );
    const hint = 'hint' in error && typeof error.hint === 'string' ? { hint: own(error.hint) } : {};
    if (transientClasses.includes(state.slice(0, 2)) && !ofTheChange.includes(state)) {
      throw new FailedError('trial-failed', `the trial on an empty clone failed: ${own(error.message)}`, {
        state: 'nothing was changed',
        hint: 'try again',
        details: { sqlState: state },
        cause: error,
      });
    }
    const denied = state === SqlState.insufficientPrivilege;
    const code = label !== null ? 'rejected-by-server' : denied ? 'privilege' : 'cannot-clone';
    // The clone has no rows, so a detail cannot show any.
    const detail = error.detail === undefined ? '' : ` (${own(error.detail)})`;
    const message = `${what}: ${own(error.message)}${detail}`;
    throw new RefusedError([{ code, message, ...hint }], { details: { sqlState: state }, cause: error });
  }
}
