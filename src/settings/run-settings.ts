/** The settings of a run, as the library takes them. What each may be and is by default: table.ts. */
import type { ConnectionOptions } from '../db/conninfo/connection-options.js';
import type { Limits } from '../throttle/limits.js';
import type { CutoverWindow } from './cutover-window.js';

export interface RunSettings {
  /** Connections that copy at the same time, and that build indexes at the same time. */
  readonly workers: number;
  /** Target duration of one chunk. */
  readonly chunkTimeMs: number;
  /** Longest wait for one lock in one try; the first tries are far shorter. */
  readonly lockTimeoutMs: number;
  /** Budget of the drain and swap transaction, from the lock to the commit. */
  readonly maxHoldMs: number;
  /** How long to go on trying for the swap. */
  readonly cutoverDeadlineMs: number;
  /** `auto`: metadata-only changes run as ALTER TABLE. `never`: always copy. `only`: refuse to copy. */
  readonly native: 'auto' | 'never' | 'only';
  /** How the keys of rows that are written come into the log. `auto`: from the WAL where the server allows it. */
  readonly capture: 'triggers' | 'logical' | 'auto';
  /** A slot for it that standbys take over; from 17 on. */
  readonly failoverSlot: boolean;
  /** How long to try to connect again after the connection was lost; 0: not at all. */
  readonly retryForMs: number;
  /** `sample`: a twentieth of the rows. `off`: the swap goes by the catalog alone. */
  readonly verify: 'full' | 'sample' | 'off';
  /** What to do about a transaction whose snapshot is older than the new table's rows: it would see rows missing. */
  readonly oldSnapshot: 'wait' | 'warn' | 'abort';
  /** What copy and verification may cost; apply is never held up. */
  readonly limits: Limits;
  /** Replicas that are asked themselves; those that stream from the server are seen without. */
  readonly replicas: readonly ConnectionOptions[];
  /** Keep the shadow in sync and do not swap until `cutover` is given. */
  readonly postponeCutover: boolean;
  /** When the swap may be tried; null: at any time. */
  readonly cutoverWindow: CutoverWindow | null;
  /** While the swap is postponed the tables are compared again so often. */
  readonly reverifyEveryMs: number;
  /** No try for a lock while a transaction older than this holds one that is in the way. */
  readonly oldTransactionMs: number;
  /** Blocked backends x milliseconds that one try may cost the application by waiting. */
  readonly harmPerTryMs: number;
  /** The same for all tries for one lock. */
  readonly harmPerRunMs: number;
  /** End who is in the way for longer than this; null: nobody is ever ended. */
  readonly killBlockersAfterMs: number | null;
  /** Nothing is kept for a rollback with later writes: the old table waits as it was at the swap. */
  readonly withoutRollbackWindow: boolean;
  /** Do everything of the swap and take it back. */
  readonly rehearse: boolean;
}
