/** Wrong requests, rows that do not fit, missing rights: one clear error, the documented exit code, nothing left behind. */
import { describe, expect, test } from 'vitest';
import { abort, status } from '../../src/index.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { completeChange, failure, runChange, type ChangeInput } from '../support/migration.js';
import { commonSetup } from './changes.js';

/** Every object of ours that exists, apart from finished rows of the state. */
async function leftovers(db: TestDatabase): Promise<string[]> {
  const { rows } = await db.query<{ name: string }>(
    `select nspname as name from pg_namespace where nspname like 'ghost%'
     union all select tgname from pg_trigger where tgname like 'ghost%'`,
  );
  return rows.map((row) => row.name);
}

describe('refused before anything is changed', () => {
  const cases: (ChangeInput & {
    name: string;
    setup?: string;
    code: string;
    exitCode: number;
    says?: RegExp;
  })[] = [
    {
      name: 'unknown table',
      table: 'nothing_here',
      alter: ['ADD COLUMN x int'],
      code: 'no-such-table',
      exitCode: 3,
    },
    {
      name: 'unknown column',
      table: 'orders',
      alter: ['ALTER COLUMN nope TYPE bigint'],
      code: '',
      exitCode: 3,
      says: /nope/,
    },
    {
      name: 'syntax error',
      table: 'orders',
      alter: ['ALTER COLUMN id TIPE bigint'],
      code: 'syntax-error',
      exitCode: 2,
    },
    {
      name: 'no automatic cast',
      table: 'orders',
      alter: ['ALTER COLUMN note TYPE integer'],
      code: '',
      exitCode: 3,
      says: /cast/,
    },
    { name: 'nothing asked', table: 'orders', code: 'empty-change', exitCode: 2 },
    {
      name: 'another table in --file',
      table: 'orders',
      statements: ['alter table other add column x int'],
      code: '',
      exitCode: 3,
      says: /other/,
    },
    {
      name: 'a statement that is no shape',
      table: 'orders',
      statements: ['delete from orders'],
      code: '',
      exitCode: 3,
    },
    {
      name: 'a second statement behind --alter',
      table: 'orders',
      alter: ['ADD COLUMN x int; DROP TABLE orders'],
      code: 'several-statements',
      exitCode: 2,
    },
    {
      name: 'no usable key',
      table: 'keyless',
      setup: 'create table keyless (a int, b int); create unique index on keyless (a) where b > 0',
      alter: ['ALTER COLUMN b TYPE bigint'],
      code: 'no-key',
      exitCode: 3,
    },
    {
      name: 'a view',
      table: 'v',
      setup: 'create view v as select 1 as a',
      alter: ['ADD COLUMN x int'],
      code: '',
      exitCode: 3,
      says: /view/,
    },
    {
      name: 'a partitioned table',
      table: 'p',
      setup: 'create table p (id int primary key) partition by range (id)',
      alter: ['ALTER COLUMN id TYPE bigint'],
      code: '',
      exitCode: 3,
      says: /partition/,
    },
    {
      name: 'a temporary-looking name that is bad',
      table: 'a.b.c',
      alter: ['ADD COLUMN x int'],
      code: 'bad-name',
      exitCode: 2,
    },
  ];
  test.each(cases)('$name', async ({ name: _, setup, code, exitCode, says, ...change }) => {
    await using db = await createDatabase(setup ?? commonSetup);
    const error = await failure(runChange(db, change));
    expect(error['exitCode'], String(error.stack)).toBe(exitCode);
    if (code !== '') expect(error['code']).toBe(code);
    if (says !== undefined) expect(error.message).toMatch(says);
    expect(await leftovers(db)).toEqual([]);
  });

  test('a role without rights is told which, as GRANT statements', async () => {
    await using db = await createDatabase(commonSetup);
    const role = await db.createRole();
    await db.query(`revoke create on schema public from public; grant select on orders to ${role.name}`);
    const error = await failure(
      runChange(db, { table: 'orders', alter: ['ALTER COLUMN id TYPE bigint'] }, { url: role.url }),
    );
    expect(error).toMatchObject({ exitCode: 3 });
    const hint = String(error['hint']);
    expect(hint).toMatch(new RegExp(`grant \\w+ to ${role.name}`));
    expect(await leftovers(db)).toEqual([]);
  });

  test('the owner, not a superuser, with CREATE on database and schema can do all of it', async () => {
    await using db = await createDatabase(commonSetup);
    const role = await db.createRole();
    await db.query(
      `grant create on database ${db.name} to ${role.name}; grant usage, create on schema public to ${role.name}; alter table orders owner to ${role.name}`,
    );
    const { result } = await completeChange(
      db,
      { table: 'orders', alter: ['ALTER COLUMN id TYPE bigint'] },
      { url: role.url },
    );
    expect(result.native).toBe(false);
    const { rows } = await db.query(
      `select pg_get_userbyid(relowner) as owner from pg_class where relname = 'orders'`,
    );
    expect(rows).toEqual([{ owner: role.name }]);
  });

  test('a server that cannot be reached, without the password', async () => {
    await using db = await createDatabase();
    const error = await failure(
      runChange(db, { table: 'orders', rewrite: true }, { url: 'postgres://me:s3cret-word@127.0.0.1:1/x' }),
    );
    expect(error).toMatchObject({ exitCode: 1, code: 'cannot-connect' });
    expect(JSON.stringify(error) + String(error.stack)).not.toContain('s3cret-word');
  });
});

describe('rows that do not fit the new shape', () => {
  const setup = `create table t (id int primary key, v text, n int);
    insert into t select i, case when i in (7, 700) then 'x' else i::text end, nullif(i, 500) from generate_series(1, 1000) i`;
  test.each([
    { name: 'cast', alter: 'ALTER COLUMN v TYPE int USING v::int', says: /id=7/ },
    { name: 'not null', alter: 'ALTER COLUMN n SET NOT NULL', says: /id=500/ },
    { name: 'check', alter: 'ADD CONSTRAINT small CHECK (id < 999)', says: /id=999.*id=1000/s },
    {
      name: 'unique',
      alter: 'ADD COLUMN twin int GENERATED ALWAYS AS (id % 999) STORED UNIQUE',
      says: /id=1\b.*id=1000/s,
    },
  ])('$name: the keys are named, the state is kept, abort undoes', async ({ alter, says }) => {
    await using db = await createDatabase(setup);
    const error = await failure(runChange(db, { table: 't', alter: [alter] }));
    expect(error).toMatchObject({ exitCode: 1 });
    expect(error.message).toMatch(says);
    const [stopped] = await status({ connection: { url: db.url } }, 1);
    expect(stopped?.error).toMatchObject({ code: error['code'] });
    await abort({ connection: { url: db.url } }, 1);
    expect((await leftovers(db)).filter((name) => name !== 'ghost')).toEqual([]);
  });

  test('repaired duplicates let the same command go on', async () => {
    await using db = await createDatabase(setup);
    const change = { table: 't', alter: ['ADD CONSTRAINT v_key UNIQUE (v)'] };
    const error = await failure(runChange(db, change));
    expect(error).toMatchObject({ code: 'unique-violation' });
    expect(error.message).toMatch(/id=7 and id=700|id=700 and id=7/);
    await db.query(`update t set v = 'y' where id = 700`);
    await completeChange(db, change);
    const { rows } = await db.query(`select count(distinct v)::int as n from t`);
    expect(rows).toEqual([{ n: 1000 }]);
  });

  test('repaired rows let the same command go on', async () => {
    await using db = await createDatabase(setup);
    const change = { table: 't', alter: ['ALTER COLUMN v TYPE int USING v::int'] };
    await failure(runChange(db, change));
    await db.query(`update t set v = '0' where v = 'x'`);
    await completeChange(db, change);
    const { rows } = await db.query(`select count(*)::int as n, sum(v)::int as total from t`);
    expect(rows).toEqual([{ n: 1000, total: 500500 - 707 }]);
  });

  test.each([
    {
      name: 'unique',
      alter: 'ADD CONSTRAINT v_key UNIQUE (v)',
      write: `insert into t values (2001, '1', 1)`,
      says: /2001|id=1\b/,
    },
    {
      name: 'check',
      alter: 'ADD CONSTRAINT c CHECK (n > -1)',
      write: `insert into t values (2001, 'new', -5)`,
      says: /2001/,
    },
    {
      name: 'cast',
      alter: 'ALTER COLUMN v TYPE int USING v::int',
      write: `insert into t values (2001, 'words', 1)`,
      says: /2001/,
    },
  ])(
    '$name violated by a later write of the application, which sees nothing of it',
    async ({ alter, write, says }) => {
      await using db = await createDatabase(
        `create table t (id int primary key, v text, n int); insert into t select i, i::text, i from generate_series(1, 1000) i`,
      );
      const written: Promise<unknown>[] = [];
      const error = await failure(
        runChange(
          db,
          { table: 't', alter: [alter] },
          {
            onEvent: (event) => {
              // After the indexes, before catch-up: only apply can meet it.
              if (event.event === 'phase:done' && event.phase === 'index') written.push(db.query(write));
            },
          },
        ),
      );
      expect(await Promise.all(written)).toHaveLength(1);
      expect(error).toMatchObject({ exitCode: 1 });
      expect(error.message).toMatch(says);
      const [stopped] = await status({ connection: { url: db.url } }, 1);
      expect(['catch-up', 'settle', 'cutover']).toContain(stopped?.phase);
      await db.query(`delete from t where id = 2001`);
      await completeChange(db, { table: 't', alter: [alter] });
    },
  );
});
