/**
 * One batch: one transaction at REPEATABLE READ (invariant 5), so that the rows of `from`, the log and what is decided
 * about them belong to one moment.
 */
import type { Session } from '../db/session.js';
import { isConflict, isServerError } from '../db/sqlstate.js';
import { qualified } from '../sql/quote.js';
import type { ApplyPlan } from './apply-plan.js';
import {
  applySettings,
  deleteEntriesSql,
  deleteRowsSql,
  followTruncateStatements,
  forgetHeldSql,
  immediateConstraintsSql,
  insertRowsSql,
  lockTablesSql,
  lookSql,
  type LogSlice,
} from './apply-sql.js';
import type { Balance } from './balance.js';
import { clearHoldersSql } from './conflict-sql.js';

export interface BatchOptions {
  /** Look for holders of unique values before they get in the way: costs a search per unique index. */
  readonly clearHolders: boolean;
  /** Runs under a lock that keeps `from` as it is; throws when its definition is not as recorded (invariant 12). */
  readonly checkSource?: ((session: Session) => Promise<void>) | undefined;
  /** Told what the batch has done to it. */
  readonly balance?: Balance | undefined;
}

export interface BatchResult {
  /** Nothing was applied but a TRUNCATE: the same part is still to be done. */
  readonly truncated: boolean;
  /** Entries applied and deleted. */
  readonly entries: number;
  /** Size of the log when the batch took its snapshot. */
  readonly logBlocks: number;
}

/**
 * Applies a part of the log. A conflict over a unique value is tried once more with the holders out of the way; when it
 * comes again, the rows of `from` violate the constraint, and its error is thrown (23505, 23P01).
 */
export async function applyBatch(
  session: Session,
  plan: ApplyPlan,
  part: LogSlice,
  options: BatchOptions,
): Promise<BatchResult & { readonly conflicted: boolean }> {
  try {
    return { ...(await counted(session, plan, part, options)), conflicted: false };
  } catch (error) {
    if (options.clearHolders || !isConflict(error)) throw error;
  }
  return { ...(await counted(session, plan, part, { ...options, clearHolders: true })), conflicted: true };
}

/** A TRUNCATE of `from` that is in the log, and nothing else of it. */
export async function followTruncation(session: Session, plan: ApplyPlan): Promise<void> {
  await session.transaction(async () => {
    await session.batch([lockTablesSql(plan)]);
    const { truncated } = await session.row<{ truncated: boolean }>(
      `select exists (select from only ${qualified(plan.log.truncations)}) as truncated`,
    );
    if (truncated) await session.batch(followTruncateStatements(plan));
  }, inOneSnapshot);
}

const inOneSnapshot = { isolation: 'repeatable read', settings: applySettings } as const;

async function counted(
  session: Session,
  plan: ApplyPlan,
  part: LogSlice,
  options: BatchOptions,
): Promise<BatchResult> {
  const { balance } = options;
  try {
    const { change, ...result } = await applyOnce(session, plan, part, options);
    // The rows of `from` went without entries, and `to`'s with them.
    if (result.truncated) balance?.forget();
    else balance?.add(change);
    return result;
  } catch (error) {
    // The server rolled back; otherwise it may have committed.
    if (!isServerError(error)) balance?.forget();
    throw error;
  }
}

async function applyOnce(
  session: Session,
  plan: ApplyPlan,
  part: LogSlice,
  { clearHolders, checkSource }: BatchOptions,
): Promise<BatchResult & { readonly change: number }> {
  return await session.transaction(async () => {
    // In one message with what must come before the snapshot; LOCK and SET take none.
    await session.batch([lockTablesSql(plan), ...immediateConstraintsSql(plan)]);
    await checkSource?.(session);
    const look = await session.row<{ truncated: boolean; found: boolean; blocks: number }>(
      lookSql(plan, part),
    );
    if (look.truncated) {
      await session.batch(followTruncateStatements(plan));
      return { truncated: true, entries: 0, logBlocks: look.blocks, change: 0 };
    }
    if (!look.found) return { truncated: false, entries: 0, logBlocks: look.blocks, change: 0 };
    let change = 0;
    await session.under(plan.settings, async () => {
      change -= await session.execute(deleteRowsSql(plan, part));
      if (clearHolders) {
        for (const index of plan.conflicts)
          change -= await session.execute(clearHoldersSql(plan, index, part));
      }
      change += await session.execute(insertRowsSql(plan, part));
      const forgetHeld = forgetHeldSql(plan, part);
      if (forgetHeld !== null) await session.execute(forgetHeld);
    });
    const { entries, steps } = await session.row<{ entries: number; steps: number }>(
      deleteEntriesSql(plan, part),
    );
    return { truncated: false, entries, logBlocks: look.blocks, change: change - steps };
  }, inOneSnapshot);
}
