/** What `native` makes of a change: before it is planned, and of the plan. One for `plan` and `run`. Pure. */
import type { Refusal } from '../errors.js';
import type { Plan } from '../model/plan.js';
import type { ChangeRequest } from '../model/change-request.js';
import type { RunSettings } from './run-settings.js';

/** `never` is a rebuild of whatever is asked for. */
export function requestUnder(request: ChangeRequest, { native }: Pick<RunSettings, 'native'>): ChangeRequest {
  return native === 'never' ? { ...request, rewrite: true } : request;
}

/** null where `only` has nothing against the plan. */
export function refusalOfCopy(plan: Plan, { native }: Pick<RunSettings, 'native'>): Refusal | null {
  if (plan.verdict !== 'copy' || native !== 'only') return null;
  return {
    code: 'needs-copy',
    message: `the change needs a new table: ${plan.reasons.map((reason) => reason.message).join('; ')}`,
    hint: 'leave out --native only to copy it online',
  };
}
