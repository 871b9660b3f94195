/** Entries that cannot be applied because a row does not fit `to`: found by halving, and told by name. */
import type { Session } from '../db/session.js';
import { isConflict, isRowError, type ServerError } from '../db/sqlstate.js';
import type { FailedError } from '../errors.js';
import { keyText } from '../model/key.js';
import { searchByHalves } from '../pieces/halving.js';
import type { ApplyPlan } from './apply-plan.js';
import {
  applySettings,
  deleteEntriesSql,
  deleteRowsSql,
  immediateConstraintsSql,
  lockTablesSql,
  type LogSlice,
} from './apply-sql.js';
import { keysCollide } from './audit.js';
import { collisionsSql, hasRowSql, type Collision } from './audit-sql.js';
import { applyBatch, type BatchOptions } from './batch.js';
import { entryKeysSql, holderSql, keyAtSql } from './conflict-sql.js';
import { halves } from '../pieces/row-range.js';
import { maxMisfits, misfitError, type Misfit } from '../stream/misfit.js';

/**
 * Applies what can be applied of a part that failed as a whole, down to the single entries that cannot: those stay in the
 * log, to be applied when their rows are repaired.
 *
 * @returns up to 5 of them; none when everything went well this time; fewer when time ran out
 */
export async function findMisfits(
  session: Session,
  plan: ApplyPlan,
  slice: LogSlice,
  first: ServerError,
  options: BatchOptions & { readonly signal?: AbortSignal | undefined },
): Promise<{ readonly misfits: Misfit[]; readonly entries: number; readonly timedOut: boolean }> {
  const misfits: Misfit[] = [];
  let entries = 0;
  // Taken one after the other the two would both go in, the second over the first.
  if (plan.key.mayCollide === true && isConflict(first)) await endIfKeysCollide(session, plan, slice);
  const { timedOut } = await searchByHalves<LogSlice, ServerError>(slice, {
    attempt,
    split: (part) => halves(part.range)?.map((range) => ({ ...part, range })) ?? null,
    async found(part, error) {
      if (await forgetsRow(session, plan, part, options)) entries += 1;
      else misfits.push(await describe(session, plan, part, error));
    },
    isEnough: () => misfits.length >= maxMisfits,
    signal: options.signal,
  });
  return { misfits, entries, timedOut };

  async function attempt(part: LogSlice): Promise<ServerError | null> {
    try {
      entries += (await applyBatch(session, plan, part, options)).entries;
      return null;
    } catch (error) {
      if (!isRowError(error)) throw error;
      return error;
    }
  }
}

/** @throws FailedError `unique-violation` when two rows of these entries have one key in `to` */
async function endIfKeysCollide(session: Session, plan: ApplyPlan, part: LogSlice): Promise<void> {
  const collisions = await session.transaction(
    async () => {
      await session.batch([lockTablesSql(plan)]);
      return await session.under(plan.settings, () => session.rows<Collision>(collisionsSql(plan, part)));
    },
    { isolation: 'repeatable read', settings: applySettings },
  );
  if (collisions.length > 0) throw keysCollide(plan, collisions);
}

/**
 * A key that cannot be converted, and whose row is gone again: `to` never had it, so there is nothing to apply. What is
 * wrong with a key that nobody has any more is no concern of the new shape's.
 */
async function forgetsRow(
  session: Session,
  plan: ApplyPlan,
  part: LogSlice,
  { balance }: BatchOptions,
): Promise<boolean> {
  const steps = await session.transaction(
    async () => {
      await session.batch([lockTablesSql(plan)]);
      const { found } = await session.row<{ found: boolean }>(hasRowSql(plan, part));
      return found ? null : (await session.row<{ steps: number }>(deleteEntriesSql(plan, part))).steps;
    },
    { isolation: 'repeatable read', settings: applySettings },
  );
  if (steps === null) return false;
  balance?.add(-steps);
  return true;
}

/** `id=7, region=eu`, of one entry. */
export async function describeEntry(session: Session, plan: ApplyPlan, part: LogSlice): Promise<string> {
  const [entry] = await session.rows<Record<string, string>>(entryKeysSql(plan, part));
  const names = plan.key.columns.map((column) => column.name);
  return entry === undefined ? 'unknown' : keyText(names, Object.values(entry));
}

async function describe(
  session: Session,
  plan: ApplyPlan,
  part: LogSlice,
  error: ServerError,
): Promise<Misfit> {
  return await session.transaction(
    async () => {
      const key = await describeEntry(session, plan, part);
      if (!isConflict(error)) return { key, otherKey: null, error };
      const other = await holderOf(session, plan, part, error);
      const targetNames = plan.key.columns.map((column) => column.targetName);
      return { key, otherKey: other === null ? null : keyText(targetNames, Object.values(other)), error };
    },
    { isolation: 'repeatable read', settings: applySettings },
  );
}

/** Without the entry's own old row, which has the value too more often than not. */
async function holderOf(
  session: Session,
  plan: ApplyPlan,
  part: LogSlice,
  error: ServerError,
): Promise<Record<string, string> | null> {
  const index = plan.conflicts.find((each) => each.name === error.constraint);
  if (index === undefined) return null;
  await session.batch(['savepoint own_rows', ...immediateConstraintsSql(plan)]);
  const [holder] = await session.under(plan.settings, async () => {
    await session.execute(deleteRowsSql(plan, part));
    return await session.rows<{ tid: string }>(holderSql(plan, index, part));
  });
  const [keys] =
    holder === undefined ? [] : await session.rows<Record<string, string>>(keyAtSql(plan, holder.tid));
  await session.batch(['rollback to savepoint own_rows']);
  return keys ?? null;
}

/** What the user is told; `first` is the error of the whole part. */
export function notApplied(plan: ApplyPlan, misfits: readonly Misfit[], first: ServerError): FailedError {
  return misfitError(plan, misfits, first, `${plan.told.untouched}, the application's writes go on`);
}
