import { expect, test } from 'vitest';
import { copyRowsSql, keyAtSql, lockSourceSql } from '../../src/copy/copy-sql.js';
import { blocksRange } from '../../src/pieces/row-range.js';
import type { CopyStream } from '../../src/copy/copy-plan.js';
import { toldForward } from '../../src/stream/stream.js';
import { sql } from '../../src/sql/quote.js';

const plan: CopyStream = {
  id: 1,
  from: { schema: 'public', name: 'orders' },
  to: { schema: 'ghost_new_1', name: 'orders' },
  settings: {},
  projection: {
    alias: 'orders',
    layers: [
      [
        { name: 'id', expression: '"id"' },
        { name: 'total', expression: 'orders.cents / 100.0' },
      ],
    ],
  },
  key: {
    index: 'orders_pkey',
    columns: [{ name: 'id', type: 'integer', collation: null, targetName: 'id', targetType: 'bigint' }],
    projection: { alias: 'orders', layers: [[{ name: 'id', expression: '"id"' }]] },
    needsHelperIndex: false,
  },
  told: toldForward,
};

test('a chunk', () => {
  expect(copyRowsSql(plan, blocksRange(100, 200))).toEqual({
    text: sql`
      insert into "ghost_new_1"."orders" ("id", "total")
      overriding system value
      select "id" as "id", orders.cents / 100.0 as "total"
      from only "public"."orders" as "orders"
      where ctid OPERATOR(pg_catalog.>=) $1::pg_catalog.tid
      and ctid OPERATOR(pg_catalog.<) $2::pg_catalog.tid`,
    values: ['(100,0)', '(200,0)'],
  });
});

test('the lock that keeps what was checked', () => {
  expect(lockSourceSql(plan)).toBe('lock table only "public"."orders" in access share mode');
});

test('a key at a position', () => {
  expect(keyAtSql(plan, '(3,7)')).toEqual({
    text: sql`
      select "id"::text as k1
      from only "public"."orders"
      where ctid = $1::tid`,
    values: ['(3,7)'],
  });
});
