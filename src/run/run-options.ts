/** What the library's functions take and give. */
import type { ConnectionOptions } from '../db/connection.js';
import type { LedgerEntry } from '../locks/ledger.js';
import type { Plan } from '../model/plan.js';
import type { ChangeRequest } from '../model/change-request.js';
import type { ProgressState } from '../model/progress.js';
import type { RunSettings } from '../settings/run-settings.js';
import type { EventListener } from '../model/event.js';
import type { Phase } from '../model/phase.js';
import type { AtPoint } from './points.js';

export interface CommonOptions {
  readonly connection: ConnectionOptions;
  /** First abort: finish the current chunk, keep the state, throw `InterruptedError`. */
  readonly signal?: AbortSignal;
  /** Second, harder stop: cancels the statements that run now. */
  readonly cancelSignal?: AbortSignal;
  readonly onEvent?: EventListener;
  /** For tests: told, and awaited, between two durable steps. */
  readonly onPoint?: AtPoint;
}

export interface PlanOptions extends CommonOptions {
  readonly request: ChangeRequest;
  /** Do the whole swap with an empty new table, and take it back. */
  readonly rehearse?: boolean;
  /** Those that a run would be given: they are checked, and the plan says what would come of the change under them. */
  readonly settings?: Partial<RunSettings>;
}

export interface MigrateOptions extends CommonOptions {
  /** With `resume` it may be left out; when it is there it must be the migration's own. */
  readonly request?: ChangeRequest;
  /** The id of a migration to go on with. */
  readonly resume?: number;
  readonly settings?: Partial<RunSettings>;
  /** Asked before the swap is tried: not ok postpones it. */
  readonly beforeCutover?: (migration: {
    readonly id: number;
    readonly table: string;
  }) => Promise<{ readonly ok: boolean; readonly said: string }>;
}

export interface VerifyOptions extends CommonOptions {
  readonly settings?: Partial<Pick<RunSettings, 'workers' | 'chunkTimeMs'>> & {
    readonly mode?: 'full' | 'sample';
  };
}

export interface VerifyReport {
  readonly id: number;
  readonly table: string;
  /** The source before the swap, the old table after it. */
  readonly comparedWith: string;
  readonly mode: 'full' | 'sample';
  readonly rows: number;
  readonly differences: number;
  readonly leftOut: readonly { readonly column: string; readonly why: string }[];
  readonly seconds: number;
}

export interface MigrationResult {
  /** null for a native change: there is nothing to finalize or to abort. */
  readonly id: number | null;
  readonly table: string;
  /** Where the old table is kept; null when the change was native. */
  readonly old: string | null;
  readonly native: boolean;
  readonly rows: number;
  readonly seconds: number;
  readonly holdMs: number;
  readonly plan: Plan;
}

export interface MigrationStatus {
  readonly id: number;
  readonly phase: Phase;
  /** As it was called when the migration began. */
  readonly table: string;
  /** As it is called now, when that is something else; null otherwise, and when it is gone. */
  readonly renamedTo: string | null;
  /**
   * `here`: the migration was begun in this database. `copied`, `restored`: in one that this was made from, as a whole or from
   * a dump; it can only be aborted or finalized here.
   */
  readonly origin: 'here' | 'copied' | 'restored';
  /** null once it is swapped in or gone. */
  readonly shadow: string | null;
  /** null before the swap and after finalize. */
  readonly old: string | null;
  readonly capture: 'triggers';
  /** Of the copy, 0-100. */
  readonly percent: number;
  readonly rowsCopied: number;
  /** Log entries not yet applied; an estimate. */
  readonly backlog: number;
  /** Backend that runs it now; null when nobody does. */
  readonly runnerPid: number | null;
  readonly paused: boolean;
  readonly throttledBy: string | null;
  /** What `set` can change, by its names, as it is in the run now; null when nobody runs it. Of a limit null is off. */
  readonly settings: Readonly<Record<string, number | string | boolean | null>> | null;
  /** The error that stopped the last run. */
  readonly error: { readonly code: string; readonly message: string; readonly hint: string | null } | null;
  /** The last comparison of the tables that came to its end. */
  readonly verification: {
    readonly mode: 'full' | 'sample' | 'off';
    readonly rows: number;
    readonly differences: number;
    readonly at: string;
  } | null;
  readonly request: ChangeRequest;
  readonly createdAt: string;
  readonly updatedAt: string;
  /** What its run does, and how long ago it said so; null when no run has said anything yet. */
  readonly progress: { readonly ageSeconds: number; readonly state: ProgressState } | null;
  /** Every lock on a user's table, and what it cost. */
  readonly locks: readonly (LedgerEntry & { readonly at: string })[];
  /** The next command for whoever looks at this. */
  readonly next: string;
}
