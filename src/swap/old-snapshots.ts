/**
 * Transactions whose snapshot is older than the rows of the new table: one that first touches the table after the swap would see
 * rows missing. Asked before each try for the swap.
 *
 * Rows come to the new table until the log has been applied for the last time, so every snapshot from before that counts, not
 * only those from before the copy. A transaction that has the table open already holds a lock, and keeps the swap waiting by itself.
 */
import { advice, toDo } from '../advice.js';
import { readSnapshots, type SnapshotHolder, type SnapshotView } from '../catalog/snapshots.js';
import type { Session } from '../db/session.js';
import { sleep } from '../db/wait.js';
import { CutoverNotObtainedError } from '../errors.js';
import { blockerLines } from '../locks/describe-blockers.js';
import type { EndBlockers } from '../locks/attempts.js';
import type { Emit } from '../model/event.js';
import type { Blocker } from '../model/blocker.js';
import { displayName } from '../sql/quote.js';
import type { QualifiedName } from '../model/name.js';
import type { RunSettings } from '../settings/run-settings.js';

const pauseMs = 100;
const toldEveryMs = 2_000;

export interface SnapshotWait {
  readonly id: number;
  readonly table: QualifiedName;
  readonly look: Session;
  /** Read each time: it may be changed meanwhile. */
  readonly settings: Pick<RunSettings, 'oldSnapshot'>;
  readonly emit: Emit;
  readonly signal: AbortSignal;
}

/**
 * Returns when none of the snapshots that are held now is held any more, or when the user wanted to be warned only. To be
 * called when the log has just been applied: what begins later sees all of that.
 *
 * @param deadline by `performance.now()`
 * @param endBlockers a statement that runs on the table has a snapshot, and would be waited for before the lock is asked for
 * @returns whether anything was waited for
 * @throws CutoverNotObtainedError `old-snapshot`
 */
export async function awaitOldSnapshots(
  context: SnapshotWait,
  deadline: number,
  endBlockers: EndBlockers,
): Promise<boolean> {
  const { look: session, settings, emit, signal } = context;
  const view = await readSnapshots(session);
  if (view.unseen > 0) emit('warning', unseenWarning(view));
  let left = view.holders;
  const startedMs = performance.now();
  let toldMs = startedMs;
  for (let look = 1; left.length > 0; look += 1) {
    signal.throwIfAborted();
    // A statement that was just running is no reason for a word, or for giving up.
    if (look > 2) {
      if (settings.oldSnapshot === 'warn') {
        emit('warning', {
          code: 'old-snapshot',
          message: `${left.length} transactions began before the swap and may see rows missing in the new table${blockerLines(left)}`,
        });
        return true;
      }
      if (settings.oldSnapshot === 'abort' || performance.now() > deadline) throw inTheWay(context, left);
      if (look === 5 || performance.now() - toldMs > toldEveryMs) {
        toldMs = performance.now();
        emit('lock:missed', {
          what: 'the end of old snapshots',
          attempt: 1,
          waitedMs: performance.now() - startedMs,
          why: 'old-snapshot',
          reason: null,
          tried: false,
          blockers: left.map(withoutKey),
          nextTryMs: pauseMs,
        });
      }
    }
    await endBlockers();
    await sleep(look === 1 ? pauseMs / 10 : pauseMs, signal);
    const held = new Set((await readSnapshots(session)).holders.map(({ key }) => key));
    left = left.filter(({ key }) => held.has(key));
  }
  return view.holders.length > 0;
}

function withoutKey({ key: _, ...blocker }: SnapshotHolder): Blocker {
  return blocker;
}

function unseenWarning({ unseen }: SnapshotView): { code: string; message: string } {
  return {
    code: 'snapshots-not-visible',
    message: `of ${unseen} sessions of other roles this role cannot see whether they have an old snapshot, and so does not wait for them; GRANT pg_monitor shows it`,
  };
}

function inTheWay({ id, table }: SnapshotWait, holders: readonly SnapshotHolder[]): CutoverNotObtainedError {
  return new CutoverNotObtainedError(
    'old-snapshot',
    `${displayName(table)} was not swapped: transactions that began before the new table was complete would see rows missing in it${blockerLines(holders)}`,
    {
      details: { blockers: holders.map(withoutKey) },
      state:
        'the source is untouched and goes on being captured; the shadow stays in sync as soon as the run continues',
      hint: advice`${toDo('resume', id)} when they have ended; or --old-snapshot warn, if none of them reads this table`,
    },
  );
}
