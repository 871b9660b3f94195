/** What people read of a plan, made from its facts when it is shown. Pure. */
import type { CopyFacts, NativeFacts, Plan } from '../../model/plan.js';
import type { Key } from '../../model/key.js';
import { describeDependents, type PlanDependent } from './dependents.js';
import { copyLocks, nativeLocks, type PlanLock } from './locks.js';
import { carriedParts } from './parts.js';
import { copySteps, nativeSteps, type PlanStep } from './steps.js';
import { describeWarnings, type PlanWarningText } from './warnings.js';
import { copyRollback, endsTheRun, nativeRollback, type RollbackText } from './way-back.js';

/** Texts may change from release to release; codes, names and kinds do not. */
export interface PlanDescription {
  readonly steps: readonly PlanStep[];
  readonly locks: readonly PlanLock[];
  readonly dependents: readonly PlanDependent[];
  readonly warnings: readonly PlanWarningText[];
  /** null of a plan that was refused before it was known what would be done. */
  readonly rollback: RollbackText | null;
  /** What ends the run when somebody does it meanwhile; other DDL is followed. Empty when nothing is copied. */
  readonly endsTheRun: readonly string[];
  /** All statements of a native change, as they run. */
  readonly nativeStatements: readonly string[];
}

/** Of a refused plan: what would have been done, as far as it was found out. */
export function describePlan(plan: Plan): PlanDescription {
  const found = foundIn(plan);
  const parts = found?.how === 'copy' ? carriedParts(found) : [];
  return {
    ...(found?.how === 'copy' ? copyTexts(plan, found) : found === null ? noTexts : nativeTexts(plan, found)),
    dependents: [...parts, ...describeDependents(plan.dependents, found?.how === 'copy')],
    warnings: describeWarnings(plan.warnings),
    nativeStatements: statementsOf(plan, found),
  };
}

/** Whatever is known of the way, whether the plan goes it or not. */
export function foundIn(plan: Plan): NativeFacts | (CopyFacts & { readonly key: Key | null }) | null {
  return plan.verdict === 'refused' ? plan.found : plan;
}

type OfTheWay = Pick<PlanDescription, 'steps' | 'locks' | 'rollback' | 'endsTheRun'>;

const noTexts: OfTheWay = { steps: [], locks: [], rollback: null, endsTheRun: [] };

function copyTexts(
  { table, estimates }: Plan,
  { key, ...found }: CopyFacts & { readonly key: Key | null },
): OfTheWay {
  if (key === null) return noTexts;
  return {
    steps: copySteps(table, { ...found, key }),
    locks: copyLocks(table, { ...found, holdMs: estimates?.holdMs ?? null }),
    rollback: copyRollback(found.back),
    endsTheRun: endsTheRun(key, found.capture),
  };
}

function nativeTexts({ table, statements }: Plan, found: NativeFacts): OfTheWay {
  return {
    steps: nativeSteps(statements, found),
    locks: nativeLocks(table, found),
    rollback: nativeRollback(table),
    endsTheRun: [],
  };
}

function statementsOf({ statements }: Plan, found: NativeFacts | CopyFacts | null): readonly string[] {
  if (found?.how !== 'native' || found.around === null) return statements;
  return [...found.around.takeOff, ...statements, ...found.around.putBack];
}
