/** What the comparison has to know of a migration: before the swap source and shadow, after it the old table and the new one. */
import { changeLog } from '../capture/key-log.js';
import { readKeyOrder } from '../catalog/key-order.js';
import type { TableShape } from '../model/table-shape.js';
import { readValueImages } from '../catalog/value-images.js';
import type { Session } from '../db/session.js';
import { DifferentError } from '../errors.js';
import { displayName } from '../sql/quote.js';
import type { QualifiedName } from '../model/name.js';
import { describeDifference } from '../verify/difference-text.js';
import { maxDifferences, type VerifyResult } from '../verify/verifier.js';
import { verifyPlan, type Exclusion, type VerifyPlan } from '../verify/verify-plan.js';
import type { CopyPlan } from './context.js';

export interface VerifySubject {
  readonly id: number;
  readonly plan: CopyPlan;
  readonly target: TableShape;
  /** Which of them is compared with which. */
  readonly tables: { readonly source: QualifiedName; readonly shadow: QualifiedName };
  /** null before the swap. */
  readonly swap: { readonly xid: string; readonly inProgress: readonly string[] } | null;
}

export async function verifyPlanOf(session: Session, subject: VerifySubject): Promise<VerifyPlan> {
  const { plan, target, tables } = subject;
  const columns = plan.key.columns;
  return verifyPlan({
    plan: { ...plan, target },
    tables,
    exclusion: exclusionOf(subject),
    images: await readValueImages(session, tables.shadow),
    sourceOrder: await readKeyOrder(
      session,
      tables.source,
      columns.map((column) => column.name),
    ),
    shadowOrder: await readKeyOrder(
      session,
      tables.shadow,
      columns.map((column) => column.targetName),
    ),
  });
}

function exclusionOf({ id, plan, swap }: VerifySubject): Exclusion {
  if (swap !== null) return { kind: 'since-swap', swapXid: swap.xid, inProgress: swap.inProgress };
  const { parts, truncations, columns } = changeLog(id, plan.key);
  return { kind: 'log', parts, truncations, columns };
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
    `${displayName(plan.shadow)} does not hold what ${displayName(plan.source)} holds${more}:\n${lines.join('\n')}`,
    {
      details: {
        columns: plan.compared.map(({ name }) => name),
        differences: differences.map(({ kind, key, source, shadow }) => ({ kind, key, source, shadow })),
      },
      state,
      hint: `pg-ghost verify ${id} compares again, pg-ghost abort ${id} undoes the migration; an expression that gives another value each time cannot be compared: --verify off`,
    },
  );
}
