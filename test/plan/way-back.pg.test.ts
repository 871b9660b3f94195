/** Rows there and back on a server: what comes back is what was, and what does not fit is an error and never another value. */
import { describe, expect, test } from 'vitest';
import type { ChangeRequest } from '../../src/model/change-request.js';
import type { CopyPlan, Plan } from '../../src/model/plan.js';
import { cloneStatements } from '../../src/ddl/clone-sql.js';
import { rebindStatements } from '../../src/ddl/rebind-sql.js';
import { changeStatementsIn } from '../../src/plan/change/retarget-statement.js';
import { makePlan } from '../../src/plan/plan.js';
import { buildClone } from '../../src/shadow/build-clone.js';
import { projectedColumns, projectionSql } from '../../src/sql/projection-sql.js';
import { identList } from '../../src/sql/quote.js';
import { plan as planned } from '../../src/index.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { failure, request, runChange, stopAtPoint, swapChange } from '../support/migration.js';
import { copyPlan } from './copy-plan.js';
import { openSession, requestFor } from './trial-support.js';

const table = `
  create type mood as enum ('sad', 'ok');
  create domain positive as int check (value > 0);
  create table t (
    id serial primary key,
    v varchar(5) unique,
    n numeric(10,2) check (n < 1000),
    at timestamptz,
    d date,
    j jsonb,
    m mood,
    p positive,
    f double precision,
    k int,
    g int generated always as (k * 2) stored,
    x text not null default 'x'
  );
  insert into t (k, v, n, at, d, j, m, p, f)
  select i, 'v' || i, i * 1.25, '2024-10-27 00:15 UTC'::timestamptz + i * interval '10 minutes', '2024-01-01'::date + i,
    jsonb_build_object('i', i), (array['sad', 'ok'])[1 + i % 2]::mood, i, i / 8.0
  from generate_series(1, 20) as i;`;

async function plan(
  db: TestDatabase,
  parts: Partial<ChangeRequest>,
  timezone = 'Europe/Paris',
): Promise<Plan> {
  await db.query(`alter database ${db.name} set timezone = '${timezone}'`);
  await using session = await openSession(db);
  return await makePlan(session, requestFor('t', { rewrite: true, ...parts }), {
    buildClone,
    rebindClone: rebindStatements,
  });
}

const set = (column: string, expression: string): { column: string; expression: string } => ({
  column,
  expression,
});

const lossless: readonly (readonly [string, Partial<ChangeRequest>])[] = [
  ['a wider key', { alter: ['alter id type bigint'] }],
  ['a wider text', { alter: ['alter v type text'] }],
  ['more digits', { alter: ['alter n type numeric'] }],
  ['a renamed column of another type', { alter: ['rename v to note', 'alter note type text'] }],
  ['an enum as text', { alter: ['alter m type text'] }],
  ['a domain as its type', { alter: ['alter p type bigint'] }],
  ['a date as a timestamp', { alter: ['alter d type timestamp'] }],
  ['jsonb as json', { alter: ['alter j type json'] }],
  ['a number as text', { alter: ['alter p type text using p::text'] }],
  [
    'USING with --reverse',
    { alter: ['alter p type text using p || $$!$$'], reverse: [set('p', `rtrim(p, '!')::int`)] },
  ],
  [
    'a column split and put together again',
    {
      alter: ['drop v, add head text, add tail text'],
      set: [set('head', 'left(v, 1)'), set('tail', 'substr(v, 2)')],
      reverse: [set('v', 't.head || tail -- as it was')],
    },
  ],
];

describe('keeps everything', () => {
  test.concurrent.each(lossless)('%s', async (_, parts) => {
    await using db = await createDatabase(table);
    const made = copyPlan(await plan(db, parts));
    expect(made.back).toMatchObject({ verdict: 'keeps', needs: [], loses: [], against: [] });
    const before = await rows(db, 'public.t');
    await swapByPlan(db, made);
    await bringBack(db, made);
    expect(await rows(db, 'public.t')).toEqual(before);
  });
});

/** A write to the new table, and whether it comes back; the error, where it does not. */
const writes: readonly (readonly [string, string, string, string | RegExp])[] = [
  ['a text that has room', 'alter v type text', `v = 'short'`, '{"v":"short"}'],
  ['one that has none', 'alter v type text', `v = 'longer'`, /has no equal in column v/],
  ['blanks that would be cut off', 'alter v type text', `v = 'abcd   '`, /has no equal in column v/],
  ['digits that would be rounded', 'alter n type numeric', 'n = 1.005', /has no equal in column n/],
  ['the same number with other digits', 'alter n type numeric', 'n = 1.5000', '{"n":1.50}'],
  [
    'a number that is too large',
    'alter n type numeric, drop constraint t_n_check',
    'n = 1e12',
    /numeric field overflow/,
  ],
  ['an integer that is too large', 'alter id type bigint', 'id = 5000000000', /integer out of range/],
  ['a number with a fraction', 'alter p type numeric', 'p = 1.5', /has no equal in column p/],
  ['what the domain forbids', 'alter p type bigint', 'p = -1', /violates check constraint/],
  ['what the CHECK forbids', 'drop constraint t_n_check, alter id type bigint', 'n = 5000', /t_n_check/],
  ['a time of day', 'alter d type timestamp', `d = '2024-05-05 12:00'`, /has no equal in column d/],
  ['midnight', 'alter d type timestamp', `d = '2024-05-05'`, '{"d":"2024-05-05"}'],
  ['an enum that there is not', 'alter m type text', `m = 'glad'`, /invalid input value for enum/],
  ['one that there is', 'alter m type text', `m = 'ok'`, '{"m":"ok"}'],
  [
    'a number written in another way',
    'alter p type text using p::text',
    `p = '007'`,
    /has no equal in column p/,
  ],
  ['NULL', 'alter v type text', 'v = null', '{"v":null}'],
];

test.concurrent.each(writes)('%s', async (_, alter, write, expected) => {
  await using db = await createDatabase(table);
  const made = copyPlan(await plan(db, { alter: [alter] }));
  expect(made.back?.way).not.toBeNull();
  await swapByPlan(db, made);
  await db.query(`update renewed.t set ${write} where id = 5`);
  const back = bringBack(db, made, `id = 5 or id > 1000`);
  if (typeof expected !== 'string') return await expect(back).rejects.toThrow(expected);
  await back;
  const column = Object.keys(JSON.parse(expected) as object)[0] ?? '';
  const { rows: found } = await db.query(
    `select to_json(r)::text as row from (select ${column} from t where id = 5) as r`,
  );
  expect(found).toEqual([{ row: expected }]);
});

const losing: readonly (readonly [string, Partial<ChangeRequest>, object])[] = [
  [
    'a rounding cast',
    { alter: ['alter n type int'] },
    { loses: [{ what: 'converted', column: 'n' }], sampled: [] },
  ],
  [
    'a time zone, over the hour that there is twice',
    { alter: ['alter at type timestamp'] },
    { loses: [{ what: 'converted', column: 'at' }] },
  ],
  ['an added column', { alter: ['add c int'] }, { loses: [{ what: 'added', column: 'c' }] }],
  [
    'a dropped column',
    { alter: ['drop x'] },
    { loses: [{ what: 'dropped', column: 'x' }], way: { kept: [{ name: 'x', otherwise: null }] } },
  ],
];

test.concurrent.each(losing)('loses: %s', async (_, parts, expected) => {
  await using db = await createDatabase(table);
  const { back } = copyPlan(await plan(db, parts));
  expect(back).toMatchObject({ verdict: 'loses', ...expected });
});

test('what it looks like there and back is compared with rows that nobody has written', async () => {
  await using db = await createDatabase(table);
  const made = copyPlan(await plan(db, { alter: ['alter n type int'] }));
  expect(made.back?.way?.canonical).toEqual([{ name: 'n', expression: '"n"::integer::numeric(10,2)' }]);
  expect(made.warnings).toContainEqual({
    code: 'lost-there-and-back',
    facts: {
      column: 'n',
      examples: [
        { before: '1.25', after: '1.00' },
        { before: '2.50', after: '3.00' },
        { before: '3.75', after: '4.00' },
      ],
    },
  });
});

test('the least and the greatest value are looked at where an index tells them', async () => {
  await using db = await createDatabase(`
    create table t (id int primary key, n numeric, filler text default repeat('x', 1900));
    insert into t (id, n) select i, case when i = 2000 then 99999.5 else i end from generate_series(1, 4000) as i;
    analyze t;`);
  const rounded = { alter: ['alter n type int'] };
  expect(copyPlan(await plan(db, rounded)).back).toMatchObject({
    verdict: 'keeps',
    sampled: ['n'],
    isTried: true,
  });
  await db.query('create index on t (n)');
  expect(copyPlan(await plan(db, rounded)).back).toMatchObject({ verdict: 'loses', sampled: [] });
});

test('what the new shape allows is said', async () => {
  await using db = await createDatabase(`${table}
    create table parent (id int primary key); alter table t add parent int references parent (id);`);
  const made = copyPlan(
    await plan(db, {
      alter: [
        'alter id type bigint, drop constraint t_v_key, drop constraint t_n_check, alter x drop not null, drop constraint t_parent_fkey',
      ],
    }),
  );
  expect(made.back).toMatchObject({ verdict: 'keeps' });
  expect(made.back?.narrower).toEqual([
    { what: 'type', column: 'id', type: 'integer', newType: 'bigint' },
    { what: 'not null', column: 'x' },
    { what: 'check', name: 't_n_check' },
    { what: 'unique', name: 't_v_key' },
    { what: 'foreign key', name: 't_parent_fkey' },
  ]);
  expect(made.warnings.map(({ code }) => code)).toContain('old-shape-narrower');
});

test('constraints that the change only makes anew are no news', async () => {
  await using db = await createDatabase(table);
  const made = copyPlan(
    await plan(db, { alter: ['rename v to w', 'rename n to total', 'alter total type numeric(10,2)'] }),
  );
  expect(made.back?.narrower).toEqual([]);
});

test('how many ids remain', async () => {
  await using db = await createDatabase(`${table}
    select setval('t_id_seq', 1999999999);
    create table i (id smallint generated by default as identity primary key);`);
  const made = copyPlan(await plan(db, { alter: ['alter id type bigint'] }));
  expect(made.back?.ids).toEqual([{ column: 'id', newColumn: 'id', limit: '2147483647', increment: '1' }]);
  expect(made.warnings).toContainEqual({
    code: 'ids-remaining',
    facts: { column: 'id', limit: '2147483647', last: '1999999999', remaining: '147483648', isNear: true },
  });
  await using session = await openSession(db);
  const identity = await makePlan(session, requestFor('i', { alter: ['alter id type int'] }), {
    buildClone,
    rebindClone: rebindStatements,
  });
  // Nothing was drawn yet.
  expect(copyPlan(identity).back?.ids).toEqual([
    { column: 'id', newColumn: 'id', limit: '32767', increment: '1' },
  ]);
  expect(identity.warnings.map(({ code }) => code)).not.toContain('ids-remaining');
});

const refused: readonly (readonly [string, Partial<ChangeRequest>, readonly string[]])[] = [
  ['a column that there is not', { reverse: [set('nothing', '1')] }, ['undefined-column']],
  ['a generated one', { reverse: [set('g', '1')] }, ['set-generated']],
  ['one that stays', { reverse: [set('v', 'upper(v)')] }, ['needless-reverse']],
  ['a whole row', { alter: ['drop v'], reverse: [set('v', 't::text')] }, ['whole-row']],
  ['a system column', { alter: ['drop v'], reverse: [set('v', 'ctid::text')] }, ['system-column']],
  ['a column of the old table', { alter: ['drop v'], reverse: [set('v', 'v')] }, ['rejected-by-server']],
  [
    'a subquery',
    { alter: ['drop v'], reverse: [set('v', '(select x from t limit 1)')] },
    ['rejected-by-server'],
  ],
  ['an aggregate', { alter: ['drop v'], reverse: [set('v', 'max(x)')] }, ['rejected-by-server']],
  ['a set', { alter: ['drop p'], reverse: [set('p', 'generate_series(1, id)')] }, ['rejected-by-server']],
  ['another type', { alter: ['drop p'], reverse: [set('p', 'x')] }, ['rejected-by-server']],
  ['what differs', { alter: ['drop v'], reverse: [set('v', 'x')] }, ['reverse-differs']],
  ['what fails', { alter: ['drop p'], reverse: [set('p', '1 / (id - 3)')] }, ['reverse-fails']],
  [
    'a native change',
    { rewrite: false, alter: ['drop v'], reverse: [set('v', `'x'`)] },
    ['needless-reverse'],
  ],
];

test.concurrent.each(refused)('--reverse is refused: %s', async (_, parts, codes) => {
  await using db = await createDatabase(table);
  const { verdict, reasons } = await plan(db, parts);
  expect(verdict).toBe('refused');
  expect(reasons.map(({ code }) => code)).toEqual(codes);
});

test('--reverse twice for one column is wrong by itself', async () => {
  await using db = await createDatabase(table);
  await expect(plan(db, { reverse: [set('v', '1'), set('V', '2')] })).rejects.toMatchObject({
    code: 'reverse-twice',
  });
});

test('what is needed is said, and what is not possible', async () => {
  await using db = await createDatabase(`${table} alter table t add y int;`);
  await db.query('update t set y = id; alter table t alter y set not null');
  const needs = copyPlan(
    await plan(db, { alter: ['drop y, alter p type text using p || $$!$$'], set: [set('v', 'upper(v)')] }),
  );
  expect(needs.back).toMatchObject({
    verdict: 'needs-reverse',
    way: null,
    needs: [
      { column: 'v', why: 'computed' },
      { column: 'p', why: 'computed' },
      { column: 'y', why: 'no-default' },
    ],
  });
  const impossible = copyPlan(await plan(db, { alter: ['drop constraint t_pkey'] }));
  expect(impossible.back).toMatchObject({
    verdict: 'impossible',
    way: null,
    against: [{ what: 'no-index', columns: ['id'] }],
  });
});

test('the way back is stored with the plan, and a run goes on with or without it as it was begun', async () => {
  await using db = await createDatabase(table);
  const change = { table: 't', alter: ['alter id type bigint, drop v'] };
  const declined = { settings: { withoutRollbackWindow: true } };
  const at = { connection: { url: db.url } };
  expect(await planned({ ...at, request: request(change), ...declined })).toMatchObject({
    verdict: 'copy',
    back: { verdict: 'declined', way: null },
  });
  await stopAtPoint(db, change, 'copied', { settings: { withoutRollbackWindow: false } });
  const { rows: stored } = await db.query(`select plan -> 'back' ->> 'verdict' as verdict from ghost.tables`);
  expect(stored).toEqual([{ verdict: 'loses' }]);
  expect(await failure(runChange(db, change, declined))).toMatchObject({
    reasons: [{ code: 'another-rollback-window' }],
  });
  await swapChange(db, change);
  expect((await db.query('select count(*)::int as n from t')).rows).toEqual([{ n: 20 }]);
});

async function rows(db: TestDatabase, name: string): Promise<unknown[]> {
  const { rows: found } = await db.query(`select to_json(r)::text as row from ${name} as r order by 1`);
  return found;
}

/** The new table, in the schema `renewed`, with the source's rows. */
async function swapByPlan(db: TestDatabase, plan: CopyPlan): Promise<void> {
  const { projection, source, settings, request } = plan;
  await using session = await openSession(db);
  await session.batch(['create schema renewed', ...cloneStatements(source, 'renewed')]);
  await session.batch(changeStatementsIn(request, 'renewed'));
  await session.set(settings);
  const select = projectionSql(projection, { from: 'only public.t' });
  await session.execute(
    `insert into renewed.t (${identList(projectedColumns(projection))}) overriding system value ${select}`,
  );
}

/** All rows of the new table, or these, made anew in the old one. */
async function bringBack(db: TestDatabase, { back, settings }: CopyPlan, where = 'true'): Promise<void> {
  await using session = await openSession(db);
  await session.set(settings);
  const way = back?.way;
  if (way == null) throw new Error('there is no way back');
  const keys = projectionSql(way.keyProjection, { from: `(select * from renewed.t where ${where})` });
  await session.execute(`delete from public.t where id in (${keys})`);
  const select = projectionSql(way.projection, { from: `(select * from renewed.t where ${where})` });
  await session.execute(
    `insert into public.t (${identList(projectedColumns(way.projection))}) overriding system value ${select}`,
  );
}
