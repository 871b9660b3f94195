/** What the state keeps as JSON, beside plans and requests; how it is read back is in `parse/`. */
import type { Text } from '../advice.js';
import type { Definitions } from '../model/definitions.js';
import type { PlannedDependent } from '../model/dependent.js';
import type { TableShape } from '../model/table-shape.js';
import type { EventMap } from '../model/event.js';
import type { LockMode } from '../model/lock-mode.js';
import type { ProgressState } from '../model/progress.js';

export interface StoredError {
  readonly code: string;
  readonly message: string;
  readonly hint: Text | null;
}

/** The last verification that came to its end. */
export interface StoredVerification {
  readonly mode: 'full' | 'sample' | 'off';
  readonly rows: number;
  readonly differences: number;
  readonly at: string;
}

/** As the locks tell it (`LedgerEntry`). */
export interface LockEntry extends Readonly<EventMap['lock:taken']> {
  readonly oid: number;
  readonly mode: LockMode;
}

export interface RunWord {
  readonly state: ProgressState;
  /** What `set` can change, by its names; null where an early version's run did not say it. */
  readonly settings: Readonly<Record<string, number | string | boolean | null>> | null;
}

export type CommandName = 'pause' | 'unpause' | 'set' | 'cutover' | 'rehearse';

export interface Command {
  readonly id: number;
  readonly name: CommandName;
  /** null: what is stored is none; nobody of ours has sent it. */
  readonly arguments: Readonly<Record<string, unknown>> | null;
}

export interface Answer {
  readonly ok: boolean;
  /** What the run did, in one sentence. */
  readonly said: Text;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** The table that is in use, as the swap has made it: what differs later was done by somebody else. */
export interface InUse {
  readonly shape: TableShape;
  readonly definitions: Definitions;
  readonly dependents: readonly PlannedDependent[];
}

export interface WindowTables {
  readonly inUse: InUse;
  /** The other one, as it waits. */
  readonly kept: TableShape;
  /** Of the columns that the table from before holds fewer ids of. */
  readonly drawn: readonly DrawnId[];
}

/** How far the ids of a column of the new table were, right behind the swap. */
export interface DrawnId {
  readonly column: string;
  /** As text: bigint. */
  readonly last: string;
}
