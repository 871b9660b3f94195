/**
 * Which migration a table is in, by its OID and not by its name, and what to say of one whose state came with a dump or a copy of
 * another database: it cannot go on here, since nobody knows what its log has missed; it can be removed.
 */
import { advice, doing } from '../advice.js';
import type { Session } from '../db/session.js';
import { RefusedError } from '../errors.js';
import { displayName } from '../sql/quote.js';
import { listMigrations, type MigrationRecord } from '../state/migrations.js';
import type { TableRecord } from '../state/tables.js';
import type { Relation } from '../state/own-objects.js';
import { whereabouts, type Origin, type TablePlaces } from '../state/whereabouts.js';
import { isEnded, isOver } from '../model/phase.js';

export function elsewhere(
  { id, phase, tables }: MigrationRecord,
  origin: Exclude<Origin, 'here'>,
): RefusedError {
  const how =
    origin === 'copied'
      ? 'this database is a copy of the one in which it was begun'
      : 'it came here with a dump of the database in which it was begun';
  return new RefusedError(
    [
      {
        code: 'state-from-elsewhere',
        message: `migration ${id} of ${tables.map(({ table }) => displayName(table)).join(', ')} was not begun in this database: ${how}`,
        hint: isEnded(phase)
          ? advice`${doing('finalize', id)} drops the table that is kept here; the other database keeps its own`
          : advice`${doing('abort', id)} removes it here, then run again; the other database keeps its own`,
      },
    ],
    { state: 'nothing was changed' },
  );
}

export interface MigrationOfTable {
  readonly record: MigrationRecord;
  readonly origin: Origin;
  /** The one of its tables that was meant. */
  readonly table: TablePlaces;
}

export interface MigrationsOfTable {
  readonly active: MigrationOfTable | null;
  /** The last one that has swapped, or was rolled back, and still keeps the other table. */
  readonly swapped: MigrationOfTable | null;
}

/** What a table has to do with migrations. */
export async function migrationsOf(session: Session, table: Relation): Promise<MigrationsOfTable> {
  let active: MigrationOfTable | null = null;
  let swapped: MigrationOfTable | null = null;
  for (const record of await listMigrations(session)) {
    if (isOver(record.phase)) continue;
    const { origin, tables } = await whereabouts(session, record);
    const found = tables.find((each) => isOf(table, each, origin));
    if (found === undefined) continue;
    if (isEnded(record.phase)) swapped = { record, origin, table: found };
    else active ??= { record, origin, table: found };
  }
  return { active, swapped };
}

/** Of one that came with a dump before its capture was on nothing is left but the name. */
function isOf(table: Relation, found: TablePlaces, origin: Origin): boolean {
  if (found.table !== null) return found.table.oid === table.oid;
  const { schema, name } = found.record.table;
  return origin === 'restored' && schema === table.schema && name === table.name;
}

/** The active migration that a table of this name was in when it began, wherever that table is now. */
export async function activeUnderName(
  session: Session,
  wanted: { readonly schema: string | null; readonly name: string },
): Promise<MigrationOfTable | null> {
  for (const record of await listMigrations(session)) {
    if (isEnded(record.phase)) continue;
    const isMeant = ({ table: { schema, name } }: TableRecord): boolean =>
      name === wanted.name && (wanted.schema ?? schema) === schema;
    if (!record.tables.some(isMeant)) continue;
    const { origin, tables } = await whereabouts(session, record);
    const table = tables.find((each) => isMeant(each.record));
    if (table !== undefined) return { record, origin, table };
  }
  return null;
}
