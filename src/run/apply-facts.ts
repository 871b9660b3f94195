/** What apply has to know of this migration. */
import { changeLog } from '../capture/key-log.js';
import { applyPlan, type ApplyPlan } from '../apply/apply-plan.js';
import { expectedTarget, type RunContext } from './context.js';

export async function applyPlanOf(context: RunContext): Promise<ApplyPlan> {
  const { id, plan, schemas } = context;
  return applyPlan({
    id,
    plan: { ...plan, target: await expectedTarget(context) },
    shadow: { schema: schemas.shadow, name: plan.table.name },
    log: changeLog(id, plan.key),
  });
}
