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
export { plan } from './migration/plan.js';
export { migrate } from './migration/migrate.js';
export { status } from './migration/status.js';
export { cutover, pause, set, unpause } from './migration/steer.js';
export { cutoverWindow, type CutoverWindow } from './migration/cutover-window.js';
export type { Answer } from './state/commands.js';
export type { Limits } from './throttle/limits.js';
export type { LedgerEntry } from './locks/ledger.js';
export { verify } from './migration/verify.js';
export { abort } from './migration/abort.js';
export { finalize } from './migration/finalize.js';
export { defaultRunSettings } from './migration/types.js';
export type {
  CommonOptions,
  MigrateOptions,
  MigrationResult,
  MigrationStatus,
  PlanOptions,
  RunSettings,
  VerifyOptions,
  VerifyReport,
} from './migration/types.js';
export { migrationPoints, type AtPoint, type Point } from './migration/points.js';
export type { ConnectionOptions } from './db/connection.js';
export type * from './plan/types.js';
export type {
  Column,
  Constraint,
  Dependent,
  Grant,
  Index,
  IndexKey,
  OwnedSequence,
  TableShape,
} from './catalog/types.js';
export type { Blocker, EventListener, EventMap, EventName, MigrationEvent, Phase } from './report/events.js';
export type { QualifiedName } from './sql/quote.js';
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
