/** PostgreSQL is the oracle: the projection must give the rows that the native ALTER TABLE makes. */
import { copyPlan } from './copy-plan.js';
import { describe, expect, test } from 'vitest';
import { makePlan } from '../../src/plan/plan.js';
import { changeStatementsIn } from '../../src/plan/change/retarget-statement.js';
import type { ChangeRequest } from '../../src/model/change-request.js';
import { buildClone } from '../../src/shadow/build-clone.js';
import { cloneStatements } from '../../src/ddl/clone-sql.js';
import { rebindStatements } from '../../src/ddl/rebind-sql.js';
import { projectedColumns, projectionSql } from '../../src/sql/projection-sql.js';
import { ident, identList } from '../../src/sql/quote.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { openSession, requestFor } from './trial-support.js';

const table = `
  create type mood as enum ('sad', 'ok');
  create table public."Orders" (
    id int primary key,
    dropped int,
    total numeric(10,4),
    name varchar(20),
    "Ünïcode" text,
    at timestamptz,
    "group" text,
    gen int generated always as (id * 2) stored
  );
  alter table "Orders" drop column dropped;
  insert into "Orders" (id, total, name, "Ünïcode", at, "group")
  select g, g * 1.2345, 'name ' || g, case when g % 3 = 0 then null else g::text end,
    '2024-03-31 01:30 UTC'::timestamptz + g * interval '7 minutes', g::text
  from generate_series(1, 40) as g;`;

const cases: readonly (readonly [string, Partial<ChangeRequest>])[] = [
  ['nothing', { rewrite: true }],
  [
    'a wider type',
    { alter: ['alter column name type text, alter column total type numeric'], rewrite: true },
  ],
  ['a rounding cast', { alter: ['alter column total type int'] }],
  ['a time zone', { alter: ['alter column at type timestamp'] }],
  [
    'USING',
    {
      alter: [
        `alter column "group" type int using ("group"::int + 1) /* why */, alter column total type text using 'x' || total -- y`,
      ],
    },
  ],
  [
    'USING that sees the old values of others',
    { alter: ['alter column total type text using name, alter column name type text using total'] },
  ],
  ['USING with a qualified column', { alter: ['alter column name type text using upper("Orders".name)'] }],
  ['a rename', { alter: ['rename column name to title'], rewrite: true }],
  [
    'a rename, then USING by the new name',
    { alter: ['rename name to title', 'alter title type text using upper(title)'] },
  ],
  ['USING, then a rename', { alter: ['alter name type text using upper(name)', 'rename name to title'] }],
  [
    'two columns that exchange their names',
    {
      alter: [
        'rename name to tmp',
        'rename "Ünïcode" to name',
        'rename tmp to "Ünïcode"',
        "alter name type text using name || '!'",
      ],
    },
  ],
  [
    'USING of other columns in two statements',
    {
      alter: ['alter name type text using upper(name)', 'alter "group" type int using length("group")'],
    },
  ],
  [
    'a column dropped and added again',
    { alter: ['drop column name, add column name int default 7'], rewrite: true },
  ],
  ['an added column', { alter: ['add column c int'], rewrite: true }],
  [
    'defaults of added columns',
    {
      alter: [
        `add column a int default 1 + 2, add column b text default 'it''s', add column c mood default 'ok', add column d int[] default '{1,2}', add column e date default '2024-02-29' not null, add column f box default '(1,1),(0,0)'`,
      ],
      rewrite: true,
    },
  ],
  [
    'a default that is taken away again',
    { alter: ['add column a int default 5', 'alter column a drop default'], rewrite: true },
  ],
  [
    'a default that is changed later',
    { alter: ['add column a int default 5', 'alter column a set default 7'], rewrite: true },
  ],
  [
    'a default that comes later',
    { alter: ['add column a int', 'alter column a set default 7'], rewrite: true },
  ],
  [
    'an added column with another type later',
    { alter: ['add column a int default 5', 'alter column a type text'], rewrite: true },
  ],
  ['a generated column added', { alter: ['add column g2 numeric generated always as (total * 2) stored'] }],
  ['a generated column made plain', { alter: ['alter column gen drop expression'], rewrite: true }],
  ['a renamed key', { alter: ['rename column id to order_id'], rewrite: true }],
  ['a key with another type', { alter: ['drop column gen', 'alter column id type bigint'] }],
  [
    'an enum from text',
    {
      alter: [
        `alter column name type mood using (case when length(name) > 6 then 'ok' else 'sad' end)::mood`,
      ],
    },
  ],
];

describe('the projection gives what ALTER TABLE gives', () => {
  test.concurrent.each(cases)('%s', async (_, parts) => {
    await using db = await createDatabase(table);
    await using native = await db.clone();
    // For the sessions to come: the one that made the table has ended.
    await native.query(`alter database ${db.name} set timezone = 'Europe/Paris'`);
    await native.query(`set timezone = 'Europe/Paris'`);
    for (const alter of parts.alter ?? []) await native.query(`alter table "Orders" ${alter}`);
    const request = requestFor('"Orders"', parts);
    await copyByPlan(db, request);
    expect(await rowsOf(db, 'shadow')).toEqual(await rowsOf(native, 'public'));
  });
});

test('--set is computed from the source row, whatever else changes', async () => {
  await using db = await createDatabase(table);
  await copyByPlan(
    db,
    requestFor('public."Orders"', {
      alter: [
        'rename name to title',
        `alter title type text using title || '!'`,
        'add column half numeric not null',
      ],
      set: [
        { column: 'half', expression: 'total / 2 -- of the old total' },
        { column: '"group"', expression: '"Orders".name' },
      ],
    }),
  );
  const { rows } = await db.query('select id, title, half, "group" from shadow."Orders" order by id limit 1');
  expect(rows).toEqual([{ id: 1, title: 'name 1!', half: '0.61725000000000000000', group: 'name 1' }]);
});

test('now() as a default is one moment for all rows', async () => {
  await using db = await createDatabase(table);
  await using session = await openSession(db);
  const plan = await makePlan(
    session,
    requestFor('"Orders"', { alter: ['add column created timestamptz default now()'], rewrite: true }),
    { buildClone, rebindClone: rebindStatements },
  );
  const created = copyPlan(plan)
    .projection.layers.at(-1)
    ?.find(({ name }) => name === 'created');
  expect(created?.expression).toMatch(/^'20\d\d-.*'::timestamp with time zone$/);
});

async function copyByPlan(db: TestDatabase, request: ChangeRequest): Promise<void> {
  await using session = await openSession(db);
  const plan = await makePlan(session, request, {
    buildClone,
    rebindClone: rebindStatements,
  });
  if (plan.verdict !== 'copy' || plan.source === null || plan.projection === null) {
    throw new Error(JSON.stringify(plan.reasons));
  }
  await session.batch(['create schema shadow', ...cloneStatements(plan.source, 'shadow')]);
  await session.batch(changeStatementsIn(request, 'shadow'));
  const select = projectionSql(plan.projection, { from: 'only public."Orders"', where: "ctid >= '(0,0)'" });
  await session.execute(
    `insert into shadow.${ident('Orders')} (${identList(projectedColumns(plan.projection))}) overriding system value ${select}`,
  );
}

async function rowsOf(db: TestDatabase, schema: string): Promise<unknown[]> {
  const { rows } = await db.query(`select to_json(t)::text as row from ${schema}."Orders" as t order by 1`);
  return rows;
}
