/** What the swap's session has planned before it holds a lock. */
import { planDrain, prepareDrain } from '../apply/applier.js';
import type { ApplyPlan } from '../apply/apply-plan.js';
import type { Session } from '../db/session.js';
import type { Definitions } from '../model/definitions.js';
import type { TableShape } from '../model/table-shape.js';
import { swappedSql, type SwapMark } from '../state/migrations.js';
import { prepareUnlockedStatements, readUnlockedStatement, type Unlocked } from './unlocked-sql.js';

/** The swap's last: marks the migration as swapped. */
export const markSwappedStatement = 'execute ghost_swapped';

export interface ReadyFacts {
  readonly id: number;
  readonly mark: SwapMark;
  readonly tables: readonly ReadyTable[];
}

interface ReadyTable {
  readonly apply: ApplyPlan;
  /** The table that is in use, and what hangs on it. */
  readonly source: TableShape;
  readonly hanging: Definitions;
  /** Makes the look at it known to the session. */
  readonly warmUp: () => Promise<void>;
}

/** Once in a session, which has `applySettings`. */
export async function prepareSwap(session: Session, { id, mark, tables }: ReadyFacts): Promise<void> {
  for (const { apply, warmUp } of tables) {
    await prepareDrain(session, apply);
    await warmUp();
  }
  const unlocked = tables.map(({ source, hanging }) => unlockedBy(source, hanging));
  await session.batch([
    ...prepareUnlockedStatements({
      relations: unlocked.flatMap(({ relations }) => relations),
      functions: unlocked.flatMap(({ functions }) => functions),
    }),
    `prepare ghost_swapped as ${swappedSql(id, mark)}`,
  ]);
}

/**
 * Shortly before the lock. What is looked at there is looked at now: the caches that others have changed since are read again.
 *
 * @param lookStatements the looks at the tables that are in use
 */
export async function planReady(
  session: Session,
  drains: readonly ApplyPlan[],
  lookStatements: readonly string[],
): Promise<void> {
  for (const apply of drains) await planDrain(session, apply);
  await session.batch([`explain ${markSwappedStatement}`, readUnlockedStatement, ...lookStatements]);
}

/** What the swap makes anew from what was read, and whose grants or text nobody keeps still. */
function unlockedBy(source: TableShape, { views, functions, rowTypeFunctions }: Definitions): Unlocked {
  return {
    relations: [
      source.oid,
      ...views.map(({ oid }) => oid),
      ...source.sequences.filter(({ identity }) => identity).map(({ oid }) => oid),
    ],
    functions: [...functions, ...rowTypeFunctions].map(({ oid }) => oid),
  };
}
