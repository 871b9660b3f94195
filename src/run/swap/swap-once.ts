/**
 * One swap: the gate, and then the transaction that exchanges the tables, for which the lock is asked until the deadline.
 *
 * The application waits for everything that is done under the lock. So whatever can be known, planned or put together before is;
 * under the lock it is only looked whether that still holds.
 */
import { drain } from '../../apply/applier.js';
import type { Fingerprint } from '../../catalog/fingerprint.js';
import { LockNotObtained } from '../../locks/attempts.js';
import type { LockedResult } from '../../locks/locked-transaction.js';
import { exchange } from '../../swap/exchange.js';
import { forward } from '../../swap/forward.js';
import { gate } from '../../swap/gate.js';
import { RowsLost } from '../../swap/lost-rows.js';
import { notObtained } from '../../swap/not-obtained.js';
import { awaitOldSnapshots } from '../../swap/old-snapshots.js';
import { markSwappedStatement, planReady } from '../../swap/ready.js';
import { readUnlockedStatement, refuseAlteredStatement } from '../../swap/unlocked-sql.js';
import { killing, limitsOf, type RunContext } from '../context.js';
import { cutoverPatienceMs, notReady } from '../postponement.js';
import { lookStatement, recordedCheck, refuseAltered, toMark } from '../source-check.js';
import type { SwapWork } from './work.js';

export async function swapOnce(
  context: RunContext,
  { session, applier, target, apply, patience }: SwapWork,
  { rehearse: isRehearsal = false }: { readonly rehearse?: boolean },
): Promise<LockedResult<number>> {
  const { control, id, plan, schemas, capture, settings, emit, signal } = context;
  const source = await recordedCheck(context);
  const shadowOid = await gate(control, {
    id,
    plan,
    schemas,
    target,
    sourceUnaltered: () => refuseAltered(control, context),
  });
  // Nothing comes of a rehearsal that the end of a window could be late for.
  const patienceMs =
    (isRehearsal ? settings.cutoverDeadlineMs : cutoverPatienceMs(context)) - patience.spentMs;
  const snapshotsUntil = performance.now() + patienceMs;
  const limits = { ...limitsOf(context), deadlineMs: patienceMs };
  let unlocked = '';
  const tables = forward({
    id,
    plan,
    schemas,
    target,
    shadowOid,
    capture: capture.endStatements(),
    mark: markSwappedStatement,
  });
  try {
    return await exchange(tables, {
      session,
      look: control,
      watcher: context.watcher,
      limits,
      ready: async () => notReady(context),
      ...killing(context),
      onLock: context.ledger.add,
      rehearse: isRehearsal,
      onTrying: (isTrying) => {
        if (!isRehearsal) context.steering.swap = isTrying ? 'tried' : 'ahead';
      },
      catchUp: async (endBlockers) => {
        await capture.upTo('swap', signal);
        const applied = await applier.catchUp();
        const waited = await awaitOldSnapshots(
          { id, look: control, table: plan.table, settings: context.settings, emit, signal },
          snapshotsUntil,
          endBlockers,
        );
        // What came meanwhile; where nobody writes, and nothing was waited for, nothing did.
        if (applied > 0 || waited) await applier.catchUp();
        await planReady(session, apply, lookStatement(context));
        await context.at('cutover-ready');
      },
      finish: async () => {
        await context.at('cutover-locked');
        await capture.upTo('swap', signal);
        const drained = await drain(session, apply, [readUnlockedStatement, lookStatement(context)]);
        const { first, entries } = drained;
        unlocked = String(first[0]?.[0]?.['unlocked']);
        const now = toMark(context, (first[1]?.[0] as Fingerprint | undefined) ?? null);
        await source.check(session, { fileMayMove: true, now });
        if (!applier.isComplete(drained)) throw new RowsLost();
        await context.at('cutover-drained');
        return entries;
      },
      first: () => [refuseAlteredStatement(unlocked)],
      emit,
      signal,
    });
  } catch (error) {
    if (!(error instanceof LockNotObtained)) throw error;
    throw notObtained({ id, table: plan.table, maxHoldMs: limits.maxHoldMs }, error);
  }
}
