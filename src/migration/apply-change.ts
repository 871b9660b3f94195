/** The change, made by PostgreSQL on a clone. */
import { findTable } from '../catalog/table.js';
import type { Session } from '../db/session.js';
import { readChange } from '../plan/change.js';
import { retargetStatement } from '../plan/retarget-statement.js';
import type { Plan } from '../plan/types.js';

/** Makes the change on the clone in this schema, in the caller's transaction. @returns the clone's OID */
export async function applyChange(
  session: Session,
  { request, table, settings }: Plan,
  schema: string,
): Promise<number> {
  await session.under(settings, async () => {
    for (const statement of readChange(request).statements)
      await session.execute(retargetStatement(statement, schema));
  });
  const clone = await findTable(session, { schema, name: table.name });
  if (clone === null) throw new Error('the clone is gone');
  return clone.oid;
}
