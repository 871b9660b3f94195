/** Several tables of one migration in the state: each has its own, and all of them end together. */
import { expect, test } from 'vitest';
import { Session } from '../../src/db/session.js';
import type { CopyPlan } from '../../src/model/plan.js';
import {
  deleteMigration,
  endMigration,
  findMigration,
  findTableRecord,
  insertMigration,
  listMigrations,
  setPhase,
  swappedSql,
  type MigrationRecord,
} from '../../src/state/migrations.js';
import {
  activeSegmentSql,
  forgetShadows,
  setCopyStart,
  setFingerprint,
  setFollowed,
  setShadow,
  setTarget,
  setVerification,
} from '../../src/state/tables.js';
import { chunkDoneSql, readChunks, settleChunks } from '../../src/state/chunks.js';
import { ensureState } from '../../src/state/schema.js';
import { onlyTable } from '../../src/state/only-table.js';
import { readServerIdentity } from '../../src/state/server-identity.js';
import { nameSuffix, schemasOf } from '../../src/state/schema-sql.js';
import { planOf, targetOf } from '../../src/state/stored-plan.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { failure } from '../support/migration.js';
import { aPlan } from '../report/a-plan.js';

const tables = ['a', 'b'] as const;
const setup = 'create table a (); create table b ();';

async function oid(session: Session, relation: string): Promise<number> {
  return (await session.row<{ oid: number }>(`select '${relation}'::regclass::oid as oid`)).oid;
}

async function schemaOid(session: Session, schema: string): Promise<number> {
  return (await session.row<{ oid: number }>(`select '${schema}'::regnamespace::oid as oid`)).oid;
}

async function plans(session: Session): Promise<[CopyPlan, CopyPlan]> {
  const of = async (name: string): Promise<CopyPlan> => ({
    ...aPlan,
    table: { schema: 'public', name },
    source: { ...aPlan.source, oid: await oid(session, `public.${name}`) },
  });
  return [await of('a'), await of('b')];
}

async function begun(session: Session): Promise<MigrationRecord> {
  await ensureState(session);
  return await insertMigration(session, {
    request: aPlan.request,
    plans: await plans(session),
    server: await readServerIdentity(session),
  });
}

const open = (db: TestDatabase): Promise<Session> => Session.open({ connection: { url: db.url } });
const mark = { fingerprint: 'f', filenode: 7, capture: 'c' };
const first = { id: 1, no: 1 };
const second = { id: 1, no: 2 };

test('each has its plan, shape, mark, chunks and verification', async () => {
  await using db = await createDatabase(setup);
  await using session = await open(db);
  const record = await begun(session);
  expect(record).toMatchObject({
    id: 1,
    phase: 'prepare',
    tables: [
      { no: 1, table: { name: 'a' } },
      { no: 2, table: { name: 'b' } },
    ],
  });
  expect(record.tables.map((table) => planOf(record, table).table.name)).toEqual(['a', 'b']);
  expect(() => onlyTable(record)).toThrow('2 tables');
  expect((await listMigrations(session)).map(({ tables: found }) => found.length)).toEqual([2]);

  await setShadow(session, second, { shadow: 1, shadowSchema: 2, oldSchema: 3 });
  await setTarget(session, second, aPlan.target);
  const [, plan] = await plans(session);
  await setFollowed(session, second, { plan: { ...plan, lateChecks: [] }, target: null, fingerprint: 'g' });
  await session.batch([activeSegmentSql(second, 1)]);
  await setVerification(session, second, { mode: 'full', rows: 3, differences: 0 });
  const now = await findMigration(session, 1);
  expect(now?.tables).toMatchObject([
    { no: 1, shadowOid: null, activeSegment: 0, verification: null, stored: { target: null } },
    {
      no: 2,
      shadowOid: 1,
      schemaOids: { shadow: 2, old: 3 },
      activeSegment: 1,
      verification: { rows: 3 },
    },
  ]);
  expect((now?.updatedAt ?? '') > record.updatedAt).toBe(true);
  expect(now?.tables.map((table) => targetOf(now, table))).toEqual([
    null,
    JSON.parse(JSON.stringify(aPlan.target)),
  ]);

  // It is the copy's phase when capture is on for all of them.
  await setCopyStart(session, first, mark, 10);
  expect(await findMigration(session, 1)).toMatchObject({ phase: 'prepare' });
  await setCopyStart(session, second, { ...mark, fingerprint: 'h' }, 20);
  expect(await findMigration(session, 1)).toMatchObject({
    phase: 'copy',
    tables: [
      { mark, blocksTotal: 10 },
      { mark: { fingerprint: 'h' }, blocksTotal: 20 },
    ],
  });
  await setFingerprint(session, second, 'i');
  expect((await findTableRecord(session, first))?.mark).toEqual(mark);
  expect((await findTableRecord(session, second))?.mark?.fingerprint).toBe('i');
  expect(await findTableRecord(session, { id: 1, no: 3 })).toBeNull();

  // The same blocks of each heap.
  const units = [
    { ...first, unit: 1 },
    { ...second, unit: 1 },
    { ...second, unit: 2 },
  ];
  for (const unit of units) await session.execute(chunkDoneSql(unit, 0, 5, 100));
  expect(await failure(session.execute(chunkDoneSql({ ...first, unit: 1 }, 0, 5, 100)))).toMatchObject({
    code: '23505',
  });
  expect(await readChunks(session, second)).toEqual([
    { unit: 1, from: 0, to: 5, rows: 100 },
    { unit: 2, from: 0, to: 5, rows: 100 },
  ]);
  expect(await settleChunks(session, second)).toBe(200);
  expect(await readChunks(session, first)).toHaveLength(1);
  // One that is copied again forgets its own alone.
  await setCopyStart(session, second, mark, 20);
  expect(await readChunks(session, first)).toHaveLength(1);
  expect((await findTableRecord(session, second))?.rowsCopied).toBe(0);

  await forgetShadows(session, 1);
  expect((await findMigration(session, 1))?.tables).toMatchObject([
    { mark: null, shadowOid: null, stored: { target: null } },
    { mark: null, shadowOid: null, stored: { target: null } },
  ]);
  await deleteMigration(session, 1);
  const { rows } = await db.query(
    'select ((select count(*) from ghost.tables) + (select count(*) from ghost.chunks))::int as n',
  );
  expect(rows).toEqual([{ n: 0 }]);
});

test('none of them is in another migration before the end of this one, whichever end that is', async () => {
  await using db = await createDatabase(setup);
  await using session = await open(db);
  for (const phase of ['aborted', 'finalized'] as const) {
    const { id } = await begun(session);
    await session.execute(chunkDoneSql({ id, no: 2, unit: 1 }, 0, 5, 100));
    await setPhase(session, id, 'copy');
    const [, plan] = await plans(session);
    const server = await readServerIdentity(session);
    expect(
      await failure(insertMigration(session, { request: plan.request, plans: [plan], server })),
    ).toMatchObject({ code: '23505' });
    await endMigration(session, id, phase, { old: 'o' });
    expect(await findMigration(session, id)).toMatchObject({
      phase,
      tables: [{ rowsCopied: 0 }, { rowsCopied: 100 }],
    });
  }
  const { rows } = await db.query('select distinct is_open from ghost.tables');
  expect(rows).toEqual([{ is_open: false }]);
});

test('all are swapped by one statement, or none: each must be where it belongs', async () => {
  await using db = await createDatabase(setup);
  await using session = await open(db);
  const { id } = await begun(session);
  const exchange: string[] = [];
  for (const [at, name] of tables.entries()) {
    const key = { id, no: at + 1 };
    const { shadow, old } = schemasOf(key);
    await session.batch([
      `create schema ${shadow}`,
      `create table ${shadow}.${name} ()`,
      `create schema ${old}`,
    ]);
    await setShadow(session, key, {
      shadow: await oid(session, `${shadow}.${name}`),
      shadowSchema: await schemaOid(session, shadow),
      oldSchema: await schemaOid(session, old),
    });
    exchange.push(
      `alter table public.${name} set schema ${old}`,
      `alter table ${shadow}.${name} set schema public`,
    );
  }
  await session.batch([`prepare ghost_swapped as ${swappedSql(id, { direction: 'forward', windows: [] })}`]);
  const swap = async (statements: readonly string[]): Promise<void> => {
    await session.transaction(() => session.batch([...statements, 'execute ghost_swapped']));
  };
  // One of the two has not changed places.
  expect(await failure(swap(exchange.slice(0, 2)))).toMatchObject({ code: '23502' });
  expect(await findMigration(session, id)).toMatchObject({ phase: 'prepare', swap: null });
  await swap(exchange);
  expect(await findMigration(session, id)).toMatchObject({
    phase: 'swapped',
    swap: { xid: expect.any(String) as unknown },
  });
  const { rows } = await db.query('select is_open from ghost.tables');
  expect(rows).toEqual([{ is_open: false }, { is_open: false }]);
  expect(await begun(session)).toMatchObject({ id: 2, phase: 'prepare' });
});

test('a number is taken when anybody has a name of any of its tables', async () => {
  expect([first, second].map((key) => [nameSuffix(key), schemasOf(key)])).toEqual([
    ['1', { shadow: 'ghost_new_1', old: 'ghost_old_1' }],
    ['1_2', { shadow: 'ghost_new_1_2', old: 'ghost_old_1_2' }],
  ]);
  await using db = await createDatabase(`${setup} create schema ghost_new_1_2`);
  await using session = await open(db);
  await ensureState(session);
  await db.query('create table ghost.pending_2_13 (); create schema ghost_old_3_');
  expect((await begun(session)).id).toBe(3);
});
