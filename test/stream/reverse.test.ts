/** The way back (from the new table to the old one) is a stream like the way there: nothing in apply or verification knows which. */
import { expect, test } from 'vitest';
import { applyPlan } from '../../src/apply/apply-plan.js';
import { deleteRowsSql, insertRowsSql, purgeSql, wholeLog } from '../../src/apply/apply-sql.js';
import { balanceSql, requeueMissingSql } from '../../src/apply/audit-sql.js';
import { clearHoldersSql } from '../../src/apply/conflict-sql.js';
import type { KeyOrderColumn } from '../../src/catalog/key-order.js';
import { sql } from '../../src/sql/quote.js';
import { inverse, waysOf } from '../../src/stream/way.js';
import { verifyPlan } from '../../src/verify/verify-plan.js';
import { digestSql, lockSql } from '../../src/verify/compare-sql.js';
import { rangeEndSql } from '../../src/verify/piece-sql.js';
import { column, shape, uniqueIndex } from '../apply/a-plan.js';

/** `alter id type bigint, rename v to note`, with a unique index that only the old table has. */
const { forward } = waysOf(
  {
    source: shape(
      [column('id', 'integer'), column('v', 'text')],
      [
        uniqueIndex('t_pkey', [{ column: 'id', expression: 'id' }], { primary: true }),
        uniqueIndex('t_v', [{ column: 'v', expression: 'v' }]),
      ],
    ),
    key: {
      index: 't_pkey',
      columns: [{ name: 'id', type: 'integer', collation: null, targetName: 'key', targetType: 'bigint' }],
      projection: { alias: 't', layers: [[{ name: 'key', expression: '"id"' }]] },
      needsHelperIndex: false,
    },
    projection: {
      alias: 't',
      layers: [
        [
          { name: 'key', expression: '"id"' },
          { name: 'note', expression: '"v"' },
        ],
      ],
    },
    columns: [],
    settings: { timezone: 'UTC' },
  },
  shape(
    [column('key', 'bigint'), column('note', 'text')],
    [uniqueIndex('t_key', [{ column: 'key', expression: 'key' }], { primary: true })],
  ),
);

const back = inverse(forward, {
  keyIndex: 't_key',
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

const log = {
  parts: [{ schema: 'ghost', name: 'log_1_back' }],
  pending: { schema: 'ghost', name: 'pending_1_back' },
  truncations: { schema: 'ghost', name: 'truncations_1_back' },
  columns: ['k1'],
  step: null,
  lags: false,
};

const facts = {
  id: 1,
  way: back,
  from: { schema: 'public', name: 't' },
  to: { schema: 'ghost_old_1', name: 't' },
  log,
};

test('the ends are exchanged, and the key with them', () => {
  expect(back.from).toBe(forward.to);
  expect(back.to).toBe(forward.from);
  expect(back.settings).toEqual({ timezone: 'UTC' });
  expect(back.key).toEqual({
    index: 't_key',
    columns: [{ name: 'key', type: 'bigint', collation: null, targetName: 'id', targetType: 'integer' }],
    projection: { alias: 't', layers: [[{ name: 'id', expression: '"key"' }]] },
    needsHelperIndex: false,
  });
});

test('a plan has the way back that it has worked out, or none', () => {
  const { key, projection, columns, settings, from: source, to } = forward;
  const planned = { key, projection, columns, settings, source };
  const way = {
    projection,
    columns,
    keyProjection: key.projection,
    keyIndex: 't_key',
    kept: [{ name: 'legacy', otherwise: null }],
  };
  const told = { loses: [], needs: [], against: [], sampled: [], isTried: true, ids: [], narrower: [] };
  expect(waysOf({ ...planned, back: { verdict: 'loses', way, ...told } }, to).back).toEqual(
    inverse(forward, way),
  );
  expect(inverse(forward, way).kept).toEqual(way.kept);
  expect(waysOf({ ...planned, back: { verdict: 'declined', way: null, ...told } }, to).back).toBeNull();
  expect(waysOf({ ...planned, back: null }, to).back).toBeNull();
});

test('apply reads the new table and writes to the old one, in its types', () => {
  const plan = applyPlan(facts);
  expect(plan.conflicts.map(({ name }) => name)).toEqual(['t_v']);
  expect(deleteRowsSql(plan, wholeLog).text).toBe(sql`
    delete from only "ghost_old_1"."t"
    where ctid OPERATOR(pg_catalog.=) any (array(
    select found.tid
    from (
    select distinct * from (
    select "id"::integer as "id"
    from (
    select "key" as "id"
    from (
    select "k1" as "key"
    from only "ghost"."log_1_back"
    where ctid OPERATOR(pg_catalog.>=) '(0,0)'::pg_catalog.tid
    ) as "t"
    ) as mapped
    ) as k
    ) as k
    cross join lateral (
    select t.ctid as tid
    from only "ghost_old_1"."t" as t
    where t."id" OPERATOR(pg_catalog.=) k."id"
    offset 0
    ) as found
    ))`);
  expect(insertRowsSql(plan, wholeLog).text).toBe(sql`
    insert into "ghost_old_1"."t" ("id", "v")
    overriding system value
    select "key" as "id", "note" as "v"
    from only "public"."t" as "t"
    where ctid OPERATOR(pg_catalog.=) any (array(
    select found.tid
    from (
    select distinct * from (
    select "k1"
    from only "ghost"."log_1_back"
    where ctid OPERATOR(pg_catalog.>=) '(0,0)'::pg_catalog.tid
    ) as l
    ) as k
    cross join lateral (
    select s.ctid as tid
    from only "public"."t" as s
    where s."key" OPERATOR(pg_catalog.=) k."k1"
    offset 0
    ) as found
    ))`);
  expect(purgeSql(plan).text).toContain('delete from only "ghost_old_1"."t" as t');
  const [conflict] = plan.conflicts;
  if (conflict === undefined) throw new Error('no conflict');
  expect(clearHoldersSql(plan, conflict, wholeLog).text).toContain(
    'where v OPERATOR(pg_catalog.=) r.ghost_v1',
  );
  expect(requeueMissingSql(plan)).toContain('insert into "ghost"."pending_1_back" ("k1")\nselect s."key"\n');
  expect(balanceSql(plan).replaceAll(/\s+/g, ' ')).toBe(
    'select (select pg_catalog.count(*) from only "ghost_old_1"."t")' +
      ' OPERATOR(pg_catalog.+) ( select coalesce(pg_catalog.sum(step), 0)::pg_catalog.int8 as steps from (' +
      ` select 0 as step from only "ghost"."log_1_back" where ctid >= '(0,0)'::tid ) as log )` +
      ' OPERATOR(pg_catalog.-) (select pg_catalog.count(*) from only "public"."t") as balance,' +
      ' exists (select from only "ghost"."truncations_1_back") as truncated',
  );
});

test('verification walks along the new table’s index, and compares in the old one’s types', () => {
  const image = { how: 'value', isText: false, large: false, sendFunction: '' } as const;
  const order = (name: string, operators: string): KeyOrderColumn => ({
    column: name,
    family: 'pg_catalog.integer_ops',
    collation: null,
    less: `OPERATOR(${operators}.<)`,
    greater: `OPERATOR(${operators}.>)`,
    notGreater: `OPERATOR(${operators}.<=)`,
    descending: false,
    nullsFirst: false,
  });
  const plan = verifyPlan({
    stream: facts,
    sinceSwap: null,
    images: ['id', 'v'].map((name) => ({ column: name, ...image })),
    fromOrder: [order('key', 'int8')],
    toOrder: [order('id', 'int4')],
  });
  expect(lockSql(plan)).toBe(
    'lock table only "public"."t", only "ghost_old_1"."t", only "ghost"."log_1_back" in access share mode',
  );
  expect(rangeEndSql(plan, ['7'], 100)).toEqual({
    text: sql`
      select array[e.k1] as key, e.k1::bigint OPERATOR(int8.>) $1::bigint as advances
      from (
      select s."key"::text as k1
      from only "public"."t" as s
      where s."key" OPERATOR(int8.>) $1::bigint
      order by s."key" using OPERATOR(int8.<) nulls last
      offset 99
      limit 1
      ) as e`,
    values: ['7'],
  });
  expect(digestSql(plan, { kind: 'range', range: { after: ['7'], upTo: null } })).toEqual({
    text: sql`
      select exists (select from only "ghost"."truncations_1_back") as truncated, s.rows as "fromRows", t.rows as "toRows", s.rows OPERATOR(pg_catalog.=) t.rows and s.hash OPERATOR(pg_catalog.=) t.hash as same
      from (
      select pg_catalog.count(*) as rows, coalesce(pg_catalog.sum(hash), 0) as hash from (
      select pg_catalog.hashint8extended(pg_catalog.hash_record_extended(row(m."id", m."v"), 0), 0) as hash
      from (
      select "id"::integer as "id", "v"::pg_catalog.text as "v"
      from (
      select "key" as "id", "note" as "v"
      from only "public"."t" as "t"
      where "t"."key" OPERATOR(int8.>) $1::bigint
      and not exists (select from (
      select "k1" from only "ghost"."log_1_back"
      ) as ghost_log where "t"."key" OPERATOR(pg_catalog.=) ghost_log."k1")
      ) as "t"
      ) as m
      ) as s
      ) as s
      cross join (
      select pg_catalog.count(*) as rows, coalesce(pg_catalog.sum(hash), 0) as hash from (
      select pg_catalog.hashint8extended(pg_catalog.hash_record_extended(row(t."id", t."v"), 0), 0) as hash
      from only "ghost_old_1"."t" as t
      where t."id" OPERATOR(int4.>) $2::bigint::integer
      and not exists (select from (
      select "id"::integer as "id"
      from (
      select "key" as "id"
      from (
      select "k1" as "key" from only "ghost"."log_1_back"
      ) as "t"
      ) as mapped
      ) as ghost_log where t."id" OPERATOR(pg_catalog.=) ghost_log."id")
      ) as t
      ) as t`,
    values: ['7', '7'],
  });
});
