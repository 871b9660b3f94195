/** From what the user typed to a migration or a table. */
import { advice, named } from '../advice.js';
import { findTable, type FoundTable } from '../catalog/table.js';
import type { Session } from '../db/session.js';
import { RefusedError } from '../errors.js';
import { hasState } from '../state/schema.js';
import { findMigration, type MigrationRecord } from '../state/migrations.js';
import { watchState } from './watch-state.js';

/** @throws RefusedError when there is no such table in the search path. */
export async function resolveTable(session: Session, name: string): Promise<FoundTable> {
  const found = await findTable(session, name);
  if (found !== null) return found;
  throw new RefusedError([
    {
      code: 'no-such-table',
      message: `there is no table ${name}`,
      hint: 'give it as SCHEMA.NAME, with double quotes as in SQL where the name has capitals or spaces',
    },
  ]);
}

/** @throws RefusedError when there is no such migration. */
export async function resolveMigration(session: Session, id: number): Promise<MigrationRecord> {
  const record = (await hasState(session, watchState)) ? await findMigration(session, id) : null;
  if (record !== null) return record;
  throw new RefusedError([
    {
      code: 'no-such-migration',
      message: `there is no migration ${id} in this database`,
      hint: advice`${named('status')} lists them`,
    },
  ]);
}
