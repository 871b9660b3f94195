/**
 * Purge where a key in the log cannot be converted (an `abc` that was to become a number): if its row is gone again there is
 * nothing to take out of `to`; if not, its row is named. Found by halving the log, so only when a purge has failed.
 */
import { readBlocksOf } from '../catalog/sizes.js';
import type { Session } from '../db/session.js';
import { isRowError, type ServerError } from '../db/sqlstate.js';
import { searchByHalves } from '../pieces/halving.js';
import type { ApplyPlan } from './apply-plan.js';
import {
  collectKeysSql,
  collectedKeysTableSql,
  lockTablesSql,
  purgeCollectedSql,
  purgeSql,
  type LogSlice,
} from './apply-sql.js';
import { hasRowSql } from './audit-sql.js';
import { blocksRange, halves } from '../pieces/row-range.js';
import { maxMisfits, type Misfit } from '../stream/misfit.js';
import { describeEntry, notApplied } from './misfits.js';

/** @returns rows that left `to` */
export async function purge(session: Session, plan: ApplyPlan, signal?: AbortSignal): Promise<number> {
  try {
    return await session.under(plan.settings, () => session.execute(purgeSql(plan)));
  } catch (error) {
    if (!isRowError(error)) throw error;
    return await purgeConvertible(session, plan, error, signal);
  }
}

async function purgeConvertible(
  session: Session,
  plan: ApplyPlan,
  first: ServerError,
  signal: AbortSignal | undefined,
): Promise<number> {
  const misfits: Misfit[] = [];
  return await session.transaction(async () => {
    await session.batch([lockTablesSql(plan)]);
    await session.under(plan.settings, () => session.batch([collectedKeysTableSql(plan)]));
    for (const table of plan.log.parts) {
      await collect({ table, range: blocksRange(0, await readBlocksOf(session, table)) });
    }
    if (misfits.length > 0) throw notApplied(plan, misfits, first);
    return await session.under(plan.settings, () => session.execute(purgeCollectedSql(plan)));
  });

  async function collect(slice: LogSlice): Promise<void> {
    if (slice.range.from >= slice.range.to) return;
    await searchByHalves<LogSlice, ServerError>(slice, {
      attempt,
      split: (part) => halves(part.range)?.map((range) => ({ ...part, range })) ?? null,
      async found(part, error) {
        const { found } = await session.row<{ found: boolean }>(hasRowSql(plan, part));
        if (found) misfits.push({ key: await describeEntry(session, plan, part), otherKey: null, error });
      },
      isEnough: () => misfits.length >= maxMisfits,
      // It is the purge itself.
      withinMs: Infinity,
      signal,
    });
  }

  async function attempt(part: LogSlice): Promise<ServerError | null> {
    await session.batch(['savepoint some_keys']);
    try {
      await session.under(plan.settings, () => session.execute(collectKeysSql(plan, part)));
      await session.batch(['release savepoint some_keys']);
      return null;
    } catch (error) {
      if (!isRowError(error)) throw error;
      await session.batch(['rollback to savepoint some_keys', 'release savepoint some_keys']);
      return error;
    }
  }
}
