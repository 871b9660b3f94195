/** catch-up: applies the log until what is left of it is small (invariants 3, 4, 5). */
import { catchUp as applyBacklog } from '../../apply/applier.js';
import type { ApplyPlan } from '../../apply/apply-plan.js';
import type { Session } from '../../db/session.js';
import { relaxedCommit } from '../../db/settings.js';
import { applyPlanOf } from '../apply-facts.js';
import type { RunContext } from '../context.js';
import type { Transition } from '../machine.js';
import { recordedCheck } from '../source-check.js';

export async function catchUp(context: RunContext): Promise<Transition> {
  const plan = await applyPlanOf(context);
  await context.sessions.use(
    'apply',
    1,
    async ([session]) => {
      if (session !== undefined) await catchUpOn(context, session, plan);
    },
    relaxedCommit,
  );
  await context.at('caught-up');
  return 'done';
}

/** On a session of the caller's. */
export async function catchUpOn(context: RunContext, session: Session, plan: ApplyPlan): Promise<void> {
  const { emit, signal } = context;
  const source = await recordedCheck(context);
  await applyBacklog({
    plan,
    session,
    // Where the rows lie does not matter any more: keys find them.
    checkSource: (current) => source.check(current, { fileMayMove: true }),
    onProgress: (progress) => emit('apply:progress', progress),
    at: context.at,
    signal,
  });
}
