/**
 * Transactions whose snapshot is older than the rows of the new table: one that first touches the table after the swap would see
 * rows missing. Asked before each try for the swap.
 *
 * Rows come to the new table until the end of catch-up, so every snapshot from before the cutover counts, not only those from
 * before the copy. A transaction that has the table open already holds a lock, and keeps the swap waiting by itself.
 */
import { snapshotsSince, type SnapshotHolder, type SnapshotView } from '../catalog/snapshots.js';
import type { Session } from '../db/session.js';
import { sleep } from '../db/wait.js';
import { CutoverNotObtainedError } from '../errors.js';
import { blockerLines } from '../locks/describe-blockers.js';
import { displayName } from '../sql/quote.js';
import type { RunContext } from './context.js';

const pauseMs = 500;
const toldEveryMs = 10_000;

/** What is known of the server's snapshots when the cutover begins. */
export interface SnapshotLimit {
  /** Nobody whose transaction began later is in question; the server's clock. */
  readonly before: string;
  readonly deadline: number;
}

export async function snapshotLimit(session: Session, deadlineMs: number): Promise<SnapshotLimit> {
  const { before } = await session.row<{ before: string }>(`select clock_timestamp()::text as before`);
  return { before, deadline: performance.now() + deadlineMs };
}

/**
 * Returns when no such snapshot is left, or when the user wanted to be warned only.
 * @throws CutoverNotObtainedError `old-snapshot`
 */
export async function awaitOldSnapshots(context: RunContext, limit: SnapshotLimit): Promise<void> {
  const { control, settings, emit, signal } = context;
  let toldMs = -Infinity;
  for (;;) {
    signal.throwIfAborted();
    const view = await snapshotsSince(control, limit.before);
    if (view.unseen > 0 && toldMs === -Infinity) emit('warning', unseenWarning(view));
    const { holders } = view;
    if (holders.length === 0) return;
    if (settings.oldSnapshot === 'warn') {
      emit('warning', {
        code: 'old-snapshot',
        message: `${holders.length} transactions began before the swap and may see rows missing in the new table${lines(holders)}`,
      });
      return;
    }
    if (settings.oldSnapshot === 'abort' || performance.now() > limit.deadline)
      throw inTheWay(context, holders);
    if (performance.now() - toldMs > toldEveryMs) {
      toldMs = performance.now();
      emit('lock:missed', { what: 'the end of old snapshots', attempt: 1, blockers: holders });
    }
    await sleep(pauseMs, signal);
  }
}

function unseenWarning({ unseen }: SnapshotView): { code: string; message: string } {
  return {
    code: 'snapshots-not-visible',
    message: `of ${unseen} sessions of other roles this role cannot see whether they have an old snapshot, and so does not wait for them; GRANT pg_monitor shows it`,
  };
}

function inTheWay({ id, plan }: RunContext, holders: readonly SnapshotHolder[]): CutoverNotObtainedError {
  return new CutoverNotObtainedError(
    'old-snapshot',
    `${displayName(plan.table)} was not swapped: transactions that began before the new table was complete would see rows missing in it${lines(holders)}`,
    {
      details: { blockers: holders },
      state:
        'the source is untouched and goes on being captured; the shadow stays in sync as soon as the run continues',
      hint: `pg-ghost run --resume ${id} when they have ended; or --old-snapshot warn, if none of them reads this table`,
    },
  );
}

function lines(holders: readonly SnapshotHolder[]): string {
  return blockerLines(holders);
}
