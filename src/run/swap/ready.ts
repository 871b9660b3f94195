/** What the swap's session has planned before it holds a lock. */
import { planDrain, prepareDrain } from '../../apply/applier.js';
import type { ApplyPlan } from '../../apply/apply-plan.js';
import { prepareUnlockedStatements, readUnlockedStatement, type Unlocked } from '../../swap/unlocked-sql.js';
import type { Session } from '../../db/session.js';
import { swappedSql } from '../../state/migrations.js';
import type { RunContext } from '../context.js';
import { lookStatement, warmUp } from '../source-check.js';

/** The swap's last: marks the migration as swapped. */
export const markSwappedStatement = 'execute ghost_swapped';

/** Once in a session, which has `applySettings`. */
export async function prepareSwap(context: RunContext, session: Session, apply: ApplyPlan): Promise<void> {
  await prepareDrain(session, apply);
  await warmUp(context, session);
  await session.batch([
    ...prepareUnlockedStatements(unlockedBy(context.plan)),
    `prepare ghost_swapped as ${swappedSql(context.id)}`,
  ]);
}

/** Shortly before the lock. What is looked at there is looked at now: the caches that others have changed since are read again. */
export async function planReady(context: RunContext, session: Session, apply: ApplyPlan): Promise<void> {
  await planDrain(session, apply);
  await session.batch([`explain ${markSwappedStatement}`, readUnlockedStatement, lookStatement(context)]);
}

/** What the swap makes anew from what was read, and whose grants or text nobody keeps still. */
function unlockedBy({ source, definitions }: RunContext['plan']): Unlocked {
  const { views, functions, rowTypeFunctions } = definitions.source;
  return {
    relations: [
      source.oid,
      ...views.map(({ oid }) => oid),
      ...source.sequences.filter(({ identity }) => identity).map(({ oid }) => oid),
    ],
    functions: [...functions, ...rowTypeFunctions].map(({ oid }) => oid),
  };
}
