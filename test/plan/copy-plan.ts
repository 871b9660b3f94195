import type { CopyPlan, NativePlan, Plan } from '../../src/model/plan.js';

/** Plans that tests know the verdict of. */
export function copyPlan(plan: Plan): CopyPlan {
  if (plan.verdict !== 'copy')
    throw new Error(`the verdict is ${plan.verdict}: ${JSON.stringify(plan.reasons)}`);
  return plan;
}

export function nativePlan(plan: Plan): NativePlan {
  if (plan.verdict !== 'native')
    throw new Error(`the verdict is ${plan.verdict}: ${JSON.stringify(plan.reasons)}`);
  return plan;
}
