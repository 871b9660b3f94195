/**
 * The events of a migration: what the library tells, as data. Reporters (terminal, JSON lines, logs) subscribe;
 * the work never depends on them, and a listener that throws cannot break it.
 *
 * On the command line's `--json` each is one line, with `id` (the migration) and `at` (ISO time) added.
 */
import type { Text } from '../advice.js';
import type { Direction } from './direction.js';
import type { Phase } from './phase.js';
import type { Blocker } from './blocker.js';
import type { Plan } from './plan.js';

/** A try for a lock that did not succeed, or was not even made. */
export interface MissedTry {
  readonly attempt: number;
  readonly waitedMs: number;
  /**
   * `altered`: somebody altered the source right before. `lock`: somebody held it. `hold`: the work under it took longer than its budget and was rolled back. `harm`: too many
   * waited behind us. The others are no tries: it was only looked, and would have been in vain.
   */
  readonly why:
    | 'lock'
    | 'hold'
    | 'deadlock'
    | 'harm'
    | 'altered'
    | 'old-transaction'
    | 'wraparound'
    | 'not-ready';
  /** For people, where there is more to say. */
  readonly reason: string | null;
  /** False: nobody waited. */
  readonly tried: boolean;
  readonly blockers: readonly Blocker[];
  readonly nextTryMs: number;
}

interface Swapped {
  readonly attempts: number;
  readonly holdMs: number;
  /** Of that, until what had been written before was in the log: by triggers it is there. */
  readonly captureMs: number;
  readonly drainedKeys: number;
}

export interface EventMap {
  /** The plan as decided; before anything is changed. */
  'plan:ready': { readonly plan: Plan };
  /** First event of a run that creates or continues a migration. */
  'migration:started': {
    readonly table: string;
    readonly shadow: string;
    /** False when this run goes on where an earlier one stopped. */
    readonly fresh: boolean;
    readonly phase: Phase;
  };
  /** The connection was lost, or a conflict with others was not to be got over: the run connects again and goes on. */
  'run:retrying': { readonly message: string; readonly forSeconds: number };
  /** It is connected again. `phase`: where the migration stands by the state. */
  'run:resumed': { readonly attempts: number; readonly seconds: number; readonly phase: Phase };
  'phase:started': { readonly phase: Phase };
  'phase:done': { readonly phase: Phase; readonly seconds: number };
  /** The source's file changed under us (TRUNCATE, VACUUM FULL, CLUSTER), or a replication slot was lost: the copy starts again. */
  'copy:restarted': { readonly why: string };
  /** Somebody altered the source, and the shadow has followed: what was found to be different. */
  'source:followed': { readonly changes: readonly string[]; readonly seconds: number };
  'copy:progress': {
    readonly blocksDone: number;
    readonly blocksTotal: number;
    readonly rowsCopied: number;
    readonly bytesDone: number;
    /** Over the last few seconds; null until known. */
    readonly rowsPerSecond: number | null;
    readonly bytesPerSecond: number | null;
    /** null: no honest estimate yet. */
    readonly etaSeconds: number | null;
    readonly workers: number;
    readonly chunkBlocks: number;
    readonly chunkMs: number;
  };
  'purge:done': { readonly rows: number };
  'index:started': { readonly index: string };
  'index:progress': { readonly done: number; readonly total: number; readonly running: readonly string[] };
  'index:done': { readonly index: string; readonly seconds: number };
  'apply:progress': {
    /** Log entries not applied yet; an estimate. */
    readonly backlog: number;
    readonly keysApplied: number;
    readonly keysPerSecond: number | null;
    readonly batchMs: number;
  };
  'verify:progress': {
    /** Rows of the source that were compared. */
    readonly rowsDone: number;
    /** An estimate; null when nobody knows. */
    readonly rowsTotal: number | null;
    readonly rowsPerSecond: number | null;
    readonly etaSeconds: number | null;
    readonly workers: number;
    /** How long the last piece took. */
    readonly pieceMs: number;
    readonly differences: number;
  };
  'verify:done': {
    readonly mode: 'full' | 'sample';
    readonly rows: number;
    readonly differences: number;
    /** Columns that cannot be compared: their values are others each time. */
    readonly leftOut: readonly { readonly column: string; readonly why: string }[];
    readonly seconds: number;
  };
  /** How hard copy and verification may work now; told when that changes. */
  throttle: {
    readonly kind: 'go' | 'pause' | 'stop';
    readonly reasons: readonly { readonly signal: string; readonly text: string }[];
  };
  /** Where the run reads a replication slot: how much WAL the server keeps for it. Told every five seconds. */
  'slot:progress': {
    readonly slot: string;
    readonly walStatus: 'reserved' | 'extended' | 'unreserved' | 'lost' | null;
    /** null: it is lost. */
    readonly retainedBytes: number | null;
    /** Of these, what is not read yet. */
    readonly unreadBytes: number | null;
    /** What may still be written before the server may give it up; null where it never does. */
    readonly safeBytes: number | null;
  };
  /** Somebody asked the run for something from elsewhere, and this is what it answered. */
  'run:asked': {
    readonly name: 'pause' | 'unpause' | 'set' | 'cutover' | 'rehearse';
    readonly ok: boolean;
    readonly said: Text;
  };
  /** The swap is not tried now. */
  'cutover:postponed': { readonly why: Text };
  /** The whole swap was done and taken back. */
  'cutover:rehearsed': Swapped;
  /** A lock on a user's table, taken or missed, and what it cost the application. */
  'lock:taken': {
    /** For people: what the lock was for. */
    readonly what: string;
    /** Counts from 1 within one request. */
    readonly attempt: number;
    readonly table: string;
    readonly mode: string;
    readonly waitedMs: number;
    /** Up to the end of the transaction; 0 when it was missed. */
    readonly heldMs: number;
    /** Most backends that waited behind us at one moment, as far as looks some 10 ms apart saw them. */
    readonly blocked: number;
    /** The time they waited, summed up: blocked backends x milliseconds. */
    readonly blockedMs: number;
    readonly outcome: 'committed' | 'rolled back' | 'missed';
  };
  /** Somebody was in the way for longer than --kill-blockers allows. */
  'lock:blocker': {
    readonly pid: number;
    readonly how: 'cancelled' | 'terminated' | 'spared';
    readonly why: string;
  };
  'cutover:try': { readonly attempt: number; readonly lockTimeoutMs: number };
  'cutover:missed': MissedTry;
  'cutover:done': Swapped;
  /** The change was made by ALTER on the table itself. */
  'native:done': { readonly holdMs: number };
  /** The same for any other lock; `what` it is for. The end of old snapshots is waited for before the swap's lock is tried. */
  'lock:missed': Omit<MissedTry, 'why'> & {
    readonly what: string;
    readonly why: MissedTry['why'] | 'old-snapshot';
  };
  /** Something the user should know now; the work goes on. */
  warning: { readonly code: string; readonly message: string; readonly hint?: Text };
  /** What was written since the last swap is in the table that is kept, too; `keys` of them were brought. */
  'sync:done': { readonly table: string; readonly keys: number; readonly seconds: number };
  /** The tables were exchanged once more: `back` to the one from before the change, or `forward` to the new one again. */
  'turn:done': {
    readonly table: string;
    readonly direction: Direction;
    /** Where the other table is kept. */
    readonly kept: string;
    readonly seconds: number;
    readonly holdMs: number;
  };
  'migration:done': {
    readonly table: string;
    /** Where the old table is kept; null when the change was native. */
    readonly old: string | null;
    readonly native: boolean;
    readonly rows: number;
    readonly seconds: number;
    readonly holdMs: number;
  };
}

export type EventName = keyof EventMap;

/** One event as reporters get it. */
export type MigrationEvent = {
  [Name in EventName]: {
    readonly event: Name;
    /** Migration id; null before there is one, and for a native change. */
    readonly id: number | null;
    readonly at: Date;
  } & EventMap[Name];
}[EventName];

export type EventListener = (event: MigrationEvent) => void;
/** What the phases are handed: tell, and go on. */
export type Emit = <Name extends EventName>(event: Name, payload: EventMap[Name]) => void;
