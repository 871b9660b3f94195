/** From what the user typed to a migration or a table. */
import { advice, named } from '../advice.js';
import { findTable, type FoundTable } from '../catalog/table.js';
import type { Session } from '../db/session.js';
import { RefusedError } from '../errors.js';
import { stateVersion } from '../state/layout.js';
import { findState, openState } from '../state/schema.js';
import { findMigration, listMigrations, type MigrationRecord } from '../state/migrations.js';
import { watchState } from '../state/watch-state.js';

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

/**
 * For whoever goes on to write: the state is brought up to date.
 * @throws RefusedError when there is no such migration.
 */
export async function resolveMigration(session: Session, id: number): Promise<MigrationRecord> {
  const record = (await openState(session, watchState)) ? await findMigration(session, id) : null;
  if (record === null) throw noSuchMigration(id);
  return record;
}

export interface FoundMigrations {
  /** Of the state: that of an earlier version stays as it is. */
  readonly layout: number;
  readonly records: readonly MigrationRecord[];
}

/**
 * For whoever only reads: nothing is written. All of them, or the one.
 * @throws RefusedError when there is no such migration.
 */
export async function lookUpMigrations(session: Session, id?: number): Promise<FoundMigrations> {
  const layout = await findState(session);
  if (id === undefined) {
    return layout === null
      ? { layout: stateVersion, records: [] }
      : { layout, records: await listMigrations(session, layout) };
  }
  const record = layout === null ? null : await findMigration(session, id, layout);
  if (layout === null || record === null) throw noSuchMigration(id);
  return { layout, records: [record] };
}

function noSuchMigration(id: number): RefusedError {
  return new RefusedError([
    {
      code: 'no-such-migration',
      message: `there is no migration ${id} in this database`,
      hint: advice`${named('status')} lists them`,
    },
  ]);
}
