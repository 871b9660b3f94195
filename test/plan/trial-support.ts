/** The trial as a test runs it: on a real table, with the project's own clone. */
import { readDependents } from '../../src/catalog/dependents.js';
import { readDefinitions } from '../../src/catalog/read-definitions.js';
import { readTableShape } from '../../src/catalog/shape.js';
import { findTable } from '../../src/catalog/table.js';
import type { TableShape } from '../../src/model/table-shape.js';
import { Session } from '../../src/db/session.js';
import { readChange } from '../../src/plan/change/change.js';
import type { Change } from '../../src/plan/change/types.js';
import { tryChange } from '../../src/plan/trial/trial.js';
import type { Trial } from '../../src/plan/trial/types.js';
import type { ChangeRequest } from '../../src/model/change-request.js';
import { buildClone } from '../../src/shadow/build-clone.js';
import { rebindStatements } from '../../src/ddl/rebind-sql.js';
import type { TestDatabase } from '../support/database.js';

export function requestFor(table: string, parts: Partial<Omit<ChangeRequest, 'table'>>): ChangeRequest {
  return { table, alter: [], statements: [], set: [], rewrite: false, ...parts };
}

export async function openSession(db: TestDatabase, url = db.url): Promise<Session> {
  return await Session.open({ connection: { url } });
}

export async function runTrial(
  session: Session,
  request: ChangeRequest,
): Promise<{ trial: Trial; change: Change; source: TableShape }> {
  const table = await findTable(session, request.table);
  if (table === null) throw new Error(`no table ${request.table}`);
  const source = await readTableShape(session, table.oid);
  const change = readChange(request);
  const { role } = await session.row<{ role: string }>('select current_user::text as role');
  const definitions = await readDefinitions(session, table.oid);
  const trial = await tryChange(session, source, change, {
    buildClone,
    rebindClone: rebindStatements,
    definitions,
    dependents: await readDependents(session, table.oid),
    role,
  });
  return { trial, change, source };
}
