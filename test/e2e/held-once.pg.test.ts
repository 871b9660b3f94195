/** What was true, or was written, at another time than now: ALTER TABLE does not look again, and a copy must not either. */
import { copyPlan } from '../plan/copy-plan.js';
import { expect, test } from 'vitest';
import { describePlan, plan } from '../../src/index.js';
import { catalogSnapshot, tableRows } from '../support/catalog-snapshot.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { completeChange, failure, request, runChange } from '../support/migration.js';

const checksOf = async (db: TestDatabase): Promise<Record<string, boolean>> => {
  const { rows } = await db.query<{ conname: string; convalidated: boolean }>(
    `select conname, convalidated from pg_constraint where conrelid = 't'::regclass and contype = 'c' order by conname`,
  );
  return Object.fromEntries(rows.map(({ conname, convalidated }) => [conname, convalidated]));
};

test('checks that held when the rows were written do not stop the copy', async () => {
  await using db = await createDatabase(`
    create function small(n int) returns boolean immutable language sql as 'select n < 1000';
    create table limits (floor int);
    insert into limits values (0);
    create function above(n int) returns boolean stable language sql as 'select n > (select floor from public.limits)';
    create domain fresh as timestamptz check (value > now());
    create table t (
      id int primary key, v int, until timestamptz, seen fresh default now() + interval '1 hour',
      constraint "Still ok" check (until > now()),
      constraint day check (until::date > date '2020-01-01'),
      constraint small check (small(v)),
      constraint above check (above(v)),
      constraint plain check (v > 0)
    );
    alter table t add constraint replaced check (above(v) or v is null) not valid;
    comment on constraint "Still ok" on t is 'until it is over';
    insert into t select i, i, now() + interval '1 microsecond', now() + interval '1 microsecond' from generate_series(1, 300) as i;
    create or replace function small(n int) returns boolean immutable language sql as 'select n < 100';`);
  await using clone = await db.clone();
  await clone.query('alter table t alter column id type bigint');
  const before = { 'Still ok': true, above: true, day: true, plain: true, replaced: false, small: true };
  expect(await checksOf(clone)).toEqual(before);

  const planned = await plan({
    connection: { url: db.url },
    request: request({ table: 't', alter: ['alter column id type bigint'] }),
  });
  expect(copyPlan(planned).lateChecks).toEqual([
    { name: 'Still ok', why: 'not immutable' },
    { name: 'above', why: 'own function' },
    { name: 'day', why: 'not immutable' },
    { name: 'small', why: 'own function' },
  ]);
  const { events } = await completeChange(
    db,
    { table: 't', alter: ['alter column id type bigint'] },
    {
      onPoint: async (point) => {
        // Valid when it is written, and not when it is applied.
        if (point === 'copied')
          await db.query(
            `insert into t values (1000, 5, now() + interval '1 microsecond', now() + interval '1 microsecond')`,
          );
      },
    },
  );
  // What every row still holds is as it was; two are not, and that is said.
  expect(await checksOf(db)).toEqual({ ...before, 'Still ok': false, small: false });
  expect(events.filter(({ event }) => event === 'warning')).toMatchObject([
    { code: 'check-not-valid', message: expect.stringContaining('CHECK Still ok stays NOT VALID') as string },
    { code: 'check-not-valid', message: expect.stringContaining('CHECK small stays NOT VALID') as string },
  ]);
  const { rows } = await db.query(
    `select obj_description(oid) as comment, pg_get_constraintdef(oid) as def from pg_constraint where conname = 'Still ok'`,
  );
  expect(rows).toEqual([{ comment: 'until it is over', def: 'CHECK ((until > now())) NOT VALID' }]);
  await expect(db.query(`insert into t values (1001, 5, '2019-01-01', null)`)).rejects.toMatchObject({
    code: '23514',
  });
});

test('a type change of the column of such a check looks at all rows, as PostgreSQL does', async () => {
  await using db = await createDatabase(`
    create table t (id int primary key, until timestamptz constraint ok check (until > now()));
    insert into t values (1, now() + interval '1 microsecond');`);
  await using clone = await db.clone();
  // Today began before now, whenever this runs.
  const change = 'alter column until type date';
  await expect(clone.query(`alter table t ${change}`)).rejects.toMatchObject({ code: '23514' });
  expect(await failure(runChange(db, { table: 't', alter: [change] }))).toMatchObject({
    code: 'row-does-not-fit',
    details: { reason: 'check', keys: ['id=1'] },
  });
});

test('stored generated values whose function was replaced are never computed anew unseen', async () => {
  await using db = await createDatabase(`
    create function f(n int) returns text immutable language sql as $$ select 'old ' || n $$;
    create table t (id int primary key, v int, pad text, "Low" text generated always as (f(v)) stored)
      with (autovacuum_enabled = off);
    insert into t (id, v, pad) select i, i, repeat('x', 500) from generate_series(1, 3000) as i;`);
  await using clone = await db.clone();
  await clone.query(
    `create or replace function f(n int) returns text immutable language sql as $$ select 'new ' || n $$`,
  );
  await clone.query('alter table t alter column id type bigint');
  expect((await clone.query('select "Low" from t where v = 1')).rows).toEqual([{ Low: 'old 1' }]);

  const change = { table: 't', alter: ['alter column id type bigint'] };
  await db.query(
    `create or replace function f(n int) returns text immutable language sql as $$ select 'new ' || n $$`,
  );
  expect(await failure(runChange(db, change))).toMatchObject({ code: 'generated-stale' });

  // Only the verification can know the others: with --verify off nothing would.
  await db.query(
    `create or replace function f(n int) returns text immutable language sql as $$ select 'old ' || n $$`,
  );
  const { warnings } = describePlan(await plan({ connection: { url: db.url }, request: request(change) }));
  expect(warnings.filter(({ code }) => code === 'generated-sampled')).toMatchObject([
    { message: expect.stringMatching(/column Low calls functions .*--verify off nothing does/) as unknown },
  ]);

  // One row in the middle, where the plan does not look.
  await db.query(`create or replace function f(n int) returns text immutable language sql
    as $$ select case n when 1500 then 'new ' else 'old ' end || n $$`);
  const found = await failure(runChange(db, change));
  expect(found).toMatchObject({ code: 'differences' });
  expect(found.message).toContain(
    `id=1500: Low is 'new 1500', must be 'old 1500', as its expression gave it when the row was written`,
  );
  const { rows } = await db.query(`select id from ghost.migrations where phase <> 'aborted'`);
  // Where every row is what its expression gives, nothing is in the way.
  await db.query(`update t set v = v where v = 1500`);
  const { result } = await completeChange(db, change);
  expect(result.id).toBe(rows[0]?.['id'] === undefined ? null : Number(rows[0]['id']));
  expect((await db.query('select "Low" from t where v = 1500')).rows).toEqual([{ Low: 'new 1500' }]);
});

test('a mere rewrite changes neither a text nor the order of a grant', async () => {
  await using db = await createDatabase();
  const roles = [await db.createRole(), await db.createRole(), await db.createRole()];
  const [b = '', a = '', c = ''] = roles
    .map(({ name }) => name)
    .toSorted()
    .toReversed();
  await db.query(`
    grant usage, create on schema public to ${a}, ${b}, ${c};
    create table t (id serial primary key, s varchar(10) not null default 'new', n int generated always as identity,
      check (s in ('new', 'old', 'gone')), check (s not in ('x', 'y') and n between 1 and 1000000));
    create table alone (id int primary key, s varchar(9) check (s in ('a', 'b')));
    insert into t (s) select 'old' from generate_series(1, 10);
    create index t_some on t (n) where s in ('new', 'old');
    create view v with (security_barrier) as select id, s from t where s in ('new', 'old');
    create policy p on t using (s in ('new', 'gone')) with check (s = any (array['new', 'gone']::varchar[]));
    alter table t enable row level security;
    create function fire() returns trigger language plpgsql as $$ begin return new; end $$;
    create trigger tr before update on t for each row when (new.s in ('new', 'old')) execute function fire();
    grant select on t to ${b} with grant option;
    grant insert, select on t to ${a} with grant option;
    set role ${a}; grant select on t to ${c}; reset role;
    grant update, references on t to ${c};
    set role ${b}; grant select on t to public; reset role;
    revoke truncate on t from current_user;
    grant update (s), select (s) on t to ${c};
    grant select (s) on t to ${a};
    grant usage on sequence t_id_seq to ${c}; grant select on sequence t_id_seq to ${a};
    grant all on sequence t_n_seq to ${b}; grant usage on sequence t_n_seq to ${a};
    grant select on v to ${c}; grant insert on v to ${a};
    alter default privileges in schema public grant select on tables to ${c};`);
  const acls = async (): Promise<unknown[]> =>
    (
      await db.query(`
        select c.relname, c.relacl::text, array(select attname || attacl::text from pg_attribute where attrelid = c.oid and attacl is not null order by attnum) as columns
        from pg_class as c where relnamespace = 'public'::regnamespace and relkind in ('r', 'S', 'v') order by 1`)
    ).rows;
  const look = async (): Promise<unknown> => ({
    acls: await acls(),
    catalog: await catalogSnapshot(await db.connect(), 'public', { sequenceValues: true }),
    rows: await tableRows(await db.connect(), 't'),
  });
  const before = await look();
  await completeChange(db, { table: 't', rewrite: true });
  await completeChange(db, { table: 'alone', rewrite: true });
  expect(await look()).toEqual(before);
});
