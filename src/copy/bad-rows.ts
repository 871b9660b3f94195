/** Finds the rows that make a chunk fail, by halving it: which rows, not just that there are some. */
import type { Session } from '../db/session.js';
import { isRowError, type ServerError } from '../db/sqlstate.js';
import { keyText } from '../model/key.js';
import { searchByHalves } from '../pieces/halving.js';
import { blocksRange, halves, tid, type RowRange } from '../pieces/row-range.js';
import { maxMisfits, type Misfit } from '../stream/misfit.js';
import { copyRowsSql, copySettings, keyAtSql, lockSourceSql } from './copy-sql.js';
import type { BlockRange, CopyStream } from './copy-plan.js';

/**
 * Inserts halves of the chunk again in a transaction that is rolled back, in one snapshot.
 *
 * @returns up to 5 rows, fewer when time runs out; none when the rows were repaired in the meantime
 */
export async function findBadRows(
  session: Session,
  plan: CopyStream,
  blocks: BlockRange,
  signal?: AbortSignal,
): Promise<{ readonly rows: Misfit[]; readonly timedOut: boolean }> {
  const rows: Misfit[] = [];
  await session.batch([
    'begin isolation level repeatable read',
    ...Object.entries(copySettings).map(([name, value]) => `set local ${name} = ${value}`),
    lockSourceSql(plan),
    'savepoint attempt',
  ]);
  try {
    const { timedOut } = await searchByHalves(blocksRange(blocks.from, blocks.to), {
      attempt,
      split: halves,
      found,
      isEnough: () => rows.length >= maxMisfits,
      signal,
    });
    return { rows, timedOut };
  } finally {
    await session.rollback();
  }

  async function attempt(range: RowRange): Promise<ServerError | null> {
    try {
      await session.under(plan.settings, () => session.execute(copyRowsSql(plan, range)));
      return null;
    } catch (error) {
      if (!isRowError(error)) throw error;
      return error;
    } finally {
      await session.batch(['rollback to savepoint attempt']);
    }
  }

  async function found({ from }: RowRange, error: ServerError): Promise<void> {
    const [key] = await session.rows<Record<string, string>>(keyAtSql(plan, tid(from)));
    const names = plan.key.columns.map(({ name }) => name);
    if (key !== undefined) rows.push({ key: keyText(names, Object.values(key)), otherKey: null, error });
  }
}
