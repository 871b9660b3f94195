/**
 * The moments between two durable steps of a run, by name: whatever happens there (the process is killed, the connection
 * cut, somebody else writes) must leave a state from which the same command goes on. Tests stop, kill and race there.
 *
 * A listener is awaited: it holds the run for as long as it likes.
 */
import type { ApplyPoint } from '../apply/applier.js';
import type { CopyPoint } from '../copy/copier.js';
import type { VerifyPoint } from '../verify/verifier.js';

export const migrationPoints = [
  // The row in ghost.migrations is there, nothing else.
  'recorded',
  // This process is the runner: its number is stored, former sessions are gone.
  'claimed',
  'shadow-built',
  'target-stored',
  'capture-on',
  'log-switched',
  'log-compacted',
  'copy-restarting',
  // The replication slot is lost, and the migration stands at its beginning again: nothing is undone yet.
  'begun-anew',
  // The replication slot is lost, and it is on record that entries are missing: nothing is done about it yet.
  'gap-recorded',
  // What was left of it is gone, and the new one is not there.
  'slot-dropped',
  'slot-renewed',
  // All rows were compared since, and what differs is in the log. Still on record is that entries are missing.
  'rows-requeued',
  'gap-closed',
  // DDL beside the run was planned for anew; the shadow has not followed yet.
  'following',
  // It has, and that is stored.
  'followed',
  'copied',
  'purged',
  'purge-vacuumed',
  'index-built',
  'indexes-attached',
  'caught-up',
  'settled',
  'verified',
  // Before a try for the swap's locks: the backlog is low.
  'cutover-ready',
  // Under the locks, before the source is looked at for the last time.
  'cutover-locked',
  // Under the locks, everything applied; what follows is one message that ends with the commit.
  'cutover-drained',
  'swapped',
  'leftovers-removed',
  'validated',
  'window-settled',
] as const;

/** The same for the commands that remove something, and for a native change. */
export const commandPoints = [
  // abort: whoever ran it is gone.
  'abort-claimed',
  'capture-off',
  // Everything is removed and recorded; the commit follows.
  'abort-uncommitted',
  'aborted',
  // finalize: what the swap has left to validate is done.
  'finalize-completed',
  'window-closed',
  'finalize-uncommitted',
  'finalized',
  // Under the lock, before the statements of the change.
  'native-locked',
  'native-done',
] as const;

export type RunPoint = (typeof migrationPoints)[number] | CopyPoint | ApplyPoint | VerifyPoint;
export type CommandPoint = (typeof commandPoints)[number];
export type Point = RunPoint | CommandPoint;
export type AtPoint = (point: Point) => Promise<void> | void;
