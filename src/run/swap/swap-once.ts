/**
 * One swap: the gate, and then the transaction that exchanges the tables, for which the lock is asked until the deadline.
 *
 * The application waits for everything that is done under the lock. So whatever can be known, planned or put together before is;
 * under the lock it is only looked whether that still holds.
 */
import { drain } from '../../apply/applier.js';
import type { Fingerprint } from '../../catalog/fingerprint.js';
import { readEventTriggers } from '../../catalog/event-triggers.js';
import type { TableShape } from '../../model/table-shape.js';
import { cutover } from '../../swap/cutover.js';
import { attachDefinitions, detachStatements } from '../../swap/dependents-sql.js';
import { swapStatements } from '../../swap/exchange-sql.js';
import { readUnlockedStatement, refuseAlteredStatement } from '../../swap/unlocked-sql.js';
import type { Session } from '../../db/session.js';
import type { LockedResult } from '../../locks/locked-transaction.js';
import { autovacuumRestoreStatements, unvalidatedConstraintStatements } from '../../ddl/bare-heap-sql.js';
import { dropHelperIndexStatements } from '../../ddl/helper-index-sql.js';
import { displayName, qualified } from '../../sql/quote.js';
import { helperIndexFacts, killing, limitsOf, type RunContext } from '../context.js';
import { inspectSwapped } from '../../swap/inspect-swapped.js';
import { lockSteps, locksOfSwap } from '../../swap/lock-steps.js';
import { awaitOldSnapshots } from '../old-snapshots.js';
import { cutoverPatienceMs, notReady } from '../postponement.js';
import { lookStatement, recordedCheck, toMark } from '../source-check.js';
import { gate } from './gate.js';
import { RowsLost } from './lost-rows.js';
import { markSwappedStatement, planReady } from './ready.js';
import type { SwapWork } from './work.js';

export async function swapOnce(
  context: RunContext,
  { session, applier, target, apply, patience }: SwapWork,
  { rehearse: isRehearsal = false }: { readonly rehearse?: boolean },
): Promise<LockedResult<number>> {
  const { control, id, plan, capture, emit, signal } = context;
  const source = await recordedCheck(context);
  const shadowOid = await gate(context, target);
  const locks = await lockSteps(control, locksOfSwap(plan));
  // Nothing comes of a rehearsal that the end of a window could be late for.
  const patienceMs =
    (isRehearsal ? context.settings.cutoverDeadlineMs : cutoverPatienceMs(context)) - patience.spentMs;
  const snapshotsUntil = performance.now() + patienceMs;
  // Before the lock: nobody is to wait for texts to be put together.
  const statements = statementsOf(context, target);
  let unlocked = '';
  return cutover({
    id,
    displayTable: displayName(plan.table),
    table: qualified(plan.table),
    tableOid: plan.source.oid,
    session,
    watcher: context.watcher,
    locks,
    limits: { ...limitsOf(context), deadlineMs: patienceMs },
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
      const waited = await awaitOldSnapshots(context, snapshotsUntil, endBlockers);
      // What came meanwhile; where nobody writes, and nothing was waited for, nothing did.
      if (applied > 0 || waited) await applier.catchUp();
      await planReady(context, session, apply);
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
    swap: () => [refuseAlteredStatement(unlocked), ...statements],
    ...(await inspecting(context, session, shadowOid, target)),
    emit,
    signal,
  });
}

function statementsOf(context: RunContext, target: TableShape): string[] {
  const { plan, schemas, capture } = context;
  const { definitions } = plan;
  return [
    // Not before the drain: it needs the index, and every change of the shadow makes its plans void.
    ...dropHelperIndexStatements(helperIndexFacts(context)),
    ...autovacuumRestoreStatements(target, schemas.shadow),
    ...swapStatements({
      table: plan.table,
      shadowSchema: schemas.shadow,
      oldSchema: schemas.old,
      source: plan.source,
      target,
      columns: plan.columns,
      serials: plan.serials,
      dropCapture: capture.endStatements(),
      unvalidated: unvalidatedConstraintStatements(target, schemas.shadow),
      detach: detachStatements({ table: plan.table, ...definitions }),
      attach: attachDefinitions({ table: plan.table, target: definitions.target }),
      markSwapped: markSwappedStatement,
    }),
  ];
}

/** Event triggers fire at the statements of the swap too. Where there are none, nobody else can be in its transaction. */
async function inspecting(
  { control, plan }: RunContext,
  session: Session,
  oid: number,
  target: TableShape,
): Promise<{ readonly inspect?: () => Promise<void> }> {
  if ((await readEventTriggers(control)).length === 0) return {};
  return { inspect: () => inspectSwapped(session, { oid, target, definitions: plan.definitions.target }) };
}
