/** `plan`: what a run would do. And the two things that only a run needs from it: the clone, and the change on it. */
import { findTable } from '../catalog/table.js';
import { Session } from '../db/session.js';
import { readChange } from '../plan/change.js';
import { makePlan } from '../plan/plan.js';
import { retargetStatement } from '../plan/retarget-statement.js';
import type { ChangeRequest, Plan } from '../plan/types.js';
import { cloneStatements } from '../shadow/clone-sql.js';
import { breakOffWhenAsked, explained } from './server-errors.js';
import type { PlanOptions } from './types.js';

/**
 * What would happen. Changes nothing. That the change is refused is a verdict, not an error.
 *
 * @throws UsageError, RefusedError `no-such-table`, FailedError `cannot-connect`
 */
export async function plan(options: PlanOptions): Promise<Plan> {
  return await explained(options, 'nothing was changed', async () => {
    await using session = await Session.open({
      connection: options.connection,
      applicationName: 'pg-ghost plan',
    });
    breakOffWhenAsked(options, session);
    return await planOn(session, options.request);
  });
}

export async function planOn(session: Session, request: ChangeRequest): Promise<Plan> {
  return makePlan(session, request, { buildClone: cloneStatements });
}

/** Makes the change on the clone in this schema, in the caller's transaction. @returns the clone's OID */
export async function applyChange(
  session: Session,
  { request, table }: Plan,
  schema: string,
): Promise<number> {
  for (const statement of readChange(request).statements)
    await session.execute(retargetStatement(statement, schema));
  const clone = await findTable(session, { schema, name: table.name });
  if (clone === null) throw new Error('the clone is gone');
  return clone.oid;
}
