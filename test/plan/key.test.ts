import { describe, expect, test } from 'vitest';
import type { Equality } from '../../src/catalog/equality.js';
import type { Column, Constraint, Index } from '../../src/model/table-shape.js';
import { readChange } from '../../src/plan/change/change.js';
import { chooseKey, type KeyChoice } from '../../src/plan/mapping/key.js';
import { collisionOf } from '../../src/plan/mapping/injective.js';
import { mapColumns } from '../../src/plan/mapping/mapping.js';
import { parseExpression } from '../../src/sql/parse.js';
import { columnReferences } from '../../src/sql/column-references.js';
import { column, index, shape, trialOf } from './shapes.js';

const id = column(1, 'id', { notNull: true });
const tenant = column(2, 'tenant', { notNull: true, type: 'uuid', typeOid: 2950 });
const code = column(3, 'code', { notNull: true, type: 'text', typeOid: 25, collation: 'pg_catalog."C"' });
const note = column(4, 'note', { type: 'text', typeOid: 25 });
const columns = [id, tenant, code, note];

interface Case {
  readonly indexes: readonly Index[];
  readonly targetIndexes?: readonly Index[];
  readonly alter?: readonly string[];
  readonly set?: readonly { column: string; expression: string }[];
  readonly after?: readonly Column[];
  readonly constraints?: readonly Constraint[];
  readonly isRepeatable?: boolean;
  readonly isFixed?: boolean;
  readonly equalities?: readonly Equality[];
  /** The source's columns; `columns` when not given. */
  readonly before?: readonly Column[];
}

function choose({
  indexes,
  alter = [],
  set = [],
  after,
  constraints = [],
  isRepeatable = true,
  isFixed = true,
  equalities = [23, 25, 2950].map((typeOid) => ({
    typeOid,
    operator: 'OPERATOR(pg_catalog.=)',
    collation: null,
  })),
  before = columns,
  ...rest
}: Case): KeyChoice {
  const change = readChange({ table: 'orders', alter, set, statements: [], rewrite: true });
  const moments = [before, ...change.statements.map(() => after ?? before)];
  const input = {
    table: 'orders',
    statements: change.statements,
    set: change.set,
    trial: trialOf(moments),
    isRepeatable: () => isRepeatable,
  };
  return chooseKey({
    ...input,
    source: shape(before, { indexes, constraints }),
    target: shape(after ?? before, { indexes: rest.targetIndexes ?? indexes }),
    isFixed: () => isFixed,
    equalities,
    sources: mapColumns(input).sources,
  });
}

const nameOf = (choice: KeyChoice): string | null => choice.key?.index ?? null;
const pkey = index('pkey', ['id'], { primary: true });

describe('chooseKey', () => {
  test.each<[string, readonly Index[], string | null]>([
    [
      'the primary key before any other',
      [index('a', ['id']), index('p', ['tenant', 'code'], { primary: true })],
      'p',
    ],
    ['fewer columns', [index('two', ['id', 'tenant']), index('one', ['code'])], 'one'],
    ['narrower columns', [index('wide', ['code']), index('uuid', ['tenant']), index('int', ['id'])], 'int'],
    [
      'immediate before deferrable',
      [index('deferred', ['id'], { immediate: false }), index('now', ['code'])],
      'now',
    ],
    ['deferrable when there is no other', [index('deferred', ['id'], { immediate: false })], 'deferred'],
    ['nothing that is not unique', [index('plain', ['id'], { unique: false })], null],
    ['nothing partial', [index('partial', ['id'], { predicate: '(id > 3)' })], null],
    ['nothing invalid', [index('invalid', ['id'], { valid: false })], null],
    ['nothing with an expression', [index('expression', ['id', null])], null],
    ['nothing that can be NULL', [index('nullable', ['note']), index('both', ['id', 'note'])], null],
    [
      'no exclusion (WITHOUT OVERLAPS)',
      [index('temporal', ['id'], { exclusion: true, primary: true })],
      null,
    ],
  ])('takes %s', (_, indexes, expected) => {
    const choice = choose({ indexes });
    expect(nameOf(choice)).toBe(expected);
    expect(choice.refusals.map((refusal) => refusal.code)).toEqual(expected === null ? ['no-key'] : []);
  });

  test('a NOT NULL that was never validated does not count', () => {
    const constraint: Constraint = {
      oid: 1,
      name: 'later',
      type: 'not null',
      definition: 'NOT NULL id NOT VALID',
      columns: ['id'],
      validated: false,
      enforced: true,
      deferrable: false,
      initiallyDeferred: false,
      index: null,
      comment: null,
    };
    expect(nameOf(choose({ indexes: [index('a', ['id'])] }))).toBe('a');
    expect(nameOf(choose({ indexes: [index('a', ['id'])], constraints: [constraint] }))).toBeNull();
  });

  test('follows a renamed and retyped column', () => {
    const after = [{ ...id, name: 'order_id' }, tenant, code, note];
    const { key } = choose({
      indexes: [pkey],
      targetIndexes: [index('pkey', ['order_id'])],
      alter: ['rename id to order_id'],
      after,
    });
    expect(key).toEqual({
      index: 'pkey',
      columns: [
        { name: 'id', type: 'integer', collation: null, targetName: 'order_id', targetType: 'integer' },
      ],
      projection: { alias: 'orders', layers: [[{ name: 'order_id', expression: '"id"' }]] },
      needsHelperIndex: false,
    });
  });

  test('a cast of a key column is fine, and is in the projection', () => {
    const { key } = choose({
      indexes: [index('pkey', ['tenant', 'id'], { primary: true })],
      set: [
        { column: 'id', expression: 'orders.id::integer' },
        { column: 'note', expression: 'code' },
      ],
    });
    expect(key?.projection.layers).toEqual([
      [
        { name: 'tenant', expression: '"tenant"' },
        { name: 'id', expression: '(orders.id::integer)' },
      ],
    ]);
  });

  test.each<[string, Partial<Case>, RegExp]>([
    [
      'an expression of other columns',
      { set: [{ column: 'id', expression: 'length(note)' }] },
      /computed from note/,
    ],
    [
      'a value that changes',
      { set: [{ column: 'id', expression: 'id + random()' }], isRepeatable: false },
      /another value/,
    ],
    ['a dropped column', { alter: ['drop column id'], after: [tenant, code, note] }, /drops column id/],
    [
      'a generated column',
      { alter: ['add x int'], after: [{ ...id, generated: 'stored' }, tenant, code, note] },
      /generates column id/,
    ],
    [
      'an expression that may be NULL',
      {
        alter: ['alter id type int using nullif(id, 0)'],
        after: [{ ...id, notNull: false }, tenant, code, note],
      },
      /id can be NULL in the new table/,
    ],
  ])('takes the next one, or says why not: %s', (_, parts, why) => {
    expect(nameOf(choose({ indexes: [pkey, index('other', ['code'])], ...parts }))).toBe('other');
    const { refusals } = choose({ indexes: [pkey], ...parts });
    expect(refusals).toMatchObject([{ code: 'no-key', message: expect.stringMatching(why) }]);
  });

  const ascii = { collation: 'pg_catalog."C"' };
  test.each<[string, string, string | null, boolean, Partial<Column>?]>([
    ['integer', 'bigint', null, true],
    ['bigint', 'smallint', null, true],
    ['integer', 'numeric(5,0)', null, true],
    ['integer', 'text', null, true],
    ['integer', 'character varying(3)', null, true],
    ['integer', 'bigint', 'id::bigint', true],
    ['integer', 'text', 'id::text', true],
    ['integer', 'text', 'cast(orders.id as pg_catalog.text)', true],
    ['numeric', 'text', null, true],
    ['numeric(8,2)', 'numeric(10,2)', null, true],
    ['uuid', 'text', null, true],
    ['date', 'timestamp without time zone', null, true],
    ['character varying(5)', 'character varying(10)', null, true],
    ['character varying(5)', 'text', null, true],
    ['text', 'character varying(10)', null, false],
    ['integer', 'numeric(5,-2)', null, false],
    ['public.citext', 'text', null, true],
    ['public.citext', 'character varying(4)', null, false],
    ['text', 'text', null, true, ascii],
    ['numeric', 'integer', null, false],
    ['numeric', 'numeric(5,1)', null, false],
    ['double precision', 'real', null, false],
    ['text', 'public.citext', null, false],
    ['text', 'text', null, false, { collation: 'public.ignore_case' }],
    ['timestamp with time zone', 'date', null, false],
    ['integer', 'bigint', 'id / 2', false],
    ['integer', 'bigint', 'abs(id)', false],
    ['text', 'character varying(3)', 'id::varchar(3)', false],
    ['numeric', 'text', 'id::numeric(5,0)', false],
    ['numeric', 'text', 'id::integer', false],
    ['text', 'uuid', 'id::uuid', false],
  ])(
    'a key that goes from %s to %s (%s) keeps its rows apart: %s',
    (from, to, using, expected, more = {}) => {
      const source = column(1, 'id', { notNull: true, type: from, typeOid: 1 });
      const target = { ...source, type: to, typeOid: 2, ...more };
      const mapped = {
        source,
        target,
        how: 'converted' as const,
        dependsOn: ['id'],
        value:
          using === null
            ? { kind: 'pass' as const }
            : {
                kind: 'set' as const,
                expression: { text: using, references: columnReferences(parseExpression(using).tree) },
              },
      };
      expect(collisionOf(mapped) === null).toBe(expected);
    },
  );

  test.each<[string, readonly Index[], boolean]>([
    ['the same columns in another order', [index('a', ['tenant', 'id'])], false],
    ['a part of the columns', [index('a', ['id'])], true],
    ['more columns', [index('a', ['id', 'tenant', 'code'])], true],
    ['not unique', [index('a', ['id', 'tenant'], { unique: false })], true],
    ['partial', [index('a', ['id', 'tenant'], { predicate: '(id > 1)' })], true],
    ['an expression', [index('a', ['id', null])], true],
    ['none', [], true],
  ])('needs a helper index? %s: %#', (_, targetIndexes, expected) => {
    const { key } = choose({ indexes: [index('pkey', ['id', 'tenant'], { primary: true })], targetIndexes });
    expect(key?.needsHelperIndex).toBe(expected);
  });

  test('an index in another collation does not find rows', () => {
    const other = index('a', ['code']);
    const inOther = {
      ...other,
      keys: other.keys.map((key) => ({ ...key, collation: 'pg_catalog."POSIX"' })),
    };
    expect(choose({ indexes: [index('c', ['code'])], targetIndexes: [inOther] }).key?.needsHelperIndex).toBe(
      true,
    );
    expect(choose({ indexes: [index('c', ['code'])], targetIndexes: [other] }).key?.needsHelperIndex).toBe(
      false,
    );
  });
});

describe('keys that may collide', () => {
  const after = [
    { ...id, type: 'text', typeOid: 25 },
    tenant,
    { ...code, type: 'uuid', typeOid: 2950, collation: null },
    note,
  ];
  const alter = ['alter id type text, alter code type uuid using code::uuid'];

  test('are the last choice, and said to be so', () => {
    const both = choose({
      indexes: [index('by_code', ['code'], { primary: true }), index('by_id', ['id'])],
      alter,
      after,
    });
    expect(both.key).toMatchObject({ index: 'by_id' });
    expect(both.key).not.toHaveProperty('mayCollide');
    expect(
      choose({ indexes: [index('by_code', ['code'], { primary: true })], alter, after }).key,
    ).toMatchObject({
      index: 'by_code',
      mayCollide: true,
      needsHelperIndex: false,
    });
  });

  test('a type without an order cannot be a key', () => {
    const json = [id, tenant, { ...code, type: 'json', typeOid: 114, collation: null }, note];
    const found = choose({
      indexes: [index('by_code', ['code'], { primary: true })],
      alter: ['alter code type json using to_json(code)'],
      after: json,
      equalities: [{ typeOid: 114, operator: null, collation: null }],
    });
    expect(found.refusals[0]?.message).toMatch(/type json has no order/);
  });

  test('nor what a function computes that may read a table', () => {
    const found = choose({ indexes: [pkey], alter: ['alter id type int using lookup(id)'], isFixed: false });
    expect(found.refusals[0]?.message).toMatch(/only STABLE/);
  });

  test('a generated key keeps its value where its expression and the columns in it stay', () => {
    const key = column(5, 'key', {
      notNull: true,
      type: 'text',
      typeOid: 25,
      generated: 'stored',
      default: 'lower(code)',
    });
    const all = [id, tenant, code, note, key];
    const by = [index('by_key', ['key'], { primary: true })];
    expect(
      choose({ indexes: by, before: all, after: all, alter: ['alter id type bigint'] }).key,
    ).toMatchObject({
      index: 'by_key',
      mayCollide: true,
      projection: { layers: [[{ name: 'key', expression: '"key"' }]] },
    });
    const changed = [id, tenant, { ...code, type: 'uuid', typeOid: 2950 }, note, key];
    expect(
      choose({ indexes: by, before: all, after: changed, alter: ['alter code type uuid'] }).key,
    ).toBeNull();
  });
});
