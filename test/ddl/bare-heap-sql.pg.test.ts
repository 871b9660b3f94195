import { expect, test } from 'vitest';
import type { TableShape } from '../../src/model/table-shape.js';
import {
  autovacuumRestoreStatements,
  bareHeapStatements,
  unvalidatedConstraintStatements,
} from '../../src/ddl/bare-heap-sql.js';
import { compareBeforeSwap, compareShapes } from '../../src/ddl/compare-shapes.js';
import { attachStatements, indexBuilds } from '../../src/ddl/index-build-sql.js';
import type { Session } from '../../src/db/session.js';
import { catalogSnapshot } from '../support/catalog-snapshot.js';
import { createDatabase } from '../support/database.js';
import { oddName } from './maximal-table.js';
import { cloneSchema, cloneTable, createMaximal, maximal, openSession, shapeOf } from './support.js';

const clone = { schema: cloneSchema, name: oddName };

/** As `index` does it, but one after the other. */
async function build(session: Session, target: TableShape): Promise<void> {
  for (const { statement } of indexBuilds(target, cloneSchema)) await session.execute(statement);
  await session.transaction(async () => {
    await session.batch(attachStatements(target, cloneSchema));
  });
}

test('the bare heap has no index and nothing that old rows may break, and keeps NOT NULL', async () => {
  await using db = await createDatabase();
  await createMaximal(db);
  await using session = await openSession(db.url);
  const target = await cloneTable(session, maximal);
  await session.batch(bareHeapStatements(target, cloneSchema));
  const bare = await shapeOf(session, clone);
  expect(bare.indexes).toEqual([]);
  expect(bare.constraints.filter(({ index }) => index !== null)).toEqual([]);
  expect(bare.constraints.filter(({ validated, enforced }) => enforced && !validated)).toEqual([]);
  expect(bare.options).toEqual(
    expect.arrayContaining(['autovacuum_enabled=false', 'toast.autovacuum_enabled=false']),
  );
  const unprovenNotNull = target.constraints.filter(
    ({ type, validated }) => type === 'not null' && !validated,
  );
  const notNull = (shape: TableShape): string[] =>
    shape.columns
      .filter(
        (column) => column.notNull && !unprovenNotNull.some(({ columns }) => columns.includes(column.name)),
      )
      .map(({ name }) => name);
  expect(notNull(target)).toContain('id');
  expect(notNull(bare)).toEqual(notNull(target));
});

test('bare heap, builds and attachments give back what the clone was', async () => {
  await using db = await createDatabase();
  await createMaximal(db);
  await using session = await openSession(db.url);
  const target = await cloneTable(session, maximal);
  const expected = await catalogSnapshot(db, cloneSchema);
  await session.batch(bareHeapStatements(target, cloneSchema));
  expect(await catalogSnapshot(db, cloneSchema)).not.toEqual(expected);

  await build(session, target);
  const ready = await shapeOf(session, clone);
  expect(compareBeforeSwap(target, ready).map(({ text }) => text)).toEqual([]);
  expect(compareShapes(target, ready)).not.toEqual([]);

  await session.batch([
    ...unvalidatedConstraintStatements(target, cloneSchema),
    ...autovacuumRestoreStatements(target, cloneSchema),
  ]);
  expect(compareShapes(target, await shapeOf(session, clone)).map(({ text }) => text)).toEqual([]);
  expect(await catalogSnapshot(db, cloneSchema)).toEqual(expected);
});

test('builds and attachments can be taken up where they stopped', async () => {
  await using db = await createDatabase();
  await createMaximal(db);
  await using session = await openSession(db.url);
  const target = await cloneTable(session, maximal);
  await session.batch(bareHeapStatements(target, cloneSchema));
  await build(session, target);
  // A run that died after the attachments, but before its record of them.
  const existing = await shapeOf(session, clone);
  await session.transaction(async () => {
    await session.batch(attachStatements(target, cloneSchema, existing));
  });
  expect(compareBeforeSwap(target, await shapeOf(session, clone)).map(({ text }) => text)).toEqual([]);
});

test("a table's own autovacuum settings come back", async () => {
  await using db = await createDatabase(`
    create schema app;
    create table app.orders (id int primary key, note text)
      with (autovacuum_enabled = true, fillfactor = 90, toast.autovacuum_enabled = false)`);
  await using session = await openSession(db.url);
  const target = await cloneTable(session, 'app.orders');
  await session.batch(bareHeapStatements(target, cloneSchema));
  await session.batch(autovacuumRestoreStatements(target, cloneSchema));
  expect((await shapeOf(session, `${cloneSchema}.orders`)).options).toEqual([
    'autovacuum_enabled=true',
    'fillfactor=90',
    'toast.autovacuum_enabled=false',
  ]);
});

test('a foreign key of the new shape waits for the swap', async () => {
  await using db = await createDatabase(`
    create schema app;
    create table app.orders (id int primary key, parent int)`);
  await using session = await openSession(db.url);
  await cloneTable(session, 'app.orders');
  await session.execute(
    `alter table ${cloneSchema}.orders add foreign key (parent) references ${cloneSchema}.orders`,
  );
  const target = await shapeOf(session, `${cloneSchema}.orders`);
  await session.batch(bareHeapStatements(target, cloneSchema));
  const bare = await shapeOf(session, `${cloneSchema}.orders`);
  expect(bare.constraints.map(({ type }) => type).filter((type) => type !== 'not null')).toEqual([]);
});
