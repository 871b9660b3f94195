/** The locks for the swap did not come within the deadline: what is told of it, and how to go on. */
import { advice, doing } from '../advice.js';
import { CutoverNotObtainedError } from '../errors.js';
import type { LockNotObtained } from '../locks/attempts.js';
import { notObtainedDetails, notObtainedText } from '../locks/describe-miss.js';
import type { QualifiedName } from '../model/name.js';
import { displayName } from '../sql/quote.js';

export interface Unswapped {
  readonly id: number;
  readonly table: QualifiedName;
  readonly maxHoldMs: number;
}

export function notObtained(
  { id, table, maxHoldMs }: Unswapped,
  missed: LockNotObtained,
): CutoverNotObtainedError {
  return new CutoverNotObtainedError(
    'cutover-not-obtained',
    `${displayName(table)} was not swapped: ${notObtainedText(missed)}`,
    {
      details: notObtainedDetails(missed),
      state:
        'the source is untouched and goes on being captured; the shadow stays in sync as soon as the run continues',
      hint: advice`${wayOn(maxHoldMs, missed)}; ${doing('abort', id)} undoes`,
    },
  );
}

/** A quieter moment makes no swap shorter whose time goes for what hangs on the table. */
function wayOn(maxHoldMs: number, { miss }: LockNotObtained): string {
  if (miss.why !== 'hold')
    return 'run the same command again at a quieter moment, or with a longer --cutover-deadline';
  const held = miss.heldMs == null ? '' : ` after ${Math.round(miss.heldMs)} ms`;
  return `the last try was rolled back${held} with --max-hold ${maxHoldMs}: run the same command again with --max-hold ${Math.min(60_000, maxHoldMs * 2)} or more (plan says how long the swap should take, plan --rehearse in staging measures it)`;
}
