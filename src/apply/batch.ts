/**
 * One batch: one transaction at REPEATABLE READ (invariant 5), so that the source's rows, the log and what is decided
 * about them belong to one moment.
 */
import type { Session } from '../db/session.js';
import { isConflict } from '../db/sqlstate.js';
import type { ApplyPlan } from './apply-plan.js';
import {
  applySettings,
  deleteEntriesSql,
  deleteShadowRowsSql,
  followTruncateStatements,
  immediateConstraintsSql,
  insertRowsSql,
  lockTablesSql,
  lookSql,
  type LogSlice,
} from './apply-sql.js';
import { clearHoldersSql } from './conflict-sql.js';

export interface BatchOptions {
  /** Look for holders of unique values before they get in the way: costs a search per unique index. */
  readonly clearHolders: boolean;
  /** Runs under a lock that keeps the source as it is; throws when its definition is not as recorded (invariant 12). */
  readonly checkSource?: ((session: Session) => Promise<void>) | undefined;
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
 * comes again, the source's rows violate the constraint, and its error is thrown (23505, 23P01).
 */
export async function applyBatch(
  session: Session,
  plan: ApplyPlan,
  part: LogSlice,
  options: BatchOptions,
): Promise<BatchResult & { readonly conflicted: boolean }> {
  try {
    return { ...(await applyOnce(session, plan, part, options)), conflicted: false };
  } catch (error) {
    if (options.clearHolders || !isConflict(error)) throw error;
  }
  return { ...(await applyOnce(session, plan, part, { ...options, clearHolders: true })), conflicted: true };
}

async function applyOnce(
  session: Session,
  plan: ApplyPlan,
  part: LogSlice,
  { clearHolders, checkSource }: BatchOptions,
): Promise<BatchResult> {
  return await session.transaction(
    async () => {
      // In one message with what must come before the snapshot; LOCK and SET take none.
      await session.batch([lockTablesSql(plan), ...immediateConstraintsSql(plan)]);
      await checkSource?.(session);
      const look = await session.row<{ truncated: boolean; found: boolean; blocks: number }>(
        lookSql(plan, part),
      );
      if (look.truncated) {
        await session.batch(followTruncateStatements(plan));
        return { truncated: true, entries: 0, logBlocks: look.blocks };
      }
      if (!look.found) return { truncated: false, entries: 0, logBlocks: look.blocks };
      await session.under(plan.settings, async () => {
        await session.execute(deleteShadowRowsSql(plan, part));
        if (clearHolders) {
          for (const index of plan.conflicts) await session.execute(clearHoldersSql(plan, index, part));
        }
        await session.execute(insertRowsSql(plan, part));
      });
      const entries = await session.execute(deleteEntriesSql(plan, part));
      return { truncated: false, entries, logBlocks: look.blocks };
    },
    { isolation: 'repeatable read', settings: applySettings },
  );
}
