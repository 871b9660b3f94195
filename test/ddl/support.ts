/** What the tests of src/ddl and src/shadow share: the table with everything, and its clone. */
import { readTableShape } from '../../src/catalog/shape.js';
import { findTable } from '../../src/catalog/table.js';
import type { TableShape } from '../../src/model/table-shape.js';
import { Session } from '../../src/db/session.js';
import { cloneStatements } from '../../src/ddl/clone-sql.js';
import { rebindStatements } from '../../src/ddl/rebind-sql.js';
import { ident } from '../../src/sql/quote.js';
import type { QualifiedName } from '../../src/model/name.js';
import type { TestDatabase, TestRole } from '../support/database.js';
import { maximalTable, oddName, type MaximalRoles } from './maximal-table.js';

export const cloneSchema = 'ghost_new_1';
/** The maximal table, quoted. */
export const maximal = `app.${ident(oddName)}`;

export interface MaximalOwners {
  readonly owner: TestRole;
  readonly roles: MaximalRoles;
}

export async function createMaximal(
  db: TestDatabase,
  options: { readonly foreignGrantors?: boolean } = {},
): Promise<MaximalOwners> {
  const owner = await db.createRole();
  const roles = {
    owner: owner.name,
    reader: (await db.createRole()).name,
    clerk: (await db.createRole()).name,
  };
  await db.query(maximalTable({ major: db.major, roles, ...options }));
  return { owner, roles };
}

export async function openSession(url: string): Promise<Session> {
  return await Session.open({ connection: { url } });
}

/** @param name as in SQL, or exact */
export async function shapeOf(session: Session, name: string | QualifiedName): Promise<TableShape> {
  const found = await findTable(session, name);
  if (found === null) throw new Error(`no table ${JSON.stringify(name)}`);
  return await readTableShape(session, found.oid);
}

/** Builds the clone as `prepare` does, and reads its shape in the same transaction. */
export async function cloneTable(session: Session, name: string): Promise<TableShape> {
  const shape = await shapeOf(session, name);
  return await session.transaction(async () => {
    await session.batch([`create schema ${cloneSchema}`, ...cloneStatements(shape, cloneSchema)]);
    const clone = await shapeOf(session, { schema: cloneSchema, name: shape.name.name });
    await session.batch(rebindStatements({ source: shape, before: clone, after: clone }));
    return await shapeOf(session, { schema: cloneSchema, name: shape.name.name });
  });
}

/** As the swap does it: the clone takes the place of the table; the serial's sequence stays where it is. */
export async function putInPlace(
  db: TestDatabase,
  schema: string,
  table: string,
  serial?: string,
): Promise<void> {
  const name = `${ident(schema)}.${ident(table)}`;
  const sequence = serial === undefined ? null : await serialSequence(db, name, serial);
  await db.query(`
    create schema aside;
    ${sequence === null ? '' : `alter sequence ${sequence} owned by none;`}
    alter table ${name} set schema aside;
    alter table ${cloneSchema}.${ident(table)} set schema ${ident(schema)};
    ${sequence === null ? '' : `alter sequence ${sequence} owned by ${name}.${ident(serial ?? '')};`}`);
}

async function serialSequence(db: TestDatabase, table: string, column: string): Promise<string> {
  const { rows } = await db.query<{ name: string }>(`select pg_get_serial_sequence($1, $2) as name`, [
    table,
    column,
  ]);
  if (rows[0] === undefined) throw new Error(`${column} has no sequence`);
  return rows[0].name;
}
