/** What the tries for one swap have in common. */
import type { ApplyPlan } from '../../apply/apply-plan.js';
import type { TableShape } from '../../model/table-shape.js';
import type { Session } from '../../db/session.js';
import { expectedTarget, type RunContext, type TableContext } from '../context.js';
import { LogApplier } from '../log-applier.js';

/** Of the deadline, what tries that ended in front of DDL have used up: it does not begin anew with each. */
export interface Patience {
  spentMs: number;
}

export interface SwapWork {
  /** Of the swap alone; see ready.ts. */
  readonly session: Session;
  readonly tables: readonly [SwappedTable, ...SwappedTable[]];
  readonly patience: Patience;
}

/** One of the tables that are swapped together. */
export interface SwappedTable {
  readonly context: TableContext;
  readonly applier: LogApplier;
  readonly target: TableShape;
  readonly apply: ApplyPlan;
}

export class SwappedTables implements AsyncDisposable {
  private constructor(readonly all: readonly [SwappedTable, ...SwappedTable[]]) {}

  static async open({ tables }: RunContext): Promise<SwappedTables> {
    const opened: SwappedTable[] = [];
    try {
      for (const context of tables) {
        const target = await expectedTarget(context);
        const applier = await LogApplier.open(context);
        opened.push({ context, applier, target, apply: applier.plan });
      }
      const [first, ...others] = opened;
      if (first === undefined) throw new Error('a migration has at least one table');
      return new SwappedTables([first, ...others]);
    } catch (error) {
      await closeAll(opened);
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await closeAll(this.all);
  }
}

async function closeAll(tables: readonly SwappedTable[]): Promise<void> {
  await Promise.all(tables.map(({ applier }) => applier[Symbol.asyncDispose]()));
}

/** @returns the number of entries that were applied */
export async function catchUpAll(tables: readonly Pick<SwappedTable, 'applier'>[]): Promise<number> {
  let applied = 0;
  for (const { applier } of tables) applied += await applier.catchUp();
  return applied;
}
