/** The slot of a capture: made before anything else of it, since that may take long; known by the identity of its migration. */
import { advice } from '../../advice.js';
import { writingSince } from '../../catalog/activity.js';
import type { Session } from '../../db/session.js';
import { SqlState, sqlState } from '../../db/sqlstate.js';
import { inTime, late, sleep } from '../../db/wait.js';
import { FailedError } from '../../errors.js';
import { blockerLines } from '../../locks/describe-blockers.js';
import { slotName, type SlotOwner } from '../../sql/marks.js';
import type { UnlockedWork } from '../capture.js';

const tellEveryMs = 2_000;
const releaseMs = 10_000;
const pauseMs = 50;

/**
 * Waits for every transaction that has an id, in any database of the server; nobody waits for us. Resolves when what commits from
 * then on is in the slot.
 *
 * @throws FailedError `slot-not-created` with the transactions that were waited for; the signal's reason
 */
export async function createSlot(
  { session, watcher, failover, patienceMs, onWaiting, signal }: UnlockedWork,
  owner: SlotOwner,
): Promise<void> {
  signal.throwIfAborted();
  const started = performance.now();
  const waitedMs = (): number => performance.now() - started;
  const made = session
    .under({ statement_timeout: String(Math.ceil(patienceMs)) }, () =>
      session.rows({
        text: `select from pg_create_logical_replication_slot($1, 'pgoutput'${failover ? ', failover => true' : ''})`,
        values: [slotName(owner)],
      }),
    )
    .then(
      () => null,
      (error: unknown) => error as Error,
    );
  let result = await inTime(made, tellEveryMs);
  for (; result === late; result = await inTime(made, tellEveryMs)) {
    if (signal.aborted) await watcher.rows({ text: 'select pg_cancel_backend($1)', values: [session.pid] });
    else onWaiting(await writingSince(watcher, waitedMs() / 1000), waitedMs());
  }
  signal.throwIfAborted();
  if (result === null) return;
  if (sqlState(result) !== SqlState.queryCanceled) throw result;
  const blockers = await writingSince(watcher, waitedMs() / 1000);
  throw new FailedError(
    'slot-not-created',
    `the slot was not there after ${Math.round(waitedMs() / 1000)} s: it waits for every transaction that has written, in any database${blockerLines(blockers)}`,
    {
      details: { blockers },
      state: 'nothing was changed',
      hint: advice`run the same command again when they are over, or with a longer --cutover-deadline`,
      cause: result,
    },
  );
}

/** Resolves when nobody reads it: whoever does is ended. Nothing is done about one that is gone. */
export async function releaseSlot(session: Session, name: string): Promise<void> {
  const deadline = performance.now() + releaseMs;
  for (;;) {
    const rows = await session.rows({
      text: `select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1 and active`,
      values: [name],
    });
    if (rows.length === 0) return;
    if (performance.now() > deadline) throw new Error(`slot ${name} is still being read`);
    await sleep(pauseMs);
  }
}

/** Of those that are there. */
export async function dropSlots(session: Session, names: readonly string[]): Promise<void> {
  for (const name of names) {
    await releaseSlot(session, name);
    await session.rows({
      text: `select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1`,
      values: [name],
    });
  }
}
