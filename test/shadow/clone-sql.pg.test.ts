import { expect, test } from 'vitest';
import { findTable } from '../../src/catalog/table.js';
import { readTableShape } from '../../src/catalog/shape.js';
import { Session } from '../../src/db/session.js';
import { cloneStatements } from '../../src/shadow/clone-sql.js';
import { compareShapes } from '../../src/shadow/gate.js';
import { retargetShape } from './retarget-shape.js';
import { ident } from '../../src/sql/quote.js';
import { catalogSnapshot } from '../support/catalog-snapshot.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { longName, maximalTable, oddName } from './maximal-table.js';

const cloneSchema = 'ghost_new_1';
const t = `app.${ident(oddName)}`;

async function createMaximal(db: TestDatabase, options: { foreignGrantors?: boolean } = {}) {
  const [owner, reader, clerk] = [await db.createRole(), await db.createRole(), await db.createRole()];
  const roles = { owner: owner.name, reader: reader.name, clerk: clerk.name };
  await db.query(maximalTable({ major: db.major, roles, ...options }));
  return { owner, reader, clerk };
}

async function cloneOf(session: Session): Promise<void> {
  const found = await findTable(session, t);
  if (found === null) throw new Error('not found');
  const shape = await readTableShape(session, found.oid);
  await session.transaction(async () => {
    await session.batch([`create schema ${cloneSchema}`, ...cloneStatements(shape, cloneSchema)]);
  });
}

/** As the swap does it: the clone takes the place of the table, the serial's sequence stays. */
async function putInPlace(db: TestDatabase): Promise<void> {
  const sequence = `app.${ident(`${[...oddName].slice(0, 29).join('')}_long_long_long_long_long_long_seq`)}`;
  const { rows } = await db.query<{ name: string }>(`select pg_get_serial_sequence($1, $2) as name`, [t, longName]);
  const serial = rows[0]?.name ?? sequence;
  await db.query(`
    create schema aside;
    alter sequence ${serial} owned by none;
    alter table ${t} set schema aside;
    alter table ${cloneSchema}.${ident(oddName)} set schema app;
    alter sequence ${serial} owned by ${t}.${ident(longName)};`);
}

test('the clone of a table with everything is the same table', async () => {
  await using db = await createDatabase();
  await createMaximal(db);
  await using session = await Session.open({ connection: { url: db.url } });
  const expected = await catalogSnapshot(db, 'app');
  await cloneOf(session);
  await putInPlace(db);
  expect(await catalogSnapshot(db, 'app')).toEqual(expected);
});

test('source and clone have the same shape, but for the schema and the shared sequence', async () => {
  await using db = await createDatabase();
  await createMaximal(db);
  await using session = await Session.open({ connection: { url: db.url } });
  await cloneOf(session);
  const source = await readTableShape(session, (await findTable(session, t))?.oid ?? 0);
  const clone = await readTableShape(
    session,
    (await findTable(session, { schema: cloneSchema, name: oddName }))?.oid ?? 0,
  );
  expect(source.sequences.map(({ identity, column }) => [identity, column])).toEqual([
    [true, 'id'],
    [false, longName],
    [true, 'always_id'],
  ]);
  const withoutSerial = { ...source, sequences: source.sequences.filter(({ identity }) => identity) };
  expect(compareShapes(retargetShape(withoutSerial, cloneSchema), retargetShape(clone, cloneSchema)).map(({ text }) => text)).toEqual([]);
});
