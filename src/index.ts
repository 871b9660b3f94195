/**
 * pg-ghost as a library: everything that the command line does.
 *
 * @example
 * import { migrate } from 'pg-ghost';
 *
 * const result = await migrate({
 *   connection: { url: process.env.DATABASE_URL },
 *   request: { table: 'public.orders', alter: ['ALTER COLUMN id TYPE bigint'], statements: [], set: [], rewrite: false },
 *   onEvent: (event) => console.log(event.event),
 * });
 */
export { plan, type PlanOptions } from './api/plan.js';
export { migrate, type MigrationResult } from './api/migrate.js';
export { status, type IdsLeft, type MigrationStatus } from './api/status.js';
export type { SlotStatus } from './api/slot-status.js';
export { leftovers, type Leftover } from './api/leftovers.js';
export { cutover, pause, set, unpause } from './api/steer.js';
export { cutoverWindow, type CutoverWindow } from './settings/cutover-window.js';
export type { Answer } from './state/stored-json.js';
export type { Limits } from './throttle/limits.js';
export type { LedgerEntry } from './locks/ledger.js';
export { verify, type VerifyOptions, type VerifyReport } from './api/verify.js';
export { abort } from './api/abort.js';
export {
  rollback,
  rollforward,
  sync,
  type SyncResult,
  type TurnOptions,
  type TurnResult,
} from './api/turn.js';
export { finalize, type DroppedTable, type FinalizeOptions, type FinalizeResult } from './api/finalize.js';
export { defaultRunSettings } from './settings/table.js';
export type { RunSettings } from './settings/run-settings.js';
export type { CommonOptions, MigrateOptions } from './run/run-options.js';
export { migrationPoints, type AtPoint, type Point } from './run/points.js';
export type { ConnectionOptions } from './db/conninfo/connection-options.js';
export type { ChangeRequest } from './model/change-request.js';
export type { Key, KeyColumn } from './model/key.js';
export type { ProjectedColumn, Projection } from './model/projection.js';
export type * from './model/plan.js';
export type { CheckedForeignKey, LateCheck } from './model/late-check.js';
export type { ColumnMapping, SerialFate } from './model/column-mapping.js';
export type * from './model/dependent.js';
export type { Estimates, Rehearsal } from './model/estimates.js';
export type { LockMode } from './model/lock-mode.js';
export type { LockReason, LockRole, LockTarget } from './model/lock-set.js';
export type { PlanWarning, PlanWarningCode, PlanWarningFacts } from './model/plan-warning.js';
export { describePlan, type PlanDescription } from './report/plan/describe-plan.js';
export type {
  Column,
  Constraint,
  Grant,
  Index,
  IndexKey,
  OwnedSequence,
  TableShape,
} from './model/table-shape.js';
export type { EventListener, EventMap, EventName, MigrationEvent } from './model/event.js';
export type { Blocker } from './model/blocker.js';
export type { Phase } from './model/phase.js';
export type { QualifiedName } from './model/name.js';
export { inWords, type Action, type ActionName, type Text } from './advice.js';
export {
  CutoverNotObtainedError,
  DifferentError,
  ExitCode,
  FailedError,
  InterruptedError,
  OutcomeUnknownError,
  PgGhostError,
  RefusedError,
  UsageError,
  type Refusal,
} from './errors.js';
