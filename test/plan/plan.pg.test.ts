import { inWords } from '../../src/advice.js';
import { describe, expect, test } from 'vitest';
import { UsageError, RefusedError } from '../../src/errors.js';
import { makePlan } from '../../src/plan/plan.js';
import type { Plan } from '../../src/model/plan.js';
import { describePlan } from '../../src/report/plan/describe-plan.js';
import { copyPlan } from './copy-plan.js';
import type { ChangeRequest } from '../../src/model/change-request.js';
import { buildClone } from '../../src/shadow/build-clone.js';
import { rebindStatements } from '../../src/ddl/rebind-sql.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { openSession, requestFor } from './trial-support.js';

const orders = `
  create table public.orders (
    id serial primary key,
    total numeric not null,
    note text,
    code varchar(10) not null,
    constraint positive check (total > 0)
  );
  create unique index orders_code on orders (code);
  comment on table orders is 'what people bought';
  grant select on orders to public;
  insert into orders (total, code) select g, g from generate_series(1, 100) as g;
  analyze orders;`;

async function planOf(db: TestDatabase, parts: Partial<ChangeRequest>, url = db.url): Promise<Plan> {
  await using session = await openSession(db, url);
  return await makePlan(session, requestFor('orders', parts), {
    buildClone,
    rebindClone: rebindStatements,
  });
}

async function codesOf(db: TestDatabase, parts: Partial<ChangeRequest>): Promise<string[]> {
  const plan = await planOf(db, parts);
  return plan.verdict === 'refused' ? plan.reasons.map(({ code }) => code) : [plan.verdict];
}

describe('makePlan', () => {
  test('a copy, with everything that a run and a reader need', async () => {
    await using db = await createDatabase(orders);
    const plan = await planOf(db, { alter: ['alter column id type bigint'] });
    expect(plan).toMatchObject({
      table: { schema: 'public', name: 'orders' },
      verdict: 'copy',
      reasons: [{ code: 'rewrites-table' }],
      statements: ['alter table "public"."orders" alter column id type bigint'],
      key: {
        index: 'orders_pkey',
        columns: [{ name: 'id', type: 'integer', collation: null, targetName: 'id', targetType: 'bigint' }],
        projection: { alias: 'orders', layers: [[{ name: 'id', expression: '"id"' }]] },
        needsHelperIndex: false,
      },
      estimates: { rows: 100 },
      settings: { search_path: '"$user", public', TimeZone: expect.any(String) },
    });
    expect(copyPlan(plan).columns.map(({ target, how }) => [target, how])).toEqual([
      ['id', 'converted'],
      ['total', 'copied'],
      ['note', 'copied'],
      ['code', 'copied'],
    ]);
    const told = describePlan(plan);
    expect(told.steps.map(({ phase }) => phase)).toEqual([
      'prepare',
      'copy',
      'purge',
      'index',
      'catch-up',
      'settle',
      'verify',
      'cutover',
    ]);
    expect(told.locks).toContainEqual(
      expect.objectContaining({
        phase: 'cutover',
        table: 'public.orders_id_seq',
        mode: 'ACCESS EXCLUSIVE',
      }),
    );
    const notNull = ['code', 'id', 'total'].map((column) => `constraint orders_${column}_not_null`);
    expect(told.dependents.map(({ kind, name }) => `${kind} ${name}`).toSorted()).toEqual([
      'comments 1 comments',
      ...(db.major >= 18 ? notNull : []),
      'constraint positive',
      expect.stringMatching(/^grants \d+ privileges$/),
      'index public.orders_code',
      'index public.orders_pkey',
      expect.stringMatching(/^owner /),
      'sequence public.orders_id_seq',
    ]);
    expect(new Set(told.dependents.map(({ treatment }) => treatment))).toEqual(new Set(['carried']));
    expect(plan.warnings.map(({ code }) => code)).toContain('cached-plans');
    expect(inWords(told.rollback?.message ?? '')).toBe(
      'rollback: keeps everything; before the cutover aborting migration ID undoes everything',
    );
    expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
  });

  test('a native change, with its statements qualified', async () => {
    await using db = await createDatabase(orders);
    const plan = await planOf(db, {
      alter: ['add column c int'],
      statements: ['drop index orders_code; comment on column public.orders.c is $$x$$'],
    });
    expect(plan).toMatchObject({
      verdict: 'native',
      statements: [
        'alter table "public"."orders" add column c int',
        'drop index "public"."orders_code"',
        'comment on column "public"."orders".c is $$x$$',
      ],
      statementLocks: [
        { mode: 'ACCESS EXCLUSIVE' },
        { mode: 'ACCESS EXCLUSIVE' },
        { mode: 'SHARE UPDATE EXCLUSIVE' },
      ],
    });
    expect(describePlan(plan).locks).toMatchObject([
      { table: 'public.orders', mode: 'ACCESS EXCLUSIVE', blocks: 'reads and writes' },
      { table: 'public.orders', mode: 'ACCESS EXCLUSIVE' },
      { table: 'public.orders', mode: 'SHARE UPDATE EXCLUSIVE', blocks: 'ddl' },
    ]);
  });

  test('leaves nothing behind, not even when it is refused', async () => {
    await using db = await createDatabase(orders);
    const catalog = async (): Promise<unknown> => {
      const { rows } = await db.query(
        `select (select array_agg(nspname order by 1) from pg_namespace) as schemas,
           (select array_agg(oid::text || relname || coalesce(relfilenode::text, '') order by oid) from pg_class where oid > 16384)
             as relations`,
      );
      return rows;
    };
    const before = await catalog();
    await planOf(db, {
      alter: ['alter column id type bigint'],
      set: [{ column: 'note', expression: 'upper(note)' }],
    });
    await planOf(db, { alter: ['alter column note type int'] });
    await planOf(db, { set: [{ column: 'note', expression: 'nothing' }] });
    expect(await catalog()).toEqual(before);
  });

  test.each<[string, Partial<ChangeRequest>, RegExp, RegExp?]>([
    [
      'a missing column',
      { alter: ['drop column nothing'] },
      /^drop column nothing: column "nothing" of relation "orders" does not exist$/,
    ],
    ['a missing type', { alter: ['add column c nothing'] }, /type "nothing" does not exist/],
    [
      'a cast that needs USING',
      { alter: ['alter column note type int'] },
      /cannot be cast automatically/,
      /USING note::integer/,
    ],
    ['an existing column', { alter: ['add column note text'] }, /already exists/],
    [
      'a subquery in --set',
      { set: [{ column: 'note', expression: '(select 1)' }] },
      /^--set note=\(select 1\): cannot use subquery/,
    ],
    [
      'an aggregate in --set',
      { set: [{ column: 'note', expression: 'max(total)' }] },
      /aggregate functions are not allowed/,
    ],
    [
      'a set in --set',
      { set: [{ column: 'note', expression: 'generate_series(1, 2)' }] },
      /set-returning functions are not allowed/,
    ],
    [
      'a value that does not fit',
      { set: [{ column: 'total', expression: 'note' }] },
      /cannot be cast automatically/,
    ],
    [
      'a new column in --set',
      { alter: ['add column c int'], set: [{ column: 'note', expression: 'c' }] },
      /column "c" does not exist/,
    ],
    ['a missing index', { statements: ['drop index nothing'] }, /index "nothing" does not exist/],
  ])('refuses what PostgreSQL would refuse: %s', async (_, parts, message, hint) => {
    await using db = await createDatabase(orders);
    const plan = await planOf(db, parts);
    expect(plan.verdict).toBe('refused');
    expect(plan.reasons).toMatchObject([
      { code: 'rejected-by-server', message: expect.stringMatching(message) },
    ]);
    if (hint !== undefined) expect(plan.reasons[0]?.hint).toMatch(hint);
  });

  test.each<[string, Partial<ChangeRequest>, string[]]>([
    ['another table', { statements: ['alter table other add c int'] }, ['other-table']],
    ['no table', { statements: ['alter table nothing add c int'] }, ['other-table']],
    ["another table's index", { statements: ['drop index other_pkey'] }, ['other-index']],
    ['the index in another schema', { statements: ['drop index app.orders_code'] }, ['other-index']],
    ['a taken index name', { statements: ['create index free on orders (note)'] }, ['name-taken']],
    ['a missing column for --set', { set: [{ column: 'nothing', expression: '1' }] }, ['undefined-column']],
    [
      '--set of a generated column',
      {
        alter: ['add c numeric generated always as (total) stored'],
        set: [{ column: 'c', expression: '1' }],
      },
      ['set-generated'],
    ],
    [
      '--set and USING',
      { alter: ['alter note type text using code'], set: [{ column: 'note', expression: '1' }] },
      ['set-and-using'],
    ],
    ['a whole row', { set: [{ column: 'note', expression: 'orders::text' }] }, ['whole-row']],
    ['all columns', { set: [{ column: 'note', expression: '(orders.*)::text' }] }, ['whole-row']],
    ['a system column', { set: [{ column: 'note', expression: 'ctid::text' }] }, ['system-column']],
    ['a type changed twice', { alter: ['alter total type int', 'alter total type text'] }, ['retyped-twice']],
    [
      'two TYPE actions at once',
      { alter: [`alter note type text using 'x', alter note type text`] },
      ['retyped-twice'],
    ],
    [
      'USING of a changed column',
      { alter: ['alter total type int', 'alter note type text using total::text'] },
      ['using-changed-column'],
    ],
    [
      'USING of an added column',
      { alter: ['add c int default 1', 'alter note type text using c::text'] },
      ['using-changed-column'],
    ],
    [
      'USING of an earlier USING',
      { alter: [`alter note type text using 'x'`, 'alter code type text using note'] },
      ['using-changed-column'],
    ],
    ['NOT NULL without a value', { alter: ['add c int not null'] }, ['added-not-null']],
    [
      'a volatile default changed',
      { alter: ['add c float default random()', 'alter c set default 1'] },
      ['volatile-default-changed'],
    ],
    ['a key dropped', { alter: ['drop column id, drop column code'], rewrite: true }, ['no-key']],
    [
      'a key computed from others',
      { alter: ['alter id type bigint using total', 'alter code type text using note'] },
      ['no-key'],
    ],
    [
      'a volatile key',
      { alter: ['alter id type float using random()', 'alter code type text using random()'] },
      ['no-key'],
    ],
    ['another key instead', { alter: ['drop column id'], rewrite: true }, ['copy']],
    [
      '--set for NOT NULL',
      { alter: ['add c int not null'], set: [{ column: 'c', expression: 'total::int' }] },
      ['copy'],
    ],
    [
      'an index that comes and goes',
      { statements: ['create index i on orders (note); alter index i rename to j; drop index public.j'] },
      ['copy'],
    ],
    ['IF EXISTS of nothing', { statements: ['drop index if exists nothing'] }, ['native']],
  ])('%s', async (_, parts, codes) => {
    await using db = await createDatabase(
      `${orders} create schema app; create table other (id int primary key); create index free on other (id);`,
    );
    expect(await codesOf(db, parts)).toEqual(codes);
  });

  test('no copy is made for the sake of a foreign key', async () => {
    await using db = await createDatabase(
      `${orders} create table parent (id int primary key);
       alter table orders add constraint fk foreign key (id) references parent not valid`,
    );
    const pure = {
      'foreign-key-constraint': [
        'drop constraint fk',
        'validate constraint fk',
        'alter constraint fk deferrable',
        'alter column note set default 1, drop constraint if exists fk cascade',
      ],
      'foreign-key-added': [
        'add foreign key (id) references parent',
        'add constraint own foreign key (id) references public.orders (id) not valid',
        'add column c int, add column parent int default 1 references parent',
      ],
    };
    for (const [code, requests] of Object.entries(pure))
      for (const alter of requests)
        expect([alter, await codesOf(db, { alter: [alter] })]).toEqual([alter, [code]]);
    for (const statement of [
      'alter table orders rename constraint fk to other',
      'comment on constraint fk on orders is $$x$$',
    ])
      expect(await codesOf(db, { statements: [statement] })).toEqual(['foreign-key-constraint']);
    // A scan that is not the foreign key's.
    expect(await codesOf(db, { alter: ['add check (id > 0), drop constraint fk'] })).toEqual(['copy']);
    expect(await codesOf(db, { alter: ['add column c int'] })).toEqual(['native']);
    expect(await codesOf(db, { rewrite: true })).toEqual(['copy']);
  });

  test('the inventory says of each dependent what becomes of it, and the lock set names each relation', async () => {
    await using db = await createDatabase(
      `${orders}
       create view app_orders as select * from orders;
       create view app_totals as select total from app_orders;
       create function f() returns trigger language plpgsql as 'begin return new; end';
       create trigger audit after insert on orders for each row execute function f();
       create table lines (order_id int references orders);
       create policy p on orders;
       create statistics s on total, code from orders;`,
    );
    const plan = await planOf(db, { rewrite: true });
    expect(plan.verdict).toBe('copy');
    const { dependents, locks } = describePlan(plan);
    const fates = dependents.map(({ kind, treatment }) => `${kind} ${treatment}`);
    expect(fates).toEqual(
      expect.arrayContaining([
        'extended-statistics carried',
        'foreign-key-in recreated',
        'policy recreated',
        'trigger recreated',
        'view recreated',
      ]),
    );
    expect(dependents.map(({ name }) => name).join('\n')).toMatch(
      /view .*app_totals \(through view .*app_orders\)/,
    );
    expect(copyPlan(plan).lockSet.map(({ name, kind }) => `${kind} ${name.name}`)).toEqual([
      'view app_totals',
      'view app_orders',
      'table lines',
      'table orders',
    ]);
    expect(locks.filter(({ phase }) => phase === 'validate')).toHaveLength(2);
    const native = await planOf(db, { alter: ['add column c int'] });
    expect(native.verdict).toBe('native');
    expect(native.warnings.map(({ code }) => code)).not.toContain('dependents-untried');
  });

  test.each([
    ['create view orders as select 1 as id', 'not-a-table'],
    ['create table orders (id int primary key) partition by range (id)', 'partitioned-table'],
    [
      'create table p (id int primary key) partition by range (id); create table orders partition of p default',
      'partition',
    ],
    ['create materialized view orders as select 1 as id', 'not-a-table'],
    ['create sequence orders', 'not-a-table'],
  ])('%s: refused as %s', async (setup, code) => {
    await using db = await createDatabase(setup);
    expect(await codesOf(db, { rewrite: true })).toEqual([code]);
  });

  test('a system catalog', async () => {
    await using db = await createDatabase();
    await using session = await openSession(db);
    const plan = await makePlan(session, requestFor('pg_catalog.pg_class', { rewrite: true }), {
      buildClone,
      rebindClone: rebindStatements,
    });
    expect(plan.reasons).toMatchObject([{ code: 'system-table' }]);
  });

  test('a table without any key', async () => {
    await using db = await createDatabase(
      'create table orders (id int, code text); create unique index c on orders (code)',
    );
    const plan = await planOf(db, { rewrite: true });
    expect(plan.reasons).toMatchObject([
      {
        code: 'no-key',
        message: expect.stringContaining('c: column code can be NULL'),
        hint: expect.any(String),
      },
    ]);
  });

  test('missing privileges come with the statements that give them', async () => {
    await using db = await createDatabase(orders);
    const role = await db.createRole();
    const plan = await planOf(db, { rewrite: true }, role.url);
    expect(plan.reasons).toMatchObject([{ code: 'privilege', hint: expect.stringMatching(/grant .*;/i) }]);
    const [, first = ''] =
      /^as an administrator run:\n((?: .*\n?)+)/.exec(inWords(plan.reasons[0]?.hint ?? '')) ?? [];
    await db.query(first);
    expect(await planOf(db, { rewrite: true }, role.url)).toMatchObject({ verdict: 'copy' });
  });

  test('no such table', async () => {
    await using db = await createDatabase();
    await expect(planOf(db, { rewrite: true })).rejects.toThrow(RefusedError);
    await expect(planOf(db, {})).rejects.toThrow(UsageError);
  });

  test('a --set with another value each time is told', async () => {
    await using db = await createDatabase(orders);
    for (const expression of [
      'random()::text',
      'now()::text',
      'current_date::text',
      `gen_random_uuid()::text`,
    ]) {
      const plan = await planOf(db, { set: [{ column: 'note', expression }] });
      expect(plan.warnings.map(({ code }) => code)).toContain('volatile-expression');
      expect(copyPlan(plan).columns.find(({ target }) => target === 'note')).toMatchObject({
        volatile: true,
      });
    }
    const steady = await planOf(db, { set: [{ column: 'note', expression: 'upper(code)' }] });
    expect(steady.warnings.map(({ code }) => code)).not.toContain('volatile-expression');
  });
});
