/**
 * What `plan` decides, as data: facts only. Plain JSON: it is kept in the state, and handed to every phase. What people read of it
 * (steps, locks, what becomes of each object, warnings, how to go back) is made from it when it is shown (report/plan/), and is
 * never stored, compared or parsed.
 */
import type { Refusal } from '../errors.js';
import type { Blocker } from './blocker.js';
import type { CaptureMode } from './capture-mode.js';
import type { ChangeRequest } from './change-request.js';
import type { ColumnMapping, SerialFate } from './column-mapping.js';
import type { Definitions, TakenOff, TargetDefinitions } from './definitions.js';
import type { PlannedDependent } from './dependent.js';
import type { Estimates, Rehearsal } from './estimates.js';
import type { Key } from './key.js';
import type { CheckedForeignKey, LateCheck } from './late-check.js';
import type { LockMode } from './lock-mode.js';
import type { LockTarget } from './lock-set.js';
import type { QualifiedName } from './name.js';
import type { PlanWarning } from './plan-warning.js';
import type { ProjectedColumn, Projection } from './projection.js';
import type { TableShape } from './table-shape.js';
import type { KeptColumn, WayBack } from './way-back.js';

/** Settings under which expressions and casts are evaluated, in every session of the migration (invariant 13). */
export type PinnedSettings = Readonly<Record<string, string>>;

/** Which way a change goes: `refused` none, `native` by PostgreSQL on the table itself, `copy` by a new table that is swapped in. */
export type Plan = RefusedPlan | NativePlan | CopyPlan;

export type Verdict = Plan['verdict'];

/** What there is to say of every change. */
interface AnyPlan {
  readonly table: QualifiedName;
  readonly request: ChangeRequest;
  /** Why this verdict: for `copy` what would rewrite or scan, for `refused` every reason. */
  readonly reasons: readonly Refusal[];
  /** The change's own statements, qualified; none where they were not even looked at. */
  readonly statements: readonly string[];
  readonly dependents: readonly PlannedDependent[];
  /** Sessions that could stand in the way of a lock now; in a plan that was stored: none. */
  readonly obstacles: readonly Blocker[];
  readonly warnings: readonly PlanWarning[];
  readonly settings: PinnedSettings;
  readonly server: { readonly version: number; readonly inRecovery: boolean };
}

export interface RefusedPlan extends AnyPlan {
  readonly verdict: 'refused';
  /** null where nobody looked. */
  readonly source: TableShape | null;
  readonly estimates: Estimates | null;
  /** What would have been done; null where it was not found out. */
  readonly found: NativeFacts | (CopyFacts & { readonly key: Key | null }) | null;
}

/** The lock that one of the user's statements takes on the table, and the actions of it, as the user wrote them. */
export interface StatementLock {
  readonly mode: LockMode;
  readonly actions: readonly string[];
}

export interface NativeFacts {
  readonly how: 'native';
  readonly source: TableShape;
  readonly columns: readonly ColumnMapping[];
  /** The key by which a copy would find the rows. */
  readonly key: Key | null;
  /** One for each statement. */
  readonly statementLocks: readonly StatementLock[];
  /** What is taken off before the statements and put back after them; null where that is not needed. */
  readonly around: (TakenOff & Around) | null;
  /** Every relation that is locked besides, and the table, in the order in which they are; empty where it is the table alone. */
  readonly lockSet: readonly LockTarget[];
}

/** The statements that do it. */
interface Around {
  readonly takeOff: readonly string[];
  readonly putBack: readonly string[];
}

export interface NativePlan extends AnyPlan, NativeFacts {
  readonly verdict: 'native';
  readonly estimates: Estimates;
}

/** What a copy needs to know of one table, but for the way in which its rows are found. */
export interface CopyFacts {
  readonly how: 'copy';
  readonly source: TableShape;
  /** The shape after the change, as read from the changed clone; names carry the clone's schema. */
  readonly target: TableShape;
  readonly columns: readonly ColumnMapping[];
  readonly projection: Projection;
  /** What hangs on the table: as it is, and as the swap makes it. */
  readonly definitions: { readonly source: Definitions; readonly target: TargetDefinitions };
  /** The same object before and after the swap; one of a dropped column goes with the old table. */
  readonly serials: readonly SerialFate[];
  /** CHECKs that come in the swap, and are validated after it. */
  readonly lateChecks: readonly LateCheck[];
  /** Looked at before the swap, as ALTER TABLE looks at them. */
  readonly checkedForeignKeys: readonly CheckedForeignKey[];
  readonly capture: CaptureMode;
  /** Columns that only the new table has, and that keep their values in rows that it has already; only of a later turn. */
  readonly kept?: readonly KeptColumn[];
  /** See `Inverse`; only of a later turn. */
  readonly canonical?: readonly ProjectedColumn[];
  /** null: none was planned, by a former release. */
  readonly back: WayBack | null;
  /** Every relation that the swap locks, in the order in which it does. */
  readonly lockSet: readonly LockTarget[];
}

/** What a run needs to know of one table that is copied. */
export interface TablePlan extends CopyFacts {
  readonly table: QualifiedName;
  readonly key: Key;
  readonly dependents: readonly PlannedDependent[];
  readonly estimates: Estimates;
  readonly settings: PinnedSettings;
}

export interface CopyPlan extends AnyPlan, TablePlan {
  readonly verdict: 'copy';
  /** Only when it was asked for. */
  readonly rehearsal?: Rehearsal;
}

/** A plan that something else than the change itself refuses. */
export function refusedFor(plan: Plan, reasons: readonly Refusal[]): RefusedPlan {
  const { table, request, statements, dependents, obstacles, warnings, settings, server, source } = plan;
  return {
    verdict: 'refused',
    reasons,
    table,
    request,
    statements,
    dependents,
    obstacles,
    warnings,
    settings,
    server,
    source,
    estimates: plan.estimates,
    found: plan.verdict === 'refused' ? plan.found : plan,
  };
}
