/** All of the swap, and then it is taken back: asked for by a command while the swap is postponed, or by a run of its own. */
import { advice, doing } from '../../advice.js';
import { InterruptedError, PgGhostError } from '../../errors.js';
import type { Answer } from '../../state/stored-json.js';
import type { RunContext } from '../context.js';
import { swapOrExplain } from './tries.js';
import type { SwapWork } from './work.js';

export async function rehearse(context: RunContext, work: SwapWork): Promise<Answer> {
  try {
    const { holdMs, attempts, value } = await swapOrExplain(context, work, { rehearse: true });
    return {
      ok: true,
      said: `rehearsed and taken back at try ${attempts}: the lock would be held for ${holdMs.toFixed(1)} ms, ${value} keys drained`,
      details: { holdMs, attempts, drainedKeys: value },
    };
  } catch (error) {
    // The end of the run says nothing about the swap.
    if (!(error instanceof PgGhostError) || error instanceof InterruptedError) throw error;
    return {
      ok: false,
      said: `the swap would fail: ${error.message}`,
      details: { ...error.toJSON(), ...error.told },
    };
  }
}

/** Ends a run that was for the rehearsal alone. */
export function rehearsed({ id }: RunContext, holdMs: number): InterruptedError {
  return new InterruptedError(
    'rehearsed',
    `the swap was rehearsed and taken back: the lock would be held for ${holdMs.toFixed(1)} ms`,
    {
      details: { holdMs },
      state: `nothing was swapped; migration ${id} keeps its state`,
      hint: advice`${doing('resume', id)} goes on to the swap`,
    },
  );
}
