import { expect, test } from 'vitest';
import type { TableShape } from '../../src/model/table-shape.js';
import { compareBeforeSwap, compareShapes } from '../../src/ddl/compare-shapes.js';
import { column, constraint, grant, index, orders } from './a-shape.js';

function texts(expected: TableShape, actual: TableShape): string[] {
  return compareShapes(expected, actual).map(({ text }) => text);
}

test('OIDs, filenodes, gaps in the numbering and the order of what has none do not count', () => {
  const other: TableShape = {
    ...orders,
    oid: 5,
    filenode: 6,
    options: orders.options.toReversed(),
    grants: orders.grants.toReversed(),
    columns: orders.columns.map((each) => ({ ...each, attnum: each.attnum + 3 })),
    constraints: orders.constraints.map((each) => ({ ...each, oid: 7 })).toReversed(),
    indexes: orders.indexes.map((each) => ({ ...each, oid: 8, filenode: 9 })).toReversed(),
    sequences: orders.sequences.map((each) => ({ ...each, oid: 10 })),
  };
  expect(texts(orders, other)).toEqual([]);
});

test('every property counts', () => {
  /** Another value of the same type. */
  const changed = (value: unknown): unknown => {
    if (typeof value === 'boolean') return !value;
    if (typeof value === 'string') return `${value}?`;
    if (Array.isArray(value)) return [...(value as unknown[]), value[0] ?? 'more'];
    return value === null ? 'something' : { ...(value as object), name: '?' };
  };
  const ignored = new Set(['oid', 'filenode', 'attnum', 'typeOid', 'typmod', 'name']);
  const parts = ['columns', 'constraints', 'indexes', 'sequences'] as const;
  const unnoticed: string[] = [];
  const tryAll = (kind: string, object: object, put: (changed: object) => TableShape): void => {
    for (const [property, value] of Object.entries(object)) {
      if (ignored.has(property) || [...parts, 'statistics'].includes(property)) continue;
      const other = put({
        ...object,
        [property]: property === 'grants' ? [grant('x', 'SELECT')] : changed(value),
      });
      if (texts(orders, other).length !== 1) unnoticed.push(`${kind}.${property}`);
    }
  };
  tryAll('table', orders, (table) => table as TableShape);
  for (const part of parts) {
    const [first, ...rest] = orders[part];
    if (first === undefined) throw new Error(`no ${part}`);
    tryAll(part, first, (object) => ({ ...orders, [part]: [object, ...rest] }) as TableShape);
  }
  expect(unnoticed).toEqual([]);
});

test('differences read as sentences', () => {
  const [pkey, , byNote] = orders.indexes;
  if (pkey === undefined || byNote === undefined) throw new Error('no index');
  expect(
    texts(orders, {
      ...orders,
      comment: null,
      columns: [...orders.columns.filter(({ name }) => name !== 'Note'), column('more', 'text')],
      indexes: [
        { ...pkey, valid: false },
        ...orders.indexes.filter((each) => each !== pkey && each !== byNote),
        index('extra', 'CREATE INDEX extra ON app.orders USING btree (id)'),
      ],
      grants: [grant(null, 'SELECT', { grantable: true })],
    }),
  ).toEqual([
    'table: columns: expected ["id","Note","twice"], is ["id","twice","more"]',
    `table: comment: expected it's, is none`,
    'table: grants: expected ["INSERT to owner by owner","SELECT to owner by owner"], is ["SELECT to public with grant option by owner"]',
    'column "Note" is missing',
    'column "more" is not expected',
    'index "orders_pkey": valid: expected true, is false',
    'index "by_note" is missing',
    'index "extra" is not expected',
  ]);
});

test('before the swap: autovacuum off, no NOT VALID constraint, no foreign key; nothing else may differ', () => {
  const target: TableShape = {
    ...orders,
    columns: [...orders.columns, column('late', 'text', { notNull: true })],
    constraints: [
      ...orders.constraints,
      constraint('late_not_null', 'not null', 'NOT NULL late NOT VALID', {
        columns: ['late'],
        validated: false,
      }),
      constraint('not_enforced', 'check', 'CHECK (true) NOT ENFORCED', { validated: false, enforced: false }),
    ],
  };
  const shadow: TableShape = {
    ...target,
    options: ['fillfactor=70', 'autovacuum_enabled=false', 'toast.autovacuum_enabled=false'],
    columns: target.columns.map((each) => (each.name === 'late' ? { ...each, notNull: false } : each)),
    constraints: target.constraints.filter(({ name }) => !['short', 'self', 'late_not_null'].includes(name)),
    indexes: [
      ...target.indexes.filter(({ valid }) => valid),
      index('ghost_key', 'CREATE INDEX ghost_key ON app.orders USING btree (id)'),
    ],
  };
  expect(compareBeforeSwap(target, shadow, { ownIndexes: ['ghost_key'] })).toEqual([]);
  expect(compareBeforeSwap(target, shadow).map(({ text }) => text)).toEqual([
    'index "ghost_key" is not expected',
  ]);
  const broken: TableShape = {
    ...shadow,
    options: [],
    constraints: shadow.constraints.filter(({ name }) => name !== 'positive' && name !== 'not_enforced'),
    indexes: shadow.indexes.map((each) => (each.name === 'by_note' ? { ...each, valid: false } : each)),
  };
  expect(compareBeforeSwap(target, broken, { ownIndexes: ['ghost_key'] }).map(({ text }) => text)).toEqual([
    'table: options: expected ["fillfactor=70"], is []',
    'constraint "positive" is missing',
    'constraint "not_enforced" is missing',
    'index "by_note": valid: expected true, is false',
  ]);
});
