/** The swap, tried again after what it can be tried again after: rows that were put right meanwhile. Names what it cannot. */
import { advice, doing } from '../../advice.js';
import { alteredState } from '../../swap/unlocked-sql.js';
import { isRowError, sqlState } from '../../db/sqlstate.js';
import { CutoverNotObtainedError } from '../../errors.js';
import type { LockedResult } from '../../locks/locked-transaction.js';
import type { MissedTry } from '../../model/event.js';
import { displayName } from '../../sql/quote.js';
import { firstTable, type RunContext } from '../context.js';
import { cutoverPatienceMs } from '../postponement.js';
import { SourceAltered } from '../source-check.js';
import { findLost, maxRepairedTries, RowsLost } from '../../swap/lost-rows.js';
import { swapOnce } from './swap-once.js';
import { catchUpAll, type SwapWork } from './work.js';

/** @throws SourceAltered nothing was swapped */
export async function swapOrExplain(
  context: RunContext,
  work: SwapWork,
  options: { readonly rehearse?: boolean } = {},
): Promise<LockedResult<number>> {
  for (let tries = 1; ; tries += 1) {
    const started = performance.now();
    try {
      return await swapOnce(context, work, options);
    } catch (thrown) {
      const error =
        sqlState(thrown) === alteredState
          ? new SourceAltered(['a grant or a function was changed under the lock'], null)
          : thrown;
      if (error instanceof SourceAltered) {
        const waitedMs = performance.now() - started;
        work.patience.spentMs += waitedMs;
        if (work.patience.spentMs > cutoverPatienceMs(context)) throw alteredForTooLong(context, error);
        context.emit('cutover:missed', altered(error, waitedMs));
      }
      if (error instanceof RowsLost) {
        await findLost(error.from, tries);
        continue;
      }
      if (!isRowError(error) || tries >= maxRepairedTries) throw error;
      // Throws with the row's key, unless the row was put right meanwhile.
      await catchUpAll(work.tables);
    }
  }
}

function altered({ differences }: SourceAltered, waitedMs: number): MissedTry {
  const reason = `the table was altered: ${differences.join('; ')}`;
  return { attempt: 1, waitedMs, why: 'altered', reason, tried: true, blockers: [], nextTryMs: 0 };
}

function alteredForTooLong(context: RunContext, { differences, no }: SourceAltered): CutoverNotObtainedError {
  const { id, plan } = context.tables.find((table) => table.no === no) ?? firstTable(context);
  return new CutoverNotObtainedError(
    'cutover-not-obtained',
    `${displayName(plan.table)} was not swapped: somebody altered it before each try, at last: ${differences.join('; ')}`,
    {
      details: { why: 'altered', differences },
      state: 'the source is untouched and goes on being captured; the run follows when it continues',
      hint: advice`run the same command again when nobody alters the table; ${doing('abort', id)} undoes`,
    },
  );
}
