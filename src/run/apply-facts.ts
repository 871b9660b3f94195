/** The streams of this migration, and what apply has to know of them. */
import { applyPlan, type ApplyFacts, type ApplyPlan } from '../apply/apply-plan.js';
import type { TableShape } from '../model/table-shape.js';
import { waysOf } from '../stream/way.js';
import { expectedTarget, type TableContext } from './context.js';

/** From the source to the shadow. */
export function forwardStream({ id, plan, schemas, capture }: TableContext, target: TableShape): ApplyFacts {
  return {
    id,
    way: waysOf(plan, target).forward,
    from: plan.table,
    to: { schema: schemas.shadow, name: plan.table.name },
    log: capture.log,
  };
}

export async function applyPlanOf(context: TableContext): Promise<ApplyPlan> {
  return applyPlan(forwardStream(context, await expectedTarget(context)));
}
