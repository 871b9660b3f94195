/** `plan`: what a run would do. */
import { Session } from '../db/session.js';
import { makePlan } from '../plan/plan.js';
import type { Plan } from '../model/plan.js';
import type { ChangeRequest } from '../model/change-request.js';
import { buildClone } from '../shadow/build-clone.js';
import { rebindStatements } from '../ddl/rebind-sql.js';
import { rehearseObjects } from '../run/rehearse-objects.js';
import { rehearsePlan } from '../run/rehearse-plan.js';
import { breakOffWhenAsked, connectingSignal, explained } from './server-errors.js';
import type { PlanOptions } from '../run/types.js';

/**
 * What would happen. Changes nothing. That the change is refused is a verdict, not an error.
 *
 * @throws UsageError, RefusedError `no-such-table`, FailedError `cannot-connect`
 */
export async function plan(options: PlanOptions): Promise<Plan> {
  return await explained(options, 'nothing was changed', async () => {
    await using session = await Session.open({
      own: true,
      connection: options.connection,
      applicationName: 'pg-ghost plan',
      ...connectingSignal(options),
    });
    breakOffWhenAsked(options, session);
    const plan = await planOn(session, options.request);
    if (options.rehearse !== true || plan.verdict !== 'copy') return plan;
    return { ...plan, rehearsal: await rehearsePlan(options, plan) };
  });
}

export async function planOn(session: Session, request: ChangeRequest): Promise<Plan> {
  return makePlan(session, request, {
    buildClone,
    rebindClone: rebindStatements,
    rehearse: rehearseObjects,
  });
}
