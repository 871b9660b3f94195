/** catch-up: applies the log until what is left of it is small (invariants 3, 4, 5). */
import { LogApplier } from '../log-applier.js';
import { closeGap } from '../lost-captures.js';
import type { TableContext } from '../context.js';
import type { Transition } from '../../model/phase.js';

export async function catchUpPhase(context: TableContext): Promise<Transition> {
  await closeGap(context);
  await using applier = await LogApplier.open(context);
  await applier.catchUpFollowing();
  await context.at('caught-up');
  return 'done';
}
