/** Entries that cannot be applied because a row does not fit `to`: found by halving, and told by name. */
import { advice, toDo } from '../advice.js';
import type { Session } from '../db/session.js';
import { isConflict, isRowError, SqlState, type ServerError } from '../db/sqlstate.js';
import { FailedError } from '../errors.js';
import { displayName } from '../sql/quote.js';
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

/** Enough to see a pattern. */
const maxSamples = 5;
const searchTimeMs = 30_000;

export interface Misfit {
  /** `id=7, region=eu`. */
  readonly key: string;
  /** The row that already has the unique value; null when that is not what is wrong, or when it is gone again. */
  readonly otherKey: string | null;
  readonly error: ServerError;
}

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
  const deadline = Date.now() + searchTimeMs;
  const misfits: Misfit[] = [];
  let entries = 0;
  let timedOut = false;
  // Taken one after the other the two would both go in, the second over the first.
  if (plan.key.mayCollide === true && isConflict(first)) await endIfKeysCollide(session, plan, slice);
  await search(slice);
  return { misfits, entries, timedOut };

  async function search(part: LogSlice): Promise<void> {
    options.signal?.throwIfAborted();
    timedOut ||= Date.now() > deadline;
    if (timedOut || misfits.length >= maxSamples) return;
    try {
      entries += (await applyBatch(session, plan, part, options)).entries;
      return;
    } catch (error) {
      if (!isRowError(error)) throw error;
      const parts = halves(part.range);
      if (parts === null) {
        if (await forgetsRow(session, plan, part, options)) entries += 1;
        else misfits.push(await describe(session, plan, part, error));
        return;
      }
      for (const range of parts) await search({ ...part, range });
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
  return entry === undefined ? 'unknown' : keyText(names, entry);
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
      return { key, otherKey: other === null ? null : keyText(targetNames, other), error };
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

function keyText(names: readonly string[], values: Record<string, string>): string {
  return names.map((name, index) => `${name}=${values[`k${index + 1}`]}`).join(', ');
}

/** What the user is told; `first` is the error of the whole part. */
export function misfitError(plan: ApplyPlan, misfits: readonly Misfit[], first: ServerError): FailedError {
  const error = misfits[0]?.error ?? first;
  const keys = misfits.map((misfit) =>
    misfit.otherKey === null ? misfit.key : `${misfit.key} and ${misfit.otherKey}`,
  );
  const which =
    keys.length === 0 ? '' : ` (${keys.length < maxSamples ? '' : 'among others '}${keys.join('; ')})`;
  const table = displayName(plan.from);
  const [code, what] = isConflict(error)
    ? [
        'unique-violation',
        `rows of ${table} violate ${error.constraint ?? 'a unique constraint'} of ${plan.told.shape}`,
      ]
    : ['row-does-not-fit', `rows of ${table} do not fit ${plan.told.shape}`];
  return new FailedError(code, `${what}: ${error.message}${which}`, {
    details: {
      reason: reasonOf(error),
      keys: misfits.flatMap((misfit) =>
        misfit.otherKey === null ? [misfit.key] : [misfit.key, misfit.otherKey],
      ),
      constraint: error.constraint ?? null,
      column: error.column ?? null,
      message: error.message,
      sqlState: error.code,
    },
    state: `${plan.told.untouched}, the application's writes go on; migration ${plan.id} keeps its state`,
    hint: advice`fix the rows and run the same command again, or ${toDo('abort', plan.id)}`,
    cause: error,
  });
}

function reasonOf(error: ServerError): 'unique' | 'not-null' | 'check' | 'cast' | 'limit' {
  if (isConflict(error)) return 'unique';
  if (error.code === SqlState.notNullViolation) return 'not-null';
  if (/^(53|54|XX)/.test(error.code)) return 'limit';
  return error.code.startsWith('23') ? 'check' : 'cast';
}
