/** validate: what follows the swap and locks nobody out. Whatever fails here can be done again. */
import { advice, doing } from '../../advice.js';
import { completeSwap } from '../../swap/after-swap.js';
import { isConnectionLost, messageOf } from '../../db/sqlstate.js';
import { swappedTables } from '../../state/stored-plan.js';
import { removeLeftovers } from '../cleanup.js';
import { onAnySession, type RunContext } from '../context.js';
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
      tables: swappedTables(record),
      lockTimeoutMs: settings.lockTimeoutMs,
      deadlineMs: settings.cutoverDeadlineMs,
      ...(context.control.lost.aborted ? {} : { watcher: context.watcher }),
      onLock: context.ledger.add,
      emit,
      signal,
    }),
  );
  await at('validated');
  return 'done';
}
