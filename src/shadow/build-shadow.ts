/** The shadow as a migration begins with it: for a run, and for a rehearsal of its swap with an empty table. */
import type { TableShape } from '../model/table-shape.js';
import type { Session } from '../db/session.js';
import { bareHeapStatements } from '../ddl/bare-heap-sql.js';
import type { TablePlan } from '../model/plan.js';
import { withLateChecks } from '../plan/checks/late-checks.js';
import { markOf, type MigrationIdentity } from '../sql/marks.js';
import { createSchemaStatements } from '../state/schema-sql.js';
import { setRightBareHeap } from './build-clone.js';
import { buildChangedClone } from './changed-clone.js';

export interface ShadowFacts {
  readonly plan: Parameters<typeof buildChangedClone>[1] & Pick<TablePlan, 'lateChecks'>;
  readonly schemas: { readonly shadow: string; readonly old: string };
  /** Whose it is: the marks on the schemas say so. */
  readonly owner: MigrationIdentity;
}

/**
 * Two schemas of ours, and in one of them the changed table as a bare heap. In the caller's transaction.
 *
 * @returns the shape that it must have when it is swapped in
 */
export async function buildShadow(
  session: Session,
  { plan, schemas, owner }: ShadowFacts,
): Promise<TableShape> {
  await session.batch([
    ...createSchemaStatements(schemas.shadow, markOf(owner, 'shadow')),
    ...createSchemaStatements(schemas.old, markOf(owner, 'old table')),
  ]);
  const built = await buildChangedClone(session, plan, schemas.shadow);
  const target = withLateChecks(built, plan.lateChecks);
  await session.batch(bareHeapStatements(target, schemas.shadow));
  await setRightBareHeap(session, target);
  return target;
}
