/** Rows that are in one table only because two keys have become one, as seen by their numbers under the lock. */
import { advice, doing } from '../advice.js';
import type { ApplyPlan } from '../apply/apply-plan.js';
import { extraRows } from '../apply/audit.js';
import type { Session } from '../db/session.js';
import { DifferentError } from '../errors.js';
import { displayName } from '../sql/quote.js';

/** Rows that were put right by the time that they were looked for; an error of another kind would come for ever. */
export const maxRepairedTries = 20;

/** Under the lock it came out that the shadow has not as many rows as the source: two keys have become one. */
export class RowsLost extends Error {
  constructor(readonly from: Audited) {
    super('the tables do not have the same number of rows');
  }
}

export interface Audited {
  readonly apply: ApplyPlan;
  readonly applier: {
    readonly session: Session;
    /** Brings back what is missing. @returns how many rows that were */
    readonly audit: () => Promise<number>;
  };
}

/** Throws with the keys of two rows; or brings back what was lost, and then the swap is tried again. */
export async function findLost({ applier, apply }: Audited, tries: number): Promise<void> {
  if ((await applier.audit()) > 0 && tries < maxRepairedTries) return;
  const extra = await extraRows(applier.session, apply);
  if (extra.length === 0 && tries < maxRepairedTries) return;
  const lines = extra.map((key) => `\n  ${key}: only in ${displayName(apply.to)}`);
  throw new DifferentError(
    'differences',
    `${displayName(apply.to)} does not have as many rows as ${displayName(apply.from)}${lines.join('')}`,
    {
      details: {
        columns: [],
        differences: extra.map((key) => ({ kind: 'extra', key: [key], source: null, shadow: null })),
      },
      state: `nothing was swapped; the source is untouched, and migration ${apply.id} keeps its state`,
      hint: advice`${doing('abort', apply.id)} undoes the migration`,
    },
  );
}
