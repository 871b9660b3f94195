/** The streams of this migration, and what apply has to know of them. */
import { applyPlan, type ApplyFacts, type ApplyPlan } from '../apply/apply-plan.js';
import type { TableShape } from '../model/table-shape.js';
import { toldBack, toldForward } from '../stream/stream.js';
import { waysOf } from '../stream/way.js';
import { expectedTarget, type TableContext, type TableWork } from './context.js';

/** From the source to the shadow. */
export function forwardStream(
  { id, plan, schemas, capture, turn, holding }: TableWork & Pick<TableContext, 'id' | 'turn'>,
  target: TableShape,
): ApplyFacts {
  return {
    id,
    way: waysOf(plan, target).forward,
    from: plan.table,
    to: { schema: schemas.shadow, name: plan.table.name },
    log: capture.log,
    ...(holding === null ? {} : { holding }),
    told: turn.direction === 'back' ? toldBack : toldForward,
  };
}

export async function applyPlanOf(context: TableContext): Promise<ApplyPlan> {
  return applyPlan(forwardStream(context, await expectedTarget(context)));
}
