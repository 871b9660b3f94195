/** What the tries for one swap have in common. */
import type { ApplyPlan } from '../../apply/apply-plan.js';
import type { TableShape } from '../../model/table-shape.js';
import type { Session } from '../../db/session.js';
import type { LogApplier } from '../log-applier.js';

/** Of the deadline, what tries that ended in front of DDL have used up: it does not begin anew with each. */
export interface Patience {
  spentMs: number;
}

export interface SwapWork {
  /** Of the swap alone; see ready.ts. */
  readonly session: Session;
  readonly applier: LogApplier;
  readonly target: TableShape;
  readonly apply: ApplyPlan;
  readonly patience: Patience;
}
