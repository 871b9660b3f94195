/** The plan's lock set as the swap takes it. */
import type { Session } from '../db/session.js';
import type { LockStep } from '../locks/locked-transaction.js';
import { ident, qualified } from '../sql/quote.js';
import type { CopyPlan } from './context.js';

export interface LockSteps {
  readonly before: readonly LockStep[];
  readonly after: readonly LockStep[];
}

/**
 * LOCK TABLE takes a view's tables along, also those that are nobody's business; changing a view's owner to its owner locks
 * the view alone. A role may reference a table that it may not lock: dropping the foreign key locks that one, later in
 * the same transaction and under the same timeout.
 */
export async function lockSteps(session: Session, plan: CopyPlan): Promise<LockSteps> {
  const rows = await session.rows<{ oid: number }>({
    text: `select o as oid from unnest($1::oid[]) as o where has_table_privilege(o, 'update, delete, truncate')`,
    values: [plan.lockSet.map(({ oid }) => oid)],
  });
  const lockable = new Set(rows.map(({ oid }) => oid));
  const steps = plan.lockSet.map(({ oid, name, kind, mode }): LockStep[] => {
    if (kind === 'table') {
      return [{ kind: lockable.has(oid) ? 'table' : 'implicit', oid, table: qualified(name), mode }];
    }
    const view = plan.definitions.target.views.find((each) => each.oid === oid);
    const type = view?.materialized === true ? 'materialized view' : 'view';
    const owner = ident(view?.owner ?? '');
    const statement = `alter ${type} ${qualified(name)} owner to ${owner}`;
    return [{ kind: 'statement', oid, statement, table: qualified(name), mode }];
  });
  const own = plan.lockSet.findIndex(({ oid }) => oid === plan.source.oid);
  return { before: steps.slice(0, own).flat(), after: steps.slice(own + 1).flat() };
}
