/** validate: what follows the swap and locks nobody out. The tables are swapped: whatever fails here can be done again. */
import { completeSwap } from '../after-swap.js';
import { onAnySession, type RunContext } from '../context.js';
import type { Transition } from '../machine.js';

export async function validate(context: RunContext): Promise<Transition> {
  const { plan, settings, emit, signal } = context;
  await onAnySession(context, (session) =>
    completeSwap({
      session,
      plan,
      lockTimeoutMs: settings.lockTimeoutMs,
      deadlineMs: settings.cutoverDeadlineMs,
      emit,
      signal,
    }),
  );
  return 'done';
}
