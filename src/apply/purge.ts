/**
 * Purge where a key in the log cannot be converted (an `abc` that was to become a number): if its row is gone again there is
 * nothing to take out of `to`; if not, its row is named. Found by halving the log, so only when a purge has failed.
 */
import { readBlocksOf } from '../catalog/sizes.js';
import type { Session } from '../db/session.js';
import { isRowError, type ServerError } from '../db/sqlstate.js';
import type { QualifiedName } from '../model/name.js';
import type { ApplyPlan } from './apply-plan.js';
import {
  collectKeysSql,
  collectedKeysTableSql,
  lockTablesSql,
  purgeCollectedSql,
  purgeSql,
} from './apply-sql.js';
import { hasRowSql } from './audit-sql.js';
import { blocksRange, halves, type LogRange } from '../pieces/row-range.js';
import { describeEntry, misfitError, type Misfit } from './misfits.js';

const maxSamples = 5;

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
      await collect(table, blocksRange(0, await readBlocksOf(session, table)));
    }
    if (misfits.length > 0) throw misfitError(plan, misfits, first);
    return await session.under(plan.settings, () => session.execute(purgeCollectedSql(plan)));
  });

  async function collect(table: QualifiedName, range: LogRange): Promise<void> {
    signal?.throwIfAborted();
    if (misfits.length >= maxSamples || range.from >= range.to) return;
    const slice = { table, range };
    await session.batch(['savepoint some_keys']);
    try {
      await session.under(plan.settings, () => session.execute(collectKeysSql(plan, slice)));
      await session.batch(['release savepoint some_keys']);
      return;
    } catch (error) {
      if (!isRowError(error)) throw error;
      await session.batch(['rollback to savepoint some_keys', 'release savepoint some_keys']);
      const parts = halves(range);
      if (parts !== null) {
        for (const part of parts) await collect(table, part);
        return;
      }
      const { found } = await session.row<{ found: boolean }>(hasRowSql(plan, slice));
      if (found) misfits.push({ key: await describeEntry(session, plan, slice), otherKey: null, error });
    }
  }
}
