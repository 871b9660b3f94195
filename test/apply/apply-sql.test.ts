import { expect, test } from 'vitest';
import {
  deleteEntriesSql,
  deleteRowsSql,
  drainStatements,
  planDrainStatements,
  prepareDrainStatements,
  immediateConstraintsSql,
  insertRowsSql,
  lookSql,
  purgeSql,
  wholeLog,
} from '../../src/apply/apply-sql.js';
import { clearHoldersSql, duplicateKeysSql, entryKeysSql } from '../../src/apply/conflict-sql.js';
import { blocksRange } from '../../src/pieces/row-range.js';
import { sql } from '../../src/sql/quote.js';
import { aPlan, uniqueIndex } from './a-plan.js';

const plan = aPlan();
const log = { schema: 'ghost', name: 'log_1' };
const part = { table: log, range: blocksRange(0, 24) };
const values = ['(0,0)', '(24,0)'];

test('look', () => {
  expect(lookSql(plan, part)).toEqual({
    text: sql`
      select
        exists (select from only "ghost"."truncations_1") as truncated,
        exists (select 
      from only "ghost"."log_1"
      where ctid OPERATOR(pg_catalog.>=) $1::pg_catalog.tid and ctid OPERATOR(pg_catalog.<) $2::pg_catalog.tid) as found,
        (pg_catalog.pg_relation_size('"ghost"."log_1"'::regclass) / current_setting('block_size')::bigint) as blocks`,
    values,
  });
});

test('the shadow’s rows of a part of the log', () => {
  expect(deleteRowsSql(plan, part)).toEqual({
    text: sql`
      delete from only "ghost_new_1"."orders"
      where ctid OPERATOR(pg_catalog.=) any (array(
      select found.tid
      from (
      select distinct * from (
      select "id"::bigint as "id"
      from (
      select "id" as "id"
      from (
      select "k1" as "id"
      from only "ghost"."log_1"
      where ctid OPERATOR(pg_catalog.>=) $1::pg_catalog.tid and ctid OPERATOR(pg_catalog.<) $2::pg_catalog.tid
      ) as "orders"
      ) as mapped
      ) as k
      ) as k
      cross join lateral (
      select t.ctid as tid
      from only "ghost_new_1"."orders" as t
      where t."id" OPERATOR(pg_catalog.=) k."id"
      offset 0
      ) as found
      ))`,
    values,
  });
});

test('the source’s rows of a part of the log', () => {
  expect(insertRowsSql(plan, part)).toEqual({
    text: sql`
      insert into "ghost_new_1"."orders" ("id", "email")
      overriding system value
      select "id" as "id", "email" as "email"
      from only "public"."orders" as "orders"
      where ctid OPERATOR(pg_catalog.=) any (array(
      select found.tid
      from (
      select distinct * from (
      select "k1"
      from only "ghost"."log_1"
      where ctid OPERATOR(pg_catalog.>=) $1::pg_catalog.tid and ctid OPERATOR(pg_catalog.<) $2::pg_catalog.tid
      ) as l
      ) as k
      cross join lateral (
      select s.ctid as tid
      from only "public"."orders" as s
      where s."id" OPERATOR(pg_catalog.=) k."k1"
      offset 0
      ) as found
      ))`,
    values,
  });
});

test('entries', () => {
  const gone = (where: string, step: string): string => sql`
    with gone as (
    delete from only "ghost"."log_1"
    where ${where}
    returning ${step} as step
    )
    select pg_catalog.count(*) as entries, coalesce(pg_catalog.sum(step), 0)::pg_catalog.int8 as steps from gone`;
  expect(deleteEntriesSql(plan, part)).toEqual({
    text: gone(
      'ctid OPERATOR(pg_catalog.>=) $1::pg_catalog.tid and ctid OPERATOR(pg_catalog.<) $2::pg_catalog.tid',
      '0',
    ),
    values,
  });
  expect(deleteEntriesSql(plan, { ...part, share: { worker: 1, workers: 3 } }).text).toBe(
    gone(
      'ctid OPERATOR(pg_catalog.>=) $1::pg_catalog.tid and ctid OPERATOR(pg_catalog.<) $2::pg_catalog.tid' +
        ' and (pg_catalog.hash_record_extended(row("k1"), 0) OPERATOR(pg_catalog.&) 1073741823) OPERATOR(pg_catalog.%) 3 OPERATOR(pg_catalog.=) 1',
      '0',
    ),
  );
  const counting = { ...plan, log: { ...plan.log, step: 'step' } };
  expect(deleteEntriesSql(counting, part).text).toBe(
    gone(
      'ctid OPERATOR(pg_catalog.>=) $1::pg_catalog.tid and ctid OPERATOR(pg_catalog.<) $2::pg_catalog.tid',
      '"step"',
    ),
  );
  const parts = [log, { schema: 'ghost', name: 'pending_1' }];
  expect(entryKeysSql({ ...plan, log: { ...plan.log, parts } }, wholeLog).text).toBe(sql`
    select "k1"::text as k1
    from only "ghost"."log_1"
    where ctid OPERATOR(pg_catalog.>=) '(0,0)'::pg_catalog.tid
    union all
    select "k1"::text as k1
    from only "ghost"."pending_1"
    where ctid OPERATOR(pg_catalog.>=) '(0,0)'::pg_catalog.tid`);
});

test('purge', () => {
  expect(purgeSql(aPlan({ keyType: 'bigint' })).text).toBe(sql`
    delete from only "ghost_new_1"."orders" as t
    using (
    select distinct * from (
    select "id" as "id"
    from (
    select "k1" as "id"
    from only "ghost"."log_1"
    where ctid OPERATOR(pg_catalog.>=) '(0,0)'::pg_catalog.tid
    ) as "orders"
    ) as k
    ) as k
    where t."id" OPERATOR(pg_catalog.=) k."id"`);
});

test('the drain is prepared by name, without parameters, and runs as one message', () => {
  const prepared = prepareDrainStatements(plan);
  expect(prepared.join(';')).not.toContain('$');
  expect(prepared[0]).toBe(
    'prepare "ghost_drain_1_pending_1" as delete from only "ghost_new_1"."orders" where exists (select from only "ghost"."truncations_1")',
  );
  const names = [1, 2, 3, 4].map((step) => `"ghost_drain_${step}_pending_1"`);
  expect(prepared.map((statement) => statement.split(' ')[1])).toEqual(names);
  expect(planDrainStatements(plan)).toEqual(names.map((name) => `explain execute ${name}`));
  expect(drainStatements(plan)).toEqual(names.map((name) => `execute ${name}`));
});

test('deferrable constraints, by name', () => {
  const deferrable = uniqueIndex('email_key', [{ column: 'email' }], {
    immediate: false,
    constraint: 'Email',
  });
  expect(immediateConstraintsSql(aPlan({ conflicts: [deferrable] }))).toEqual([
    'set constraints "ghost_new_1"."Email" immediate',
  ]);
  expect(
    immediateConstraintsSql(aPlan({ conflicts: [uniqueIndex('email_key', [{ column: 'email' }])] })),
  ).toEqual([]);
});

test('holders of a unique value, with an entry', () => {
  const index = uniqueIndex(
    'email_key',
    [{ expression: 'lower(email)', collation: 'pg_catalog."default"' }],
    {
      predicate: '(id > 0)',
    },
  );
  expect(clearHoldersSql(aPlan({ conflicts: [index] }), index, part)).toEqual({
    text: sql`
      with holders as materialized (
      select h.*
      from (
      select lower(email) as ghost_v1
      from (
      select "id"::bigint as "id", "email"::pg_catalog.text as "email"
      from (
      select "id" as "id", "email" as "email"
      from only "public"."orders" as "orders"
      where ctid OPERATOR(pg_catalog.=) any (array(
      select found.tid
      from (
      select distinct * from (
      select "k1"
      from only "ghost"."log_1"
      where ctid OPERATOR(pg_catalog.>=) $1::pg_catalog.tid and ctid OPERATOR(pg_catalog.<) $2::pg_catalog.tid
      ) as l
      ) as k
      cross join lateral (
      select s.ctid as tid
      from only "public"."orders" as s
      where s."id" OPERATOR(pg_catalog.=) k."k1"
      offset 0
      ) as found
      ))
      ) as "orders"
      ) as "orders"
      where (id > 0)
      ) as r
      cross join lateral (
      select t.ctid as ghost_tid, "id"
      from only "ghost_new_1"."orders" as t
      where lower(email) OPERATOR(pg_catalog.=) (r.ghost_v1 collate pg_catalog."default")
      and ((id > 0))
      offset 0
      ) as h
      )
      delete from only "ghost_new_1"."orders"
      where ctid OPERATOR(pg_catalog.=) any (array(
      select h.ghost_tid
      from holders as h
      where exists (
      select from (
      select "id"::bigint as "id"
      from (
      select "id" as "id"
      from (
      select "k1" as "id"
      from only "ghost"."log_1"
      where ctid OPERATOR(pg_catalog.>=) '(0,0)'::pg_catalog.tid
      ) as "orders"
      ) as mapped
      ) as k
      where h."id" OPERATOR(pg_catalog.=) k."id"
      )
      ))`,
    values,
  });
});

test('the key’s own index has no holders: its rows are gone already', () => {
  expect(plan.conflicts).toEqual([]);
});

test('keys that part are looked up as they were and as they are', () => {
  expect(plan.equalKeysMayPart).toBe(false);
  expect(aPlan({ keyType: 'numeric' }).equalKeysMayPart).toBe(true);
  expect(deleteRowsSql(aPlan({ keyType: 'numeric' }), part).text).toContain(') as k\nunion\nselect');
});

test('duplicates', () => {
  const index = uniqueIndex('email_key', [
    { column: 'email', expression: 'email', collation: 'pg_catalog."C"' },
  ]);
  expect(duplicateKeysSql(plan, index).text).toBe(sql`
    select
      array[min((email collate pg_catalog."C")::text)] as value,
      (array_agg(concat_ws(', ', "id"::text)))[1:5] as keys
    from only "ghost_new_1"."orders"
    where email is not null
    group by (email collate pg_catalog."C")
    having count(*) > 1
    limit 5`);
});
