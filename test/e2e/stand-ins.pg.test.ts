/** What can only fail at the swap is found by plan: what it is tried on is as lasting, as collated and as closed as the real thing. */
import { describe, expect, test } from 'vitest';
import { plan } from '../../src/index.js';
import { catalogSnapshot } from '../support/catalog-snapshot.js';
import { createDatabase } from '../support/database.js';
import { captureWherePossible, completeChange, request } from '../support/migration.js';
import { renamingStatements } from '../../src/shadow/array-type.js';

const bigger = 'ALTER COLUMN id TYPE bigint';

describe('tables that do not last', () => {
  const cases = [
    {
      name: 'an unlogged parent of an unlogged child',
      setup: `create unlogged table t (id integer primary key); create unlogged table c (t_id integer references t)`,
      alter: [bigger],
      refused: null,
    },
    {
      name: 'an unlogged child of an unlogged parent',
      setup: `create unlogged table p (id integer primary key); create unlogged table t (id integer primary key, p_id integer references p)`,
      alter: [bigger],
      refused: null,
    },
    {
      name: 'a parent of an unlogged child that becomes logged',
      setup: `create unlogged table t (id integer primary key); create unlogged table c (t_id integer references t)`,
      alter: ['SET LOGGED'],
      refused: null,
    },
    {
      name: 'a child of an unlogged parent that becomes logged',
      setup: `create unlogged table p (id integer primary key); create unlogged table t (id integer primary key, p_id integer references p)`,
      alter: [`${bigger}, SET LOGGED`],
      refused: 'foreign-key-out',
    },
    {
      name: 'a parent of a logged child that becomes unlogged',
      setup: `create table t (id integer primary key); create table c (t_id integer references t)`,
      alter: ['SET UNLOGGED'],
      refused: 'foreign-key-in',
    },
    {
      name: 'one that references itself becomes logged',
      setup: `create unlogged table t (id integer primary key, parent integer references t)`,
      alter: ['SET LOGGED'],
      refused: null,
    },
  ];
  for (const { name, setup, alter, refused } of cases) {
    test(name, async () => {
      await using original = await createDatabase(setup);
      await using clone = await original.clone();
      const native = await clone.query(`alter table t ${alter.join(', ')}`).then(
        () => 'made',
        () => 'refused',
      );
      const planned = await plan({
        connection: { url: original.url },
        request: request({ table: 't', alter }),
      });
      expect([planned.verdict, planned.reasons[0]?.code]).toEqual(
        refused === null ? ['copy', 'rewrites-table'] : ['refused', refused],
      );
      expect(native).toBe(refused === null ? 'made' : 'refused');
      // One of them to its end; the others differ in what the trial says alone.
      if (name !== cases[0]?.name) return;
      await completeChange(original, { table: 't', alter }, { settings: { capture: captureWherePossible } });
      expect(await catalogSnapshot(await original.connect(), 'public')).toEqual(
        await catalogSnapshot(await clone.connect(), 'public'),
      );
    });
  }
});

test('a foreign key between columns of a collation that is not deterministic', async () => {
  await using db = await createDatabase(`
    create collation alike (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
    create table p (name text collate alike primary key);
    create table t (id integer primary key, name text collate alike references p)`);
  const { verdict } = await plan({
    connection: { url: db.url },
    request: request({ table: 't', alter: [bigger] }),
  });
  expect(verdict).toBe('copy');
});

test('rights that a run needs and ALTER TABLE does not, with the statements that give them', async () => {
  await using db = await createDatabase(`
    create table p (id integer primary key, code integer unique);
    create table t (id integer primary key, p_id integer references p (id))`);
  const owner = await db.createRole();
  await db.query(`
    grant create on database ${db.name} to ${owner.name};
    grant all on schema public to ${owner.name};
    alter table t owner to ${owner.name};
    revoke select, truncate on t from ${owner.name};
    grant references (code) on p to ${owner.name}`);
  const asked = { connection: { url: owner.url }, request: request({ table: 't', alter: [bigger] }) };
  const { reasons } = await plan(asked);
  expect(reasons.map(({ code }) => code)).toEqual(['privilege']);
  const statements = [
    `grant references (id) on public.p to ${owner.name};`,
    `grant select, truncate on public.t to ${owner.name};`,
  ];
  for (const statement of statements) {
    expect(reasons[0]?.hint).toContain(statement);
    await db.query(statement);
  }
  expect((await plan(asked)).verdict).toBe('copy');
  const { result } = await completeChange(db, { table: 't', alter: [bigger] }, { url: owner.url });
  expect(result.native).toBe(false);
});

test('a table whose array type could not have its usual name', async () => {
  const arrayType = `
    select a.typname as name from pg_class as c
    join pg_type as t on t.oid = c.reltype
    join pg_type as a on a.oid = t.typarray
    where c.oid = '"Orders"'::regclass`;
  await using db = await createDatabase(`
    create table "Orders" (id integer primary key);
    create table "_Orders" (id integer);
    create domain "_Orders_1" as integer`);
  const before = (await db.query(arrayType)).rows;
  expect(before).toEqual([{ name: '__Orders' }]);
  await completeChange(db, { table: '"Orders"', alter: [bigger] });
  expect((await db.query(arrayType)).rows).toEqual(before);
});

test('the array type gets the name that it has, by names that are taken for a moment', () => {
  expect(renamingStatements('t', '__t', 's')).toEqual(['create type "s"."_t" as ()', 'drop type "s"."_t"']);
  const beside = renamingStatements('t', '_t_2', 's');
  expect(beside.slice(1, 3)).toEqual(['create type "s"."_t" as ()', 'create type "s"."_t_1" as ()']);
  expect(beside[3]).toMatch(/^alter table "s"\."ghost_name_\d+" rename to "t"$/);
  expect(renamingStatements('t', 'something', 's')).toEqual([]);
});
