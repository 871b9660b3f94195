import { describe, expect, test } from 'vitest';
import { readChange } from '../../src/plan/change/change.js';
import { castBack, keyBack } from '../../src/plan/inverse/cast-back.js';
import { wayBack, type PlannedBack } from '../../src/plan/inverse/way-back.js';
import { chooseKey } from '../../src/plan/mapping/key.js';
import { mapColumns } from '../../src/plan/mapping/mapping.js';
import type { Column, TableShape } from '../../src/model/table-shape.js';
import { column, index, shape, trialOf } from './shapes.js';

interface Case {
  readonly alter?: readonly string[];
  readonly set?: readonly string[];
  readonly reverse?: readonly string[];
  readonly before: readonly Column[];
  readonly after: readonly Column[];
  /** attnums */
  readonly castsBack?: readonly number[];
  readonly key?: readonly string[];
  readonly indexes?: TableShape['indexes'];
  readonly isRepeatable?: boolean;
}

function given(texts: readonly string[] = []): { column: string; expression: string }[] {
  return texts.map((text) => {
    const [name = '', ...rest] = text.split('=');
    return { column: name, expression: rest.join('=') };
  });
}

function back({
  alter = [],
  set,
  reverse,
  before,
  after,
  castsBack = [],
  key = ['id'],
  indexes = [index('t_pkey', ['id'], { primary: true })],
  isRepeatable = true,
}: Case): PlannedBack {
  const change = readChange({
    table: 'orders',
    alter,
    set: given(set),
    reverse: given(reverse),
    statements: [],
    rewrite: true,
  });
  const moments = [before, ...change.statements.map(() => after)];
  const shapes = {
    before: shape(before, { indexes: [index('t_pkey', key, { primary: true })] }),
    after: shape(after, { indexes }),
  };
  const trial = trialOf(moments.length === 1 ? [before, after] : moments, shapes);
  const input = {
    table: 'orders',
    statements: change.statements,
    set: change.set,
    trial,
    isRepeatable: () => isRepeatable,
  };
  const { sources } = mapColumns(input);
  const equalities = [{ typeOid: 20, operator: 'OPERATOR(pg_catalog.=)', collation: null }];
  return wayBack({
    table: 'orders',
    ...shapes,
    sources,
    key: chooseKey({ ...input, source: shapes.before, target: shapes.after, sources, equalities }).key,
    reverse: change.reverse,
    sequences: [],
    castsBack: new Set(castsBack),
    isRepeatable: input.isRepeatable,
    narrower: [],
  });
}

const id = column(1, 'id', { notNull: true });
const bigId = { ...id, type: 'bigint', typeOid: 20 };
const name = column(2, 'name', { type: 'text', typeOid: 25 });

function expressions({ back: { way } }: PlannedBack): Record<string, string> {
  const [layer = []] = way?.projection.layers ?? [];
  return Object.fromEntries(layer.map(({ name: to, expression }) => [to, expression]));
}

describe('wayBack', () => {
  test('the same columns are passed through, a rename by its number', () => {
    const planned = back({
      alter: ['rename name to title'],
      before: [id, name],
      after: [id, { ...name, name: 'title' }],
    });
    expect(planned.refusals).toEqual([]);
    expect(planned.back).toEqual({
      verdict: 'keeps',
      way: {
        projection: {
          alias: 'orders',
          layers: [
            [
              { name: 'id', expression: '"id"' },
              { name: 'name', expression: '"title"' },
            ],
          ],
        },
        columns: [
          {
            target: 'id',
            targetType: 'integer',
            source: 'id',
            sourceType: 'integer',
            how: 'copied',
            expression: null,
          },
          {
            target: 'name',
            targetType: 'text',
            source: 'title',
            sourceType: 'text',
            how: 'copied',
            expression: null,
          },
        ],
        keyProjection: { alias: 'orders', layers: [[{ name: 'id', expression: '"id"' }]] },
        keyIndex: 't_pkey',
      },
      loses: [],
      needs: [],
      against: [],
      sampled: [],
      isTried: false,
      ids: [],
      narrower: [],
    });
  });

  test('a wider integer key goes back by assignment, and a key without room finds nothing', () => {
    const planned = back({
      alter: ['alter id type bigint'],
      before: [id],
      after: [bigId],
      castsBack: [1],
    });
    expect(planned.back.verdict).toBe('keeps');
    expect(expressions(planned)).toEqual({ id: '"id"' });
    expect(planned.back.way?.keyProjection.layers[0]?.[0]?.expression).toBe(
      'case when "id"::pg_catalog.numeric OPERATOR(pg_catalog.>=) (-2147483648)::pg_catalog.numeric and "id"::pg_catalog.numeric OPERATOR(pg_catalog.<=) 2147483647::pg_catalog.numeric then "id"::integer end',
    );
    expect(planned.back.way?.mayCollide).toBeUndefined();
    expect(planned.back.narrower).toEqual([
      { what: 'type', column: 'id', type: 'integer', newType: 'bigint' },
    ]);
  });

  test('an added column is left out and lost, a generated one is no loss', () => {
    const planned = back({
      alter: ['add column a int, add column g int generated always as (id) stored'],
      before: [id],
      after: [id, column(2, 'a'), column(3, 'g', { generated: 'stored', default: 'id' })],
    });
    expect(planned.back).toMatchObject({ verdict: 'loses', loses: [{ what: 'added', column: 'a' }] });
    expect(expressions(planned)).toEqual({ id: '"id"' });
  });

  test('a dropped column keeps what it has, and is not in the projection', () => {
    const planned = back({ alter: ['drop column name'], before: [id, name], after: [id] });
    expect(planned.back).toMatchObject({
      verdict: 'loses',
      loses: [{ what: 'dropped', column: 'name' }],
      way: { kept: [{ name: 'name', otherwise: null }] },
    });
    expect(planned.back.way?.columns.at(-1)).toMatchObject({ target: 'name', source: null, how: 'default' });
    expect(expressions(planned)).toEqual({ id: '"id"' });
  });

  const required = { ...name, notNull: true };

  test.each([
    ['NOT NULL', required, 'needs-reverse'],
    ['NOT NULL with a default', { ...required, default: `'x'::text` }, 'loses'],
    ['an identity', { ...id, attnum: 2, name: 'name', identity: 'always' }, 'loses'],
  ] as const)('a dropped column that is %s', (_, dropped, verdict) => {
    const planned = back({ alter: ['drop column name'], before: [id, dropped], after: [id] });
    expect(planned.back.verdict).toBe(verdict);
    if (verdict === 'needs-reverse') {
      expect(planned.back).toMatchObject({ way: null, needs: [{ column: 'name', why: 'no-default' }] });
    }
  });

  test('--reverse without a column says what new rows get; with one, what all of them do', () => {
    const dropped = { alter: ['drop column name'], before: [id, required], after: [id] };
    const forNew = back({ ...dropped, reverse: [`name='--none'`] });
    expect(forNew.back.way?.kept).toEqual([{ name: 'name', otherwise: `('--none'\n)` }]);
    expect(forNew.back.verdict).toBe('loses');
    const forAll = back({ ...dropped, reverse: ['name=orders.id::text'] });
    expect(expressions(forAll)).toEqual({ id: '"id"', name: '(orders.id::text)' });
    expect(forAll.back).toMatchObject({ verdict: 'keeps', way: { projection: { alias: 'orders' } } });
    expect(forAll.back.way?.kept).toBeUndefined();
  });

  test('an added column that --reverse takes up is not lost', () => {
    const planned = back({
      alter: ['drop column name, add column title text'],
      set: ['title=upper(name)'],
      reverse: ['name=lower(title)'],
      before: [id, name],
      after: [id, column(3, 'title', { type: 'text', typeOid: 25 })],
    });
    expect(planned.back.verdict).toBe('keeps');
    expect(expressions(planned)).toEqual({ id: '"id"', name: '(lower(title))' });
  });

  test.each([
    ['USING', { alter: ['alter name type int using length(name)'] }],
    ['--set', { set: ['name=upper(name)'] }],
  ])('%s needs --reverse', (_, how) => {
    const after = [id, { ...name, type: 'integer', typeOid: 23 }];
    const planned = back({ ...how, before: [id, name], after, castsBack: [2] });
    expect(planned.back).toMatchObject({
      verdict: 'needs-reverse',
      way: null,
      needs: [{ column: 'name', why: 'computed' }],
    });
    const withReverse = back({ ...how, reverse: ['name=name::text'], before: [id, name], after });
    expect(withReverse.back).toMatchObject({ verdict: 'keeps', needs: [] });
  });

  test('a USING that is the cast itself needs none, an enum by its name neither', () => {
    for (const [type, using] of [
      ['integer', 'name::int'],
      ['app.mood', 'name::app.mood'],
      ['app.mood', 'cast(name as mood)'],
    ] as const) {
      const planned = back({
        alter: [`alter name type ${type} using ${using}`],
        before: [id, name],
        after: [id, { ...name, type, typeOid: 99 }],
        castsBack: [2],
      });
      expect(planned.back.verdict).toBe('keeps');
    }
  });

  test('without a cast back it is needed', () => {
    const planned = back({
      alter: ['alter name type point using name::point'],
      before: [id, name],
      after: [id, { ...name, type: 'point', typeOid: 600 }],
    });
    expect(planned.back.needs).toEqual([{ column: 'name', why: 'no-cast' }]);
  });

  test('generated columns of the old table are left to it', () => {
    const generated = column(2, 'g', { generated: 'stored', default: '(id * 2)' });
    const planned = back({
      alter: ['alter g drop expression'],
      before: [id, generated],
      after: [id, column(2, 'g')],
    });
    expect(expressions(planned)).toEqual({ id: '"id"' });
    expect(planned.back.loses).toEqual([{ what: 'recomputed', column: 'g' }]);
  });

  test.each([
    ['no unique index', { indexes: [] }, [{ what: 'no-index', columns: ['id'] }]],
    [
      'a partial one',
      { indexes: [index('t_pkey', ['id'], { predicate: 'id > 0' })] },
      [{ what: 'no-index', columns: ['id'] }],
    ],
    [
      'a key that can be NULL',
      { after: [{ ...id, notNull: false }] },
      [{ what: 'key-nullable', column: 'id' }],
    ],
    [
      'a key computed from another column',
      {
        before: [id, name],
        after: [bigId, name],
        set: ['id=id * 2'],
        reverse: ['id=length(name)'],
      },
      [{ what: 'key-reverse', column: 'id' }],
    ],
  ] satisfies readonly (readonly [string, Partial<Case>, unknown])[])(
    'is not possible with %s',
    (_, parts, against) => {
      const planned = back({ before: [id], after: [id], ...parts });
      expect(planned.back).toMatchObject({ verdict: 'impossible', way: null, against });
    },
  );

  test('keys that the old table takes for equal may collide', () => {
    const citext = { ...id, type: 'app.citext', typeOid: 90 };
    const planned = back({
      alter: ['alter id type text'],
      before: [citext],
      after: [{ ...id, type: 'text', typeOid: 25 }],
      castsBack: [1],
    });
    expect(planned.back.way?.mayCollide).toBe(true);
  });

  test('what --reverse is refused for', () => {
    const generated = column(3, 'g', { generated: 'stored', default: 'id' });
    const { refusals } = back({
      before: [id, name, generated],
      after: [id, name, generated],
      reverse: ['missing=1', 'g=1', 'name=upper(name)'],
    });
    expect(refusals.map(({ code, message }) => [code, message])).toEqual([
      ['undefined-column', '--reverse missing: the table has no such column'],
      ['set-generated', '--reverse g: the column is generated, its expression gives the value'],
      ['needless-reverse', '--reverse name: the change leaves the values of this column as they are'],
    ]);
    const wrong = back({
      alter: ['drop column name'],
      before: [id, name],
      after: [id],
      reverse: ['name=ctid::text || name'],
    });
    expect(wrong.refusals.map(({ code }) => code)).toEqual(['system-column', 'whole-row']);
  });
});

describe('castBack', () => {
  const to = (type: string): Column => column(1, 'v', { type });

  test.each([
    ['bigint', 'integer'],
    ['text', 'text'],
    ['character varying(3)', 'character varying(5)'],
    ['numeric(10,2)', 'numeric(12,2)'],
    ['integer', 'numeric(5,0)'],
    ['date', 'timestamp without time zone'],
  ])('%s to %s is left to INSERT, which is exact or fails', (from, old) => {
    expect(castBack(to(from), to(old))).toBe('"v"');
  });

  test.each([
    ['text', 'character varying(3)'],
    ['numeric', 'integer'],
    ['numeric(10,4)', 'numeric(10,2)'],
    ['timestamp with time zone', 'date'],
    ['double precision', 'real'],
    ['jsonb', 'json'],
  ])('%s to %s is cast there and back', (from, old) => {
    expect(castBack(to(from), to(old))).toMatch(/^case when "v" is null or .* then "v"::.* end$/);
  });

  test('the whole of it', () => {
    expect(castBack(to('numeric'), to('integer'))).toBe(
      `case when "v" is null or (("v"::integer)::numeric) OPERATOR(pg_catalog.=) ("v") then "v"::integer ` +
        `when pg_catalog.concat('numeric ', pg_catalog.left("v"::pg_catalog.text, 60), ` +
        `' has no equal in column v of type integer')::pg_catalog.int4 is null then null end`,
    );
  });

  test('a key that cannot be cast is looked for in vain, and never cut off', () => {
    expect(keyBack(to('text'), to('character varying(3)'))).toMatch(/^case when .* then .* end$/);
    expect(keyBack(to('text'), to('integer'))).toContain(`OPERATOR(pg_catalog.~) '^(0|-?[1-9][0-9]{0,18})$'`);
    expect(keyBack(to('integer'), to('bigint'))).toBe('"v"::bigint');
  });
});
