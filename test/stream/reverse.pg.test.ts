/** A backlog of the new table is brought into the old one, by the same apply and the same verification. */
import { expect, test } from 'vitest';
import { applyPlan } from '../../src/apply/apply-plan.js';
import { catchUp, drain, planDrain, prepareDrain } from '../../src/apply/applier.js';
import { applySettings } from '../../src/apply/apply-sql.js';
import { openCapture } from '../../src/capture/open-capture.js';
import { readBacklog } from '../../src/capture/backlog.js';
import { readKeyOrder } from '../../src/catalog/key-order.js';
import { readTableShape } from '../../src/catalog/shape.js';
import { readValueImages } from '../../src/catalog/value-images.js';
import { Session } from '../../src/db/session.js';
import type { TableShape } from '../../src/model/table-shape.js';
import { crewOf } from '../../src/pieces/crew.js';
import { inverse, waysOf, type Way } from '../../src/stream/way.js';
import { compareRows } from '../../src/verify/verifier.js';
import { verifyPlan } from '../../src/verify/verify-plan.js';
import { verifySettings } from '../../src/verify/compare-sql.js';
import { createDatabase } from '../support/database.js';

const from = { schema: 'public', name: 't' };
const to = { schema: 'ghost_old_1', name: 't' };

/** As after the swap of `alter id type bigint, rename v to note, rename id to key`, 300 rows in each. */
const tables = `
  create schema ghost;
  create schema ghost_old_1;
  create table ghost_old_1.t (id int primary key, v text unique, n int generated always as (id * 2) stored);
  create table public.t (key bigint primary key, note text);
  insert into ghost_old_1.t (id, v) select i, 'v' || i from generate_series(1, 300) as i;
  insert into public.t select id, v from ghost_old_1.t`;

const writes = [
  `insert into public.t values (1001, 'new')`,
  `update public.t set note = 'changed' where key = 5`,
  'update public.t set key = 2007 where key = 7',
  'delete from public.t where key between 10 and 19',
  // Two rows exchange their values, which are unique in the old table alone.
  `update public.t set note = case key when 20 then 'v21' else 'v20' end where key in (20, 21)`,
  `begin; insert into public.t values (3001, 'never'); rollback`,
  'update public.t set key = 10 where key = 300',
];

async function shapeOf(session: Session, name: string): Promise<TableShape> {
  const { oid } = await session.row<{ oid: number }>(`select '${name}'::regclass::oid as oid`);
  return await readTableShape(session, oid);
}

async function wayBack(session: Session): Promise<Way> {
  const columns = [
    { name: 'key', expression: '"id"' },
    { name: 'note', expression: '"v"' },
  ];
  const { forward } = waysOf(
    {
      source: await shapeOf(session, 'ghost_old_1.t'),
      key: {
        index: 't_pkey',
        columns: [{ name: 'id', type: 'integer', collation: null, targetName: 'key', targetType: 'bigint' }],
        projection: { alias: 't', layers: [[{ name: 'key', expression: '"id"' }]] },
        needsHelperIndex: false,
      },
      projection: { alias: 't', layers: [columns] },
      columns: [],
      settings: {},
    },
    await shapeOf(session, 'public.t'),
  );
  return inverse(forward, {
    keyIndex: 't_pkey',
    keyProjection: { alias: 't', layers: [[{ name: 'id', expression: '"key"' }]] },
    projection: {
      alias: 't',
      layers: [
        [
          { name: 'id', expression: '"key"' },
          { name: 'v', expression: '"note"' },
        ],
      ],
    },
    columns: [],
  });
}

test('what is written to the new table after the swap comes into the old one', async () => {
  await using db = await createDatabase(tables);
  await using session = await Session.open({ connection: { url: db.url } });
  await using comparing = await Session.open({ connection: { url: db.url }, settings: verifySettings });
  const way = await wayBack(session);
  const suffix = '1_back';
  const capture = openCapture('triggers', {
    direction: 'forward',
    id: 1,
    identity: '00000000-0000-4000-8000-000000000001',
    suffix,
    table: from,
    key: way.key,
    active: { now: 0, read: () => Promise.resolve(0), storeStatement: () => 'select' },
  });
  await session.transaction(() => capture.create(session));
  await session.batch([...capture.beginStatements()]);
  const stream = { id: 1, way, from, to, log: capture.log };
  const plan = applyPlan(stream);
  const differences = async (): Promise<string[]> => {
    const { differences: found } = await compareRows({
      plan: verifyPlan({
        stream,
        sinceSwap: null,
        images: await readValueImages(session, to),
        fromOrder: await readKeyOrder(session, from, ['key']),
        toOrder: await readKeyOrder(session, to, ['id']),
      }),
      mode: 'full',
      crew: crewOf([comparing]),
      pieceTimeMs: () => 500,
      rowsExpected: null,
      caughtUp: () => Promise.resolve(),
    });
    return found.map(({ kind, key }) => `${kind} ${key.join()}`);
  };
  const inOldTable = async (): Promise<unknown[]> =>
    (await db.query('select id, v, n from ghost_old_1.t order by id')).rows;
  const expected = async (): Promise<unknown[]> =>
    (await db.query('select key::int as id, note as v, (key * 2)::int as n from public.t order by key')).rows;

  expect(await differences()).toEqual([]);
  for (const statement of writes) await db.query(statement);
  // What waits in the log is left out of the comparison.
  expect(await differences()).toEqual([]);
  expect(await readBacklog(session, suffix)).toBe(18);
  await catchUp({ plan, session, log: capture.keeper });
  expect(await inOldTable()).toEqual(await expected());
  expect(await inOldTable()).toHaveLength(291);
  expect(await readBacklog(session, suffix)).toBe(0);
  expect(await differences()).toEqual([]);

  // The rest is drained under the lock of a swap back.
  await db.query(`update public.t set note = 'last' where key = 2007; delete from public.t where key = 1`);
  await session.set(applySettings);
  await prepareDrain(session, plan);
  await planDrain(session, plan);
  await session.transaction(async () => {
    await session.batch(['lock table public.t in access exclusive mode']);
    expect(await drain(session, plan)).toBe(2);
    await session.batch([...capture.endStatements()]);
  });
  expect(await inOldTable()).toEqual(await expected());

  // Nobody wrote the old table's rows but the stream: what it has too much, or otherwise, is seen.
  await db.query(
    `truncate ghost.log_1_back; update ghost_old_1.t set v = 'x' where id = 3; delete from ghost_old_1.t where id = 4`,
  );
  await db.query(`insert into ghost_old_1.t (id, v) values (999, 'y')`);
  expect(await differences()).toEqual(['different 3', 'missing 4', 'extra 999']);
});

test('a value that the old table cannot hold is named, and stays in the log', async () => {
  await using db = await createDatabase(tables);
  await using session = await Session.open({ connection: { url: db.url } });
  const way = await wayBack(session);
  const capture = openCapture('triggers', {
    direction: 'forward',
    id: 1,
    identity: '00000000-0000-4000-8000-000000000001',
    suffix: '1_back',
    table: from,
    key: way.key,
    active: { now: 0, read: () => Promise.resolve(0), storeStatement: () => 'select' },
  });
  await session.transaction(() => capture.create(session));
  await session.batch([...capture.beginStatements()]);
  const told = {
    to: 'the old table',
    shape: 'the old shape',
    untouched: 'nothing was swapped back',
    uncompared: 'nothing was swapped back',
  };
  const plan = applyPlan({ id: 1, way, from, to, log: capture.log, told });
  await db.query(`insert into public.t values (5000000000, 'big'), (400, 'fits')`);
  await expect(catchUp({ plan, session, log: capture.keeper })).rejects.toMatchObject({
    code: 'row-does-not-fit',
    message: 'rows of public.t do not fit the old shape: integer out of range (key=5000000000)',
    state: `nothing was swapped back, the application's writes go on; migration 1 keeps its state`,
  });
  const { rows } = await db.query('select id from ghost_old_1.t where id > 300');
  expect(rows).toEqual([{ id: 400 }]);
  expect(await readBacklog(session, '1_back')).toBe(1);
});
