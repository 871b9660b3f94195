/** `plan --json`: the plan as one object (a contract; docs/cli.md). */
import { isPrepared } from '../model/blocker.js';
import type { Plan } from '../model/plan.js';
import { displayName } from '../sql/quote.js';
import { withoutBrief } from './brief.js';
import { describePlan, foundIn } from './plan/describe-plan.js';
import { settingsObject, type GivenOption } from './plan-settings.js';

/**
 * What the decision rests on and leads to. The catalog's picture of the table and the select that copies it stay inside:
 * they are long, and change from release to release.
 */
export function planObject(plan: Plan, given: readonly GivenOption[] = []): Record<string, unknown> {
  const { table, verdict, reasons } = plan;
  const found = foundIn(plan);
  const { steps, locks, dependents, warnings, rollback, endsTheRun, nativeStatements } = describePlan(plan);
  const key = found?.key ?? null;
  return {
    table: displayName(table),
    verdict,
    reasons,
    columns: found?.columns ?? [],
    steps: withoutBrief(steps),
    locks,
    dependents,
    // A prepared transaction has no process.
    obstacles: plan.obstacles.map((each) => (isPrepared(each) ? { ...each, pid: null } : each)),
    warnings: withoutBrief(warnings),
    estimates: plan.estimates,
    rollback,
    endsTheRun,
    ...(plan.verdict === 'copy' && plan.rehearsal !== undefined ? { rehearsal: plan.rehearsal } : {}),
    nativeStatements,
    key: key === null ? null : { index: key.index, columns: key.columns.map(({ name }) => name) },
    server: plan.server,
    request: plan.request,
    // Not `settings`: those of a plan are the ones that expressions are evaluated under.
    runSettings: settingsObject(given),
  };
}
