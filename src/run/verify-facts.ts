/** What the comparison has to know of a stream, and what comes of it. */
import { advice, doing } from '../advice.js';
import { readKeyOrder } from '../catalog/key-order.js';
import { readValueImages } from '../catalog/value-images.js';
import type { Session } from '../db/session.js';
import { DifferentError } from '../errors.js';
import { displayName } from '../sql/quote.js';
import type { StreamFacts } from '../stream/stream.js';
import { describeDifference } from '../verify/difference-text.js';
import { maxDifferences, type VerifyResult } from '../verify/verifier.js';
import { verifyPlan, type SwapMoment, type VerifyPlan } from '../verify/verify-plan.js';

/** The comparison of a stream's two ends. */
export async function verifyPlanOf(
  session: Session,
  stream: StreamFacts,
  sinceSwap: SwapMoment | null = null,
): Promise<VerifyPlan> {
  const { columns } = stream.way.key;
  const names = { from: columns.map(({ name }) => name), to: columns.map(({ targetName }) => targetName) };
  return verifyPlan({
    stream,
    sinceSwap,
    images: await readValueImages(session, stream.to),
    fromOrder: await readKeyOrder(session, stream.from, names.from),
    toOrder: await readKeyOrder(session, stream.to, names.to),
  });
}

/** Nothing is swapped past this (invariant 10). */
export function differencesFound(
  id: number,
  plan: VerifyPlan,
  result: VerifyResult,
  state: string,
): DifferentError {
  const { differences } = result;
  const lines = differences.map((difference) => `  ${describeDifference(plan, difference)}`);
  const more = differences.length >= maxDifferences ? `, the first ${maxDifferences} of them` : '';
  return new DifferentError(
    'differences',
    `${displayName(plan.to)} does not hold what ${displayName(plan.from)} holds${more}:\n${lines.join('\n')}`,
    {
      details: {
        columns: plan.compared.map(({ name }) => name),
        differences: differences.map(({ kind, key, from, to }) => ({ kind, key, source: from, shadow: to })),
      },
      state,
      hint: advice`${doing('verify', id)} compares again, ${doing('abort', id)} undoes the migration; an expression that gives another value each time cannot be compared: --verify off`,
    },
  );
}
