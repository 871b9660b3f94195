/** The table as the change makes it, empty, in a schema of ours: what becomes the shadow. */
import { withStarts } from '../catalog/sequences.js';
import { readTableShape } from '../catalog/shape.js';
import { findTable } from '../catalog/table.js';
import type { TableShape } from '../model/table-shape.js';
import type { Session } from '../db/session.js';
import { readChange } from '../plan/change/change.js';
import { OwnForeignKeys } from '../plan/trial/definitions/own-foreign-keys.js';
import type { CopyPlan } from '../model/plan.js';
import { buildClone } from './build-clone.js';
import { rebindStatements } from '../ddl/rebind-sql.js';

/** PostgreSQL makes the change itself. In the caller's transaction. */
export async function buildChangedClone(
  session: Session,
  {
    request,
    table,
    source,
    settings,
    definitions,
  }: Pick<CopyPlan, 'request' | 'table' | 'source' | 'settings' | 'definitions'>,
  schema: string,
): Promise<TableShape> {
  await buildClone(session, source, schema);
  const clone = await findTable(session, { schema, name: table.name });
  if (clone === null) throw new Error('the clone is gone');
  const before = await readTableShape(session, clone.oid);
  const { statements } = readChange(request);
  const foreignKeys = await OwnForeignKeys.prepare(session, {
    source,
    foreignKeysOut: definitions.source.foreignKeysOut,
    statements,
    clone: { schema, name: table.name, oid: clone.oid },
  });
  await foreignKeys.attach();
  await session.under(settings, async () => {
    for (const statement of statements) await session.execute(foreignKeys.retarget(statement));
  });
  await foreignKeys.takeOff({ withStandIns: true });
  const after = await readTableShape(session, clone.oid);
  await session.batch(rebindStatements({ source, before, after }));
  return await withStarts(session, before, await readTableShape(session, clone.oid));
}
