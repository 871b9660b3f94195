/** `plan`: what a run would do. */
import type { ConnectionOptions } from '../db/conninfo/connection-options.js';
import { Session } from '../db/session.js';
import { chooseCapture } from '../plan/choose-capture.js';
import { withoutRollbackWindow } from '../plan/inverse/decline.js';
import { makePlan } from '../plan/plan.js';
import { refusedFor, type Plan } from '../model/plan.js';
import type { ChangeRequest } from '../model/change-request.js';
import { settingsFrom } from '../settings/given.js';
import { refusalOfCopy, requestUnder } from '../settings/native.js';
import type { RunSettings } from '../settings/run-settings.js';
import { buildClone } from '../shadow/build-clone.js';
import { rebindStatements } from '../ddl/rebind-sql.js';
import { rehearseObjects } from '../shadow/rehearse-objects.js';
import { rehearsePlan } from '../swap/rehearse-plan.js';
import type { CommonOptions } from '../run/run-options.js';
import { breakOffWhenAsked, connectingSignal, explained } from './server-errors.js';

export interface PlanOptions extends CommonOptions {
  readonly request: ChangeRequest;
  /** Do the whole swap with an empty new table, and take it back. */
  readonly rehearse?: boolean;
  /** Those that a run would be given: they are checked, and the plan says what would come of the change under them. */
  readonly settings?: Partial<RunSettings>;
}

/**
 * What would happen. Changes nothing. That the change is refused is a verdict, not an error.
 *
 * @throws UsageError, RefusedError `no-such-table`, FailedError `cannot-connect`
 */
export async function plan(options: PlanOptions): Promise<Plan> {
  const settings = settingsFrom(options.settings);
  return await explained(options, 'nothing was changed', async () => {
    await using session = await Session.open({
      own: true,
      connection: options.connection,
      applicationName: 'pg-ghost plan',
      ...connectingSignal(options),
    });
    breakOffWhenAsked(options, session);
    const made = await planOn(session, requestUnder(options.request, settings), settings, options.connection);
    const refusal = refusalOfCopy(made, settings);
    const plan = refusal === null ? made : refusedFor(made, [refusal]);
    if (options.rehearse !== true || plan.verdict !== 'copy') return plan;
    return { ...plan, rehearsal: await rehearsePlan(options.connection, plan) };
  });
}

type PlanSettings = Pick<RunSettings, 'maxHoldMs' | 'capture' | 'failoverSlot' | 'withoutRollbackWindow'>;

export async function planOn(
  session: Session,
  request: ChangeRequest,
  { maxHoldMs, capture, failoverSlot, withoutRollbackWindow: declined }: PlanSettings,
  connection: ConnectionOptions,
): Promise<Plan> {
  const plan = await makePlan(session, request, {
    maxHoldMs,
    buildClone,
    rebindClone: rebindStatements,
    rehearse: rehearseObjects,
  });
  return await chooseCapture(
    session,
    declined ? withoutRollbackWindow(plan) : plan,
    { capture, failoverSlot },
    connection,
  );
}
