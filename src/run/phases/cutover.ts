/**
 * cutover: the gate, then the swap, tried until it is through or the deadline has passed (invariants 9, 10, 11).
 *
 * A write that the new shape cannot take may arrive at any moment, even for the drain under the lock: that swap is rolled
 * back, and catch-up then names the row.
 */
import { applySettings } from '../../apply/apply-sql.js';
import { CutoverNotObtainedError } from '../../errors.js';
import type { LockedResult } from '../../locks/locked-transaction.js';
import { setHold } from '../../state/migrations.js';
import type { RunContext } from '../context.js';
import { isOpen } from '../../settings/cutover-window.js';
import { followSource } from '../follow-source.js';
import type { Transition } from '../../model/phase.js';
import { checkNewForeignKeys } from '../new-foreign-keys.js';
import { awaitCutover } from '../postponement.js';
import { SourceAltered, warmUp } from '../source-check.js';
import { prepareSwap } from '../../swap/ready.js';
import { rehearse, rehearsed } from '../cutover/rehearsal.js';
import { swapOrExplain } from '../cutover/tries.js';
import { catchUpAll, SwappedTables, type Patience, type SwapWork } from '../cutover/work.js';
import { createNextCaptures } from '../windows.js';
import { verifyWith } from './verify.js';

/** DDL that came before the swap is followed, and the swap tried again: whatever was prepared for it may be another one then. */
export async function swap(context: RunContext): Promise<Transition> {
  const patience = { spentMs: 0 };
  for (;;) {
    try {
      return await swapAsPlanned(context, patience);
    } catch (error) {
      if (!(error instanceof SourceAltered)) throw error;
      for (const table of context.tables) {
        if (error.no === null || error.no === table.no) await followSource(table, 'complete', error);
      }
    }
  }
}

/** @throws SourceAltered nothing was swapped */
async function swapAsPlanned(context: RunContext, patience: Patience): Promise<Transition> {
  const { control, sessions, id } = context;
  await using tables = await SwappedTables.open(context);
  for (const { context: table, applier } of tables.all) {
    if (table.balance.value === null) await applier.audit();
    await checkNewForeignKeys(table, applier);
  }
  // The swap's own commit waits for the disk, and for synchronous standbys, like any other.
  await createNextCaptures(control, context);
  const session = await sessions.open('cutover', applySettings);
  try {
    await prepareSwap(session, {
      id,
      mark: {
        direction: context.turn.direction,
        windows: tables.all.flatMap(({ context: { next, no } }) => (next === null ? [] : [no])),
      },
      tables: tables.all.map(({ context: table, apply }) => ({
        apply,
        source: table.plan.source,
        hanging: table.plan.definitions.source,
        warmUp: () => warmUp(table, session),
      })),
    });
    const work = { session, tables: tables.all, patience };
    const { holdMs } = await swapWhenAllowed(context, work);
    if (context.settings.rehearse) throw rehearsed(context, holdMs);
    context.steering.swap = 'done';
    await context.at('swapped');
    await setHold(control, id, holdMs);
  } finally {
    await sessions.release(session);
  }
  return 'done';
}

/** Where the window closes before the lock has come, it is tried again in the next one. */
async function swapWhenAllowed(context: RunContext, work: SwapWork): Promise<LockedResult<number>> {
  const { tables } = work;
  for (;;) {
    if (context.settings.rehearse) return await swapOrExplain(context, work, { rehearse: true });
    await awaitCutover(context, {
      catchUp: () => catchUpAll(tables),
      reverify: async () => {
        for (const { context: table, applier } of tables) await verifyWith(table, applier);
      },
      rehearse: () => rehearse(context, work),
    });
    try {
      return await swapOrExplain(context, work);
    } catch (error) {
      const { cutoverWindow: window } = context.settings;
      const isClosed = window !== null && !isOpen(window, new Date());
      if (!isClosed || !(error instanceof CutoverNotObtainedError) || context.steering.cutoverWasAskedFor)
        throw error;
      context.emit('warning', { code: error.code, message: error.message });
    }
  }
}
