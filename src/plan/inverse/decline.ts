/** A plan without a rollback window: nothing of what there is to say about the way back matters then. Pure. */
import type { Plan } from '../../model/plan.js';
import type { PlanWarningCode } from '../../model/plan-warning.js';

const ofTheWayBack: ReadonlySet<PlanWarningCode> = new Set([
  'old-shape-narrower',
  'lost-there-and-back',
  'ids-remaining',
]);

export function withoutRollbackWindow(plan: Plan): Plan {
  if (plan.verdict !== 'copy' || plan.back === null) return plan;
  return {
    ...plan,
    back: { ...plan.back, verdict: 'declined', way: null },
    warnings: plan.warnings.filter(({ code }) => !ofTheWayBack.has(code)),
  };
}
