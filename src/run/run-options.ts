/** What every function of the library takes, and what a run takes. */
import type { ConnectionOptions } from '../db/conninfo/connection-options.js';
import type { ChangeRequest } from '../model/change-request.js';
import type { RunSettings } from '../settings/run-settings.js';
import type { EventListener } from '../model/event.js';
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
