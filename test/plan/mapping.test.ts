import { describe, expect, test } from 'vitest';
import type { Column } from '../../src/model/table-shape.js';
import { readChange } from '../../src/plan/change/change.js';
import { mapColumns, type Mapping } from '../../src/plan/mapping/mapping.js';
import type { Trial } from '../../src/plan/trial/types.js';
import { projectionSql } from '../../src/sql/projection-sql.js';
import { column, trialOf } from './shapes.js';

interface Case {
  readonly alter?: readonly string[];
  readonly set?: readonly { column: string; expression: string }[];
  readonly moments: readonly (readonly Column[])[];
  readonly trial?: Partial<Trial>;
}

function map({ alter = [], set = [], moments, trial = {} }: Case): Mapping {
  const change = readChange({ table: 'orders', alter, set, statements: [], rewrite: true });
  return mapColumns({
    table: 'orders',
    statements: change.statements,
    set: change.set,
    trial: trialOf(moments, trial),
    isRepeatable: () => true,
  });
}

const id = column(1, 'id', { notNull: true });
const total = column(2, 'total', { type: 'numeric', typeOid: 1700 });
const name = column(3, 'name', { type: 'text', typeOid: 25 });

describe('mapColumns', () => {
  test('a plain change of type passes the column through', () => {
    const { columns, projection, refusals } = map({
      alter: ['alter id type bigint'],
      moments: [
        [id, total],
        [{ ...id, type: 'bigint', typeOid: 20 }, total],
      ],
    });
    expect(refusals).toEqual([]);
    expect(columns).toEqual([
      {
        target: 'id',
        targetType: 'bigint',
        source: 'id',
        sourceType: 'integer',
        how: 'converted',
        expression: null,
      },
      {
        target: 'total',
        targetType: 'numeric',
        source: 'total',
        sourceType: 'numeric',
        how: 'copied',
        expression: null,
      },
    ]);
    expect(projection).toEqual({
      alias: 'orders',
      layers: [
        [
          { name: 'id', expression: '"id"' },
          { name: 'total', expression: '"total"' },
        ],
      ],
    });
  });

  test('DROP and ADD of the same name is another column', () => {
    const added = column(4, 'name', { type: 'integer' });
    const { columns, projection } = map({
      alter: ['drop column name, add column name int default 5'],
      moments: [
        [id, name],
        [id, added],
      ],
      trial: { added: new Map([[4, { kind: 'constant', value: '5', type: 'integer' }]]) },
    });
    expect(columns.map(({ target, source, how, expression }) => [target, source, how, expression])).toEqual([
      ['id', 'id', 'copied', null],
      ['name', null, 'default', `'5'::integer`],
      [null, 'name', 'dropped', null],
    ]);
    expect(projection.layers).toEqual([
      [
        { name: 'id', expression: '"id"' },
        { name: 'name', expression: `'5'::integer` },
      ],
    ]);
  });

  test('what the table fills in by itself is left out', () => {
    const { columns, projection } = map({
      alter: ['add column a int', 'add column b uuid default gen_random_uuid()'],
      moments: [
        [id, column(2, 'g', { generated: 'stored', default: 'id * 2' })],
        [id, column(2, 'g', { generated: 'stored' }), column(3, 'a', { identity: 'always' })],
        [id, column(2, 'g', { generated: 'stored' }), column(3, 'a', { identity: 'always' }), column(4, 'b')],
      ],
      trial: { added: new Map([[4, { kind: 'volatile' }]]) },
    });
    expect(columns.map(({ target, how }) => [target, how])).toEqual([
      ['id', 'copied'],
      ['g', 'generated'],
      ['a', 'default'],
      ['b', 'default'],
    ]);
    expect(projection.layers).toEqual([[{ name: 'id', expression: '"id"' }]]);
  });

  test('USING and --set over unchanged names are one layer', () => {
    const { projection } = map({
      alter: [
        'alter total type text using total || name',
        'alter name type text using upper(orders.name) -- x',
      ],
      set: [{ column: 'id', expression: 'id + 1' }],
      moments: [
        [id, total, name],
        [id, { ...total, type: 'text', typeOid: 25 }, name],
        [id, { ...total, type: 'text', typeOid: 25 }, name],
      ],
    });
    expect(projectionSql(projection, { from: 'only app.orders', where: 'ctid > $1' })).toBe(
      `select (id + 1) as "id", (total || name) as "total", (upper(orders.name)) as "name"
from only app.orders as "orders"
where ctid > $1`,
    );
  });

  test('USING after a rename sees the new names, --set the old ones', () => {
    const title = { ...name, name: 'title' };
    const { projection, columns } = map({
      alter: ['rename name to title', 'alter title type text using upper(title)'],
      set: [{ column: 'total', expression: 'length(name)' }],
      moments: [
        [id, total, name],
        [id, total, title],
        [id, total, title],
      ],
    });
    expect(projection.layers).toEqual([
      [
        { name: 'id', expression: '"id"' },
        { name: 'total', expression: '"total"' },
        { name: 'title', expression: '"name"' },
        { name: 'ghost_set_2', expression: '(length(name))' },
      ],
      [
        { name: 'id', expression: '"id"' },
        { name: 'total', expression: '"ghost_set_2"' },
        { name: 'title', expression: '(upper(title))' },
      ],
    ]);
    expect(columns.map(({ source, target, how }) => [source, target, how])).toEqual([
      ['id', 'id', 'copied'],
      ['total', 'total', 'computed'],
      ['name', 'title', 'computed'],
    ]);
  });

  test('a rename alone needs no layer', () => {
    const { projection } = map({
      alter: ['rename name to title'],
      moments: [
        [id, name],
        [id, { ...name, name: 'title' }],
      ],
    });
    expect(projection.layers).toEqual([
      [
        { name: 'id', expression: '"id"' },
        { name: 'title', expression: '"name"' },
      ],
    ]);
  });

  test('a comment inside an expression does not swallow the bracket', () => {
    const { projection } = map({
      alter: ['alter total type text using total -- the total\n || name'],
      moments: [
        [id, total, name],
        [id, { ...total, typeOid: 25 }, name],
      ],
    });
    expect(projection.layers[0]?.[1]?.expression).toBe('(total -- the total\n || name\n)');
  });
});
