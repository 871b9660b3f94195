/** validate: what follows the swap and locks nobody out. Whatever fails here can be done again. */
import { advice, doing } from '../../advice.js';
import { completeSwap } from '../../swap/after-swap.js';
import { isConnectionLost, messageOf } from '../../db/sqlstate.js';
import { removeLeftovers } from '../cleanup.js';
import { settleWindows, swappedOids } from '../windows.js';
import { onAnySession, type RunContext } from '../context.js';
import type { MigrationRecord } from '../../state/migrations.js';
import { resolveMigration as recordOf } from '../find-table.js';
import type { Transition } from '../../model/phase.js';

export async function validate(context: RunContext): Promise<Transition> {
  const { id, settings, emit, signal, at } = context;
  const record = await onAnySession(context, (session) => recordOf(session, id));
  // The tables are swapped: whatever goes wrong with the rest, the migration has succeeded, and finalize does it again.
  try {
    await onAnySession(context, (session) => removeLeftovers(session, record));
  } catch (error) {
    if (isConnectionLost(error)) throw error;
    emit('warning', {
      code: 'leftovers',
      message: `the change log could not be dropped (${messageOf(error)})`,
      hint: advice`${doing('finalize', id)} does it`,
    });
  }
  await at('leftovers-removed');
  await onAnySession(context, async (session) =>
    completeSwap({
      session,
      tables: completedTables(context, record),
      lockTimeoutMs: settings.lockTimeoutMs,
      deadlineMs: settings.cutoverDeadlineMs,
      ...(context.control.lost.aborted ? {} : { watcher: context.watcher }),
      onLock: context.ledger.add,
      emit,
      signal,
    }),
  );
  await at('validated');
  await settle(context, record);
  await at('window-settled');
  return 'done';
}

/** The way back needs it, and does it again where it was not done. */
async function settle(context: RunContext, record: MigrationRecord): Promise<void> {
  try {
    await onAnySession(context, (session) => settleWindows(session, record));
  } catch (error) {
    if (isConnectionLost(error)) throw error;
    context.emit('warning', {
      code: 'window-not-settled',
      message: `the table that is kept could not be made ready for a rollback (${messageOf(error)})`,
      hint: advice`${doing('rollback', context.id)} tries again`,
    });
  }
}

/** By what the run has swapped: what comes onto a table depends on the way. */
function completedTables(
  { tables }: RunContext,
  record: MigrationRecord,
): Parameters<typeof completeSwap>[0]['tables'] {
  return tables.map(({ no, plan }) => {
    const table = record.tables.find((each) => each.no === no);
    return { plan, newTable: table === undefined ? null : swappedOids(record, table).inUse };
  });
}
