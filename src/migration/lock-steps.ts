/** The plan's lock set as the swap takes it. */
import type { Session } from '../db/session.js';
import { dropForeignKey } from '../ddl/foreign-key-sql.js';
import type { LockStep } from '../locks/locked-transaction.js';
import { ident, qualified } from '../sql/quote.js';
import type { CopyPlan } from './context.js';

export interface LockSteps {
  readonly before: readonly LockStep[];
  readonly after: readonly LockStep[];
  /** Foreign keys that are dropped by a step already. */
  readonly droppedKeys: readonly number[];
}

/**
 * LOCK TABLE takes a view's tables along, also those that are nobody's business; changing a view's owner to its owner locks
 * the view alone. And a role may reference a table that it may not lock: dropping the foreign key locks it.
 */
export async function lockSteps(session: Session, plan: CopyPlan): Promise<LockSteps> {
  const { source, target } = plan.definitions;
  const oids = plan.lockSet.map(({ oid }) => oid);
  const lockable = new Set(
    (
      await session.rows<{ oid: number }>({
        text: `select o as oid from unnest($1::oid[]) as o where has_table_privilege(o, 'update, delete, truncate')`,
        values: [oids],
      })
    ).map(({ oid }) => oid),
  );
  const droppedKeys: number[] = [];
  const steps = plan.lockSet.map(({ oid, name, kind, mode }): LockStep[] => {
    if (kind === 'view') {
      const view = target.views.find((each) => each.oid === oid);
      const type = view?.materialized === true ? 'materialized view' : 'view';
      const owner = ident(view?.owner ?? '');
      return [{ kind: 'statement', oid, statement: `alter ${type} ${qualified(name)} owner to ${owner}` }];
    }
    const keys = source.foreignKeysOut.filter(({ referencesOid }) => referencesOid === oid);
    if (lockable.has(oid) || keys.length === 0) return [{ kind: 'table', oid, table: qualified(name), mode }];
    droppedKeys.push(...keys.map((key) => key.oid));
    return keys.map((key) => ({ kind: 'statement', oid, statement: dropForeignKey(key) }));
  });
  const own = oids.indexOf(plan.source.oid);
  return { before: steps.slice(0, own).flat(), after: steps.slice(own + 1).flat(), droppedKeys };
}
