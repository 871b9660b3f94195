/**
 * Where the tables of a migration are now, whatever they are called, and whether its state belongs to this database at all. A
 * dump that was taken in the middle of a migration brings state, triggers and shadow along, but every object under another
 * OID; a copy of the whole database (a template, pg_upgrade) has the same OIDs under another identity of the database.
 */
import type { Session } from '../db/session.js';
import { isOver, isRolledBack, isSwapped } from '../model/phase.js';
import type { MigrationRecord } from './migrations.js';
import type { TableRecord } from './tables.js';
import {
  capturedTables,
  findRelation,
  findRelationNamed,
  readOwnObjects,
  type OwnObjects,
  type OwnSchema,
  type Relation,
} from './own-objects.js';
import { schemasOf } from './schema-sql.js';
import { isSameDatabase, readHome } from './server-identity.js';

/** `here`: it was begun in this database, or has ended. `copied`: in one that this is a copy of. `restored`: its OIDs are not those of this one. */
export type Origin = 'here' | 'copied' | 'restored';

export interface Whereabouts {
  readonly origin: Origin;
  readonly own: OwnObjects;
  /** In the order of the record's. */
  readonly tables: readonly [TablePlaces, ...TablePlaces[]];
}

/** Of one table of the migration. */
export interface TablePlaces {
  readonly record: TableRecord;
  /** The user's: the source, or the new table after the swap. null when it is gone, or cannot be told. */
  readonly table: Relation | null;
  /** null after the swap, and when it is gone. */
  readonly shadow: Relation | null;
  /** null before the swap, and when it is gone. */
  readonly old: Kept | null;
  /** After a swap or a rollback: the one of the two that is not in use. null before, and when it is gone. */
  readonly kept: Kept | null;
}

/** `isOutside`: somebody has taken it out of our schema. */
type Kept = Relation & { readonly isOutside: boolean };

export async function whereabouts(session: Session, record: MigrationRecord): Promise<Whereabouts> {
  const isHome = record.server === null || isSameDatabase(record.server, await readHome(session));
  // Another database gives the same numbers to other schemas.
  const own = await readOwnObjects(session, record, isHome ? record.tables : []);
  const fits = await oidsFit(session, record, own, isHome);
  const isEnded = isOver(record.phase);
  const places = async (table: TableRecord): Promise<TablePlaces> => {
    const found = isEnded ? nowhere : await placesOf(session, { migration: record, table, own, fits });
    return { record: table, ...found };
  };
  const [first, ...others] = record.tables;
  const tables: [TablePlaces, ...TablePlaces[]] = [await places(first)];
  for (const table of others) tables.push(await places(table));
  return { origin: isEnded || (fits && isHome) ? 'here' : fits ? 'copied' : 'restored', own, tables };
}

type Places = Omit<TablePlaces, 'record'>;

const nowhere: Places = { table: null, shadow: null, old: null, kept: null };

interface Search {
  readonly migration: MigrationRecord;
  readonly table: TableRecord;
  readonly own: OwnObjects;
  /** The recorded OIDs are those of this database. */
  readonly fits: boolean;
}

async function placesOf(session: Session, { migration, table, own, fits }: Search): Promise<Places> {
  const inSchema = async (role: OwnSchema['role']): Promise<Relation | null> => {
    const schema = schemaOf(own, migration, table, role);
    return schema === null
      ? null
      : await findRelationNamed(session, { schema: schema.name, name: table.table.name });
  };
  const asKept = (found: Relation | null): Kept | null =>
    found === null
      ? null
      : { ...found, isOutside: !own.schemas.some((schema) => schema.name === found.schema) };
  if (!isSwapped(migration.phase)) {
    const shadow = fits ? await findRelation(session, table.shadowOid) : await inSchema('shadow');
    return {
      table: fits ? await findRelation(session, table.sourceOid) : carrier(own, migration, table),
      shadow,
      old: null,
      kept: isRolledBack(migration.phase) ? asKept(shadow) : null,
    };
  }
  const old = fits ? await findRelation(session, table.sourceOid) : await inSchema('old table');
  return {
    table:
      fits && table.shadowOid !== null
        ? await findRelation(session, table.shadowOid)
        : await findRelationNamed(session, table.table),
    shadow: null,
    old: asKept(old),
    kept: asKept(old),
  };
}

/** Of one table. Where there are several, the marks do not say of which: it is told by its OID, or else by its name. */
function schemaOf(
  own: OwnObjects,
  { tables }: MigrationRecord,
  table: TableRecord,
  role: OwnSchema['role'],
): OwnSchema | null {
  const schemas = own.schemas.filter((schema) => schema.role === role);
  if (tables.length === 1) return schemas[0] ?? null;
  const names = schemasOf(table);
  const [oid, name] =
    role === 'shadow' ? [table.schemaOids.shadow, names.shadow] : [table.schemaOids.old, names.old];
  return (
    schemas.find((schema) => schema.oid === oid) ?? schemas.find((schema) => schema.name === name) ?? null
  );
}

/**
 * Are the recorded OIDs those of this database? Each thing that the marks lead to is evidence, for or against: what capture is
 * on, and what lies in our schemas. Without any evidence the identity of the database decides.
 */
async function oidsFit(
  session: Session,
  record: MigrationRecord,
  own: OwnObjects,
  isHome: boolean,
): Promise<boolean> {
  const evidence: boolean[] = [];
  const captured = capturedTables(own).map(({ oid }) => oid);
  if (captured.length > 0) evidence.push(record.tables.some(({ sourceOid }) => captured.includes(sourceOid)));
  const role = isSwapped(record.phase) ? 'old table' : 'shadow';
  for (const table of record.tables) {
    const { sourceOid, shadowOid, schemaOids } = table;
    const expected = isSwapped(record.phase) ? sourceOid : shadowOid;
    for (const schema of [
      schemaOf(own, record, table, 'shadow'),
      schemaOf(own, record, table, 'old table'),
    ]) {
      if (schema === null) continue;
      const recorded = schema.role === 'shadow' ? schemaOids.shadow : schemaOids.old;
      // pg_upgrade keeps the OIDs of tables, and not those of schemas.
      if (recorded !== null && (isHome || recorded === schema.oid)) evidence.push(recorded === schema.oid);
      if (schema.role !== role || expected === null) continue;
      const kept = await findRelation(session, expected);
      // Renamed in there it is still ours.
      if (kept?.schema === schema.name) evidence.push(true);
      else if ((await findRelationNamed(session, { schema: schema.name, name: table.table.name })) !== null)
        evidence.push(false);
    }
  }
  return evidence.length === 0 ? isHome : evidence.includes(true);
}

/** What capture is on; where that is several tables, the one of the recorded name first. */
function carrier(
  own: OwnObjects,
  { tables: ofMigration }: MigrationRecord,
  { table: { schema, name } }: TableRecord,
): Relation | null {
  const tables = capturedTables(own);
  const found = tables.find((table) => table.schema === schema && table.name === name);
  return found ?? (ofMigration.length === 1 ? (tables[0] ?? null) : null);
}
