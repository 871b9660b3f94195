/**
 * Capture: every write to a table that commits leaves its key in a log (invariant 2). How the keys get there is the
 * implementation's; everybody else knows only this. One for each table, and for each direction, of a migration.
 */
import type { OwnOnTable } from '../catalog/fingerprint.js';
import type { ConnectionOptions } from '../db/conninfo/connection-options.js';
import type { Session } from '../db/session.js';
import type { Blocker } from '../model/blocker.js';
import type { CaptureMode, CaptureNature } from '../model/capture-mode.js';
import type { Direction } from '../model/direction.js';
import type { Key } from '../model/key.js';
import type { KeyLog } from '../model/key-log.js';
import type { QualifiedName } from '../model/name.js';
import type { MigrationIdentity } from '../sql/marks.js';
import type { ActiveSegment, LogKeeper } from './log-keeper.js';

export interface CaptureFacts extends MigrationIdentity {
  /** Of the names of all that is ours (key-log.ts): the migration's id, and more where it captures several tables. */
  readonly suffix: string;
  readonly direction: Direction;
  /** What is written to, under its present name. */
  readonly table: QualifiedName;
  readonly key: Key;
  readonly active: ActiveSegment;
  /** For a log that nobody reads for long: it has each key about once, however often that is written. */
  readonly collects?: boolean;
}

/** Why somebody wants to know that the log is complete; the moment itself is when he asks. */
type Moment = 'copy' | 'purge' | 'apply' | 'verify' | 'swap';

export interface OpenWork {
  /** In no transaction. */
  readonly session: Session;
  /** Runs them in a transaction that has the lock which `nature` names. */
  readonly locked: (statements: readonly string[]) => Promise<void>;
  readonly watcher: Session;
  /** A slot that standbys keep a copy of. */
  readonly failover: boolean;
  /** How long to wait for what is in the way. */
  readonly patienceMs: number;
  readonly onWaiting: (blockers: readonly Blocker[], waitedMs: number) => void;
  readonly signal: AbortSignal;
}

/** Work on the database that may have to wait for others, and locks no table of the user's. */
export type UnlockedWork = Omit<OpenWork, 'locked'>;

export interface FollowedRun {
  readonly connection: ConnectionOptions;
  readonly open: (purpose: string, settings?: Readonly<Record<string, string>>) => Promise<Session>;
  /** As it was planned for. */
  readonly table: {
    readonly oid: number;
    readonly columns: readonly { readonly attnum: number; readonly name: string }[];
  };
}

export interface Following extends AsyncDisposable {
  /** Aborts when it has come to its end; its reason says why. */
  readonly ended: AbortSignal;
}

/** Entries are missing: what they were to be learnt from is gone. */
export class CaptureLost extends Error {}

/**
 * For a capture whose entries can get lost beside the log: how that is known, and how it goes on. What was missed is found by a
 * comparison of all rows, which has to begin after `renew`; until it is through, the need for it is on record (`hasGap`).
 */
export interface Renewal {
  /** For people: what is lost. */
  readonly what: string;
  /** Writes are not kept any more, or not all of them were. */
  isLost(session: Session): Promise<boolean>;
  /** Puts on record that entries are missing, and nobody knows which: before anything is done about it. */
  recordGap(session: Session): Promise<void>;
  hasGap(session: Session): Promise<boolean>;
  /**
   * Every write that commits after it comes to the log. May be done again.
   *
   * @param removed what was lost has no remains any more
   * @throws FailedError `slot-not-created`
   */
  renew(work: UnlockedWork, removed: () => Promise<void>): Promise<void>;
  /** All that was missed has an entry by now. */
  recordWhole(session: Session): Promise<void>;
}

export interface Capture {
  readonly mode: CaptureMode;
  readonly nature: CaptureNature;
  readonly log: KeyLog;
  /** Keeps that small. */
  readonly keeper: LogKeeper;
  /** All of the log's tables. */
  readonly tables: readonly QualifiedName[];
  /** What it puts on the table: for whoever looks at the table and is to leave it out. */
  readonly own: OwnOnTable;
  /** Replication slots that it reads, by their names. */
  readonly slots: readonly string[];

  /** What has to be there before everything else, and may have to be waited for; undone by the marks (removal.ts). null: nothing. */
  readonly open: ((work: OpenWork) => Promise<void>) | null;

  /** Makes, and marks, what takes no lock on the table; in the caller's transaction. */
  create(session: Session): Promise<void>;

  /**
   * For a transaction that has the lock which `nature` names, and is the last of the beginning: every write that commits after it
   * is in the log.
   */
  beginStatements(): readonly string[];

  /**
   * What a look at the table says of it (`Fingerprint.own`), now and when it began: whether no write can have been missed.
   *
   * @param begun null while it has not begun anywhere on record: then it is asked whether it is there at all
   */
  isIntact(now: string | null, begun: string | null): boolean;

  /** The message for when it is not. */
  interruption(): string;

  /** null: no entry of a write that commits can get lost without `isIntact` telling it. */
  readonly renewal: Renewal | null;

  /**
   * Once it has begun, for as long as a run is under way: brings keys into the log, where writes do not do it themselves.
   *
   * @throws CaptureLost
   */
  follow(run: FollowedRun): Promise<Following | null>;

  /**
   * How writes go on to leave their keys, of one that `collects`: while they look whether a key is there already, nobody may take one
   * out. `once`: they look, but for those whose snapshot is older than the transaction `since`. `always`: they do not; true for every transaction that writes to the table from then on, and not for
   * those that have done so. null where they never look.
   */
  readonly looks: {
    readonly once: (since: string) => readonly string[];
    readonly always: () => readonly string[];
  } | null;

  /**
   * Resolves when everything that was committed before the call is in the log. Awaited before the purge, before what is
   * applied is taken for complete, and once under the swap's lock, where the application waits.
   */
  upTo(moment: Moment, signal?: AbortSignal): Promise<void>;

  /** What must be in the swap's message: from its commit on nothing is captured, and nothing of it is on the table. */
  endStatements(): readonly string[];

  /** What the run does to its objects, done once after `create`, for a rehearsal of its statements. */
  rehearse(session: Session): Promise<void>;

  /** Undoes `create`, for such a rehearsal. What a migration has left is known by its marks (removal.ts). */
  dropStatements(): readonly string[];
}
