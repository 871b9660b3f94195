/**
 * What a migration has put into the database, as it is there now: recognised by its marks, never by a name. Whoever removes
 * something of ours asks here, and drops what this says.
 */
import type { Session } from '../db/session.js';
import { ident, qualified } from '../sql/quote.js';
import type { QualifiedName } from '../model/name.js';
import type { Direction } from '../model/direction.js';
import { directionOf, type MigrationIdentity } from '../sql/marks.js';
import { capturesOfSql, markedMigrationsSql, ownObjectsSql, slotMigrationsSql } from './own-objects-sql.js';

export interface Relation extends QualifiedName {
  readonly oid: number;
}

export interface OwnSchema {
  readonly oid: number;
  readonly name: string;
  readonly role: 'shadow' | 'old table';
}

/** Part of a capture. */
interface OwnObject extends QualifiedName {
  readonly direction: Direction;
}

interface OwnTrigger {
  readonly name: string;
  readonly table: Relation;
  readonly direction: Direction;
}

interface OwnPublication {
  readonly name: string;
  /** null where it was taken out. */
  readonly table: Relation | null;
}

export interface OwnObjects {
  readonly schemas: readonly OwnSchema[];
  readonly functions: readonly OwnObject[];
  /** Of the change log. */
  readonly tables: readonly OwnObject[];
  readonly types: readonly OwnObject[];
  /** By the function that they run. Usually on the source; wherever they are, the functions cannot go without them. */
  readonly triggers: readonly OwnTrigger[];
  readonly publications: readonly OwnPublication[];
  /** Of the whole server, by their names. */
  readonly slots: readonly string[];
}

/** What there is to remove of a migration. The shadows carry no mark. */
export interface Removable {
  readonly own: OwnObjects;
  readonly shadows: readonly Relation[];
}

interface TableSchemas {
  readonly schemaOids: { readonly shadow: number | null; readonly old: number | null };
}

interface Row {
  readonly kind: 'schema' | 'function' | 'table' | 'type' | 'trigger' | 'publication' | 'slot';
  readonly oid: number;
  readonly schema: string | null;
  readonly name: string;
  readonly role: string;
  readonly tableOid: number | null;
  readonly tableSchema: string | null;
  readonly tableName: string | null;
}

/** @param tables with the OIDs of their schemas as recorded, where these are those of this database */
export async function readOwnObjects(
  session: Session,
  { identity }: Pick<MigrationIdentity, 'identity'>,
  tables: readonly TableSchemas[] = [],
): Promise<OwnObjects> {
  const known = (oids: readonly (number | null)[]): number[] => oids.filter((oid) => oid !== null);
  const rows = await session.rows<Row>(
    ownObjectsSql(identity, {
      shadow: known(tables.map(({ schemaOids }) => schemaOids.shadow)),
      old: known(tables.map(({ schemaOids }) => schemaOids.old)),
    }),
  );
  const named = (kind: Row['kind']): OwnObject[] =>
    rows.flatMap((row) =>
      row.kind === kind
        ? [{ schema: row.schema ?? '', name: row.name, direction: directionOf(row.role) }]
        : [],
    );
  return {
    schemas: rows.flatMap(({ kind, oid, name, role }) =>
      kind === 'schema' ? [{ oid, name, role: role === 'shadow' ? 'shadow' : 'old table' }] : [],
    ),
    functions: named('function'),
    tables: named('table'),
    types: named('type'),
    slots: rows.flatMap(({ kind, name }) => (kind === 'slot' ? [name] : [])),
    publications: rows.flatMap((row) =>
      row.kind === 'publication' ? [{ name: row.name, table: tableOf(row) }] : [],
    ),
    triggers: rows.flatMap((row) => {
      const table = tableOf(row);
      return row.kind === 'trigger' && table !== null
        ? [{ name: row.name, table, direction: directionOf(row.role) }]
        : [];
    }),
  };
}

function tableOf({ tableOid, tableSchema, tableName }: Row): Relation | null {
  return tableOid === null || tableSchema === null || tableName === null
    ? null
    : { oid: tableOid, schema: tableSchema, name: tableName };
}

/** What there is of the capture for one way alone. Publications and slots are of the first way forward. */
export function captureObjects(own: OwnObjects, direction: Direction): OwnObjects {
  const ofIt = <T extends { readonly direction: Direction }>(all: readonly T[]): T[] =>
    all.filter((each) => each.direction === direction);
  const isFirst = direction === 'forward';
  return {
    schemas: [],
    functions: ofIt(own.functions),
    tables: ofIt(own.tables),
    types: ofIt(own.types),
    triggers: ofIt(own.triggers),
    publications: isFirst ? own.publications : [],
    slots: isFirst ? own.slots : [],
  };
}

/** Tables that a capture is on, of whatever kind. */
export function capturedTables({ triggers, publications }: OwnObjects): Relation[] {
  return [...triggers, ...publications].flatMap(({ table }) => (table === null ? [] : [table]));
}

/** Without CASCADE: what somebody else has put there is not ours to drop. */
export function dropSchemaStatements(schemas: readonly OwnSchema[]): string[] {
  return schemas.map(({ name }) => `drop schema ${ident(name)}`);
}

/** In one statement: foreign keys between them go with them. */
export function dropTablesStatements(tables: readonly QualifiedName[]): string[] {
  return tables.length === 0 ? [] : [`drop table ${tables.map(qualified).join(', ')}`];
}

/** What a table of this OID is called now; null when there is none. */
export async function findRelation(session: Session, oid: number | null): Promise<Relation | null> {
  if (oid === null) return null;
  const [found] = await session.rows<Relation>({
    text: `${relationSql}where c.oid = $1 and c.relkind = 'r'`,
    values: [oid],
  });
  return found ?? null;
}

export async function findRelationNamed(
  session: Session,
  { schema, name }: QualifiedName,
): Promise<Relation | null> {
  const [found] = await session.rows<Relation>({
    text: `${relationSql}where n.nspname = $1::name and c.relname = $2::name and c.relkind = 'r'`,
    values: [schema, name],
  });
  return found ?? null;
}

export async function tablesIn(session: Session, schemas: readonly OwnSchema[]): Promise<Relation[]> {
  return await session.rows<Relation>({
    text: `${relationSql}where n.oid = any ($1::oid[]) and c.relkind = 'r'`,
    values: [schemas.map(({ oid }) => oid)],
  });
}

const relationSql = `
  select c.oid, n.nspname::text as schema, c.relname::text as name
  from pg_class as c
  join pg_namespace as n on n.oid = c.relnamespace
  `;

/** Migrations whose marks are in this database, whether or not the state knows of them. */
export async function readMarkedMigrations(session: Session): Promise<MigrationIdentity[]> {
  return await session.rows<MigrationIdentity>(markedMigrationsSql);
}

export interface MigrationSlot extends MigrationIdentity {
  readonly slot: string;
  readonly active: boolean;
}

/** Slots of this database that a migration has made, whether or not the state knows of it. */
export async function readMigrationSlots(session: Session): Promise<MigrationSlot[]> {
  return await session.rows<MigrationSlot>(slotMigrationsSql);
}

/** What captures the writes to a table for a migration, by name. */
export interface CaptureOf extends MigrationIdentity {
  readonly triggers: readonly string[];
  readonly publications: readonly string[];
}

/** Which migrations capture the writes to a table. */
export async function readCaptures(session: Session, tableOid: number): Promise<CaptureOf[]> {
  return await session.rows<CaptureOf>(capturesOfSql(tableOid));
}
