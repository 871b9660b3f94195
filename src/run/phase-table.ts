/** What a run does in each phase. Each may be run again from its start; what else is known of them is in `model/phase.ts`. */
import { phaseTable, type RunningPhase, type Transition } from '../model/phase.js';
import type { RunContext, TableContext } from './context.js';
import { compacting } from './log-minder.js';
import { catchUpPhase } from './phases/catch-up.js';
import { copy } from './phases/copy.js';
import { swap } from './phases/cutover.js';
import { buildIndexes } from './phases/index-builds.js';
import { prepare } from './phases/prepare.js';
import { purgePhase } from './phases/purge.js';
import { settle } from './phases/settle.js';
import { validate } from './phases/validate.js';
import { verifyPhase } from './phases/verify.js';

type Work = (context: RunContext) => Promise<Transition>;

const work: Readonly<Record<RunningPhase, Work>> = {
  prepare,
  copy: eachTable(copy),
  purge: eachTable(purgePhase),
  index: eachTable(buildIndexes),
  'catch-up': eachTable(catchUpPhase),
  settle: eachTable(settle),
  verify: eachTable(verifyPhase),
  // All of them in one transaction.
  cutover: swap,
  validate,
};

/** One after the other; whatever it is that a table ends with before it is done, the phase ends with. */
function eachTable(one: (context: TableContext) => Promise<Transition>): Work {
  return async ({ tables }) => {
    for (const table of tables) {
      const transition = await one(table);
      if (transition !== 'done') return transition;
    }
    return 'done';
  };
}

/** With what goes on beside it. */
export function workOf(phase: RunningPhase): Work {
  return phaseTable[phase].compactsLog ? compacting(work[phase]) : work[phase];
}
