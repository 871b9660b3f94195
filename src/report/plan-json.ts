/** `plan --json`: the plan as one object (a contract; docs/cli.md). */
import type { Plan } from '../model/plan.js';
import { displayName } from '../sql/quote.js';
import { withoutBrief } from './brief.js';
import { settingsObject, type GivenOption } from './plan-settings.js';

/**
 * What the decision rests on and leads to. The catalog's picture of the table and the select that copies it stay inside:
 * they are long, and change from release to release.
 */
export function planObject(plan: Plan, given: readonly GivenOption[] = []): Record<string, unknown> {
  const { table, verdict, reasons, columns, locks, dependents, estimates } = plan;
  return {
    table: displayName(table),
    verdict,
    reasons,
    columns,
    steps: withoutBrief(plan.steps),
    locks,
    dependents,
    obstacles: plan.obstacles,
    warnings: withoutBrief(plan.warnings),
    estimates,
    rollback: plan.rollback,
    endsTheRun: plan.endsTheRun,
    ...(plan.rehearsal === undefined ? {} : { rehearsal: plan.rehearsal }),
    nativeStatements: plan.nativeStatements,
    key:
      plan.key === null ? null : { index: plan.key.index, columns: plan.key.columns.map(({ name }) => name) },
    server: plan.server,
    request: plan.request,
    // Not `settings`: those of a plan are the ones that expressions are evaluated under.
    runSettings: settingsObject(given),
  };
}
