/** Unique values that pass from row to row while the table is copied and the log is applied (invariant 5). */
import { describe, inject, test } from 'vitest';
import {
  backlogAt,
  betweenBatches,
  early,
  late,
  middle,
  expectNothingLost,
  tables,
  type App,
  type At,
  type Moment,
} from './harness.js';

interface Kind {
  readonly name: string;
  /** The column `u`, which row i has the value `value` in. */
  readonly columns: string;
  readonly values: string;
  /** On both tables; `$T` and `$N` are the table and its name. */
  readonly index?: string;
  /** The value of row `id`, or one that nobody has. */
  readonly value: (id: number) => string;
  /** In one statement, instead of through a value that nobody has. */
  readonly atOnce?: boolean;
}

const spare = 500_000;

const kinds: readonly Kind[] = [
  {
    name: 'a plain unique index',
    columns: 'u int',
    values: 'i',
    index: 'create unique index $N_u on $T (u)',
    value: String,
  },
  {
    name: 'a partial unique index',
    columns: 'u int, active bool default true',
    values: 'i, i % 5 = 0',
    index: 'create unique index $N_u on $T (u) where active',
    value: String,
  },
  {
    name: 'a unique index on an expression',
    columns: 'u text',
    values: `'U' || i`,
    index: 'create unique index $N_u on $T (lower(u))',
    // Another look of the value each time: only the index knows that they are the same.
    value: (id) => `'${Math.random() < 0.5 ? 'u' : 'U'}${id}'`,
  },
  {
    name: 'a deferrable unique constraint',
    columns: 'u int unique deferrable',
    values: 'i',
    value: String,
    atOnce: true,
  },
  {
    name: 'a unique constraint that is deferred',
    columns: 'u int unique deferrable initially deferred',
    values: 'i',
    value: String,
    atOnce: true,
  },
  {
    name: 'an exclusion constraint',
    columns: 'u int4range, exclude using gist (u with &&)',
    values: 'int4range(i * 10, i * 10 + 10)',
    value: (id) => `int4range(${id * 10}, ${id * 10 + 10})`,
  },
  ...(inject('serverMajor') >= 15
    ? [
        {
          name: 'NULLS NOT DISTINCT',
          columns: 'u int',
          values: `nullif(i, ${early})`,
          index: 'create unique index $N_u on $T (u) nulls not distinct',
          // The one row without a value is another one each time.
          value: (id: number) => (id === early ? 'null' : String(id)),
        },
      ]
    : []),
];

function setup({ columns, values, index }: Kind): string {
  const indexes = ['t', 'mirror'].map((name) => index?.replaceAll('$T', name).replaceAll('$N', name) ?? '');
  return `${tables(columns, values)}; ${indexes.join(';')}`;
}

/** Each row gets the value of the next. */
function circle({ value, atOnce = false }: Kind, ids: readonly number[], values = ids): string[] {
  const next = ids.map((id, index) => ({ id, value: value(values[(index + 1) % values.length] ?? 0) }));
  if (atOnce) {
    const cases = next.map((row) => `when ${row.id} then ${row.value}`);
    return [`update $T set u = case id ${cases.join(' ')} end where id in (${ids.join(', ')})`];
  }
  const [first, ...others] = next;
  return [
    `update $T set u = ${value(spare)} where id = ${first?.id}`,
    // From the last: its new value was the first's.
    ...others.toReversed().map((row) => `update $T set u = ${row.value} where id = ${row.id}`),
    `update $T set u = ${first?.value} where id = ${first?.id}`,
  ];
}

/** After the purge, which takes all rows that are in the log out of the shadow. */
const backlog = backlogAt('indexes-attached');

const moments: readonly (At & { readonly also?: readonly Moment[] })[] = [
  { point: 'chunk-read' },
  { point: 'chunk-copied' },
  { ...betweenBatches(), also: [backlog] },
  { point: 'caught-up' },
  { point: 'cutover-ready' },
];

/** Each by itself for one kind; the others go through all of them in one run. */
const hardest = moments.filter(({ point }) => point === 'batch-applied' || point === 'cutover-ready');

describe.each(kinds)('$name', (kind) => {
  const two = [early + 5, late - 5];
  const three = [early, middle, late];

  test.each(kind === kinds[0] ? moments : hardest)('two and three rows: $point', async ({ also, ...at }) => {
    await expectNothingLost({
      setup: setup(kind),
      at,
      ...(also === undefined ? {} : { also }),
      act: async (app) => {
        await app.both(...circle(kind, two));
        await app.both(...circle(kind, three));
      },
    });
  });

  test('again and again, at every point', async () => {
    const points: At[] = [
      { point: 'capture-on' },
      { point: 'chunk-read' },
      { point: 'chunk-copied' },
      { point: 'chunk-read', nth: 2 },
      { point: 'copied' },
      { point: 'purged' },
      { point: 'indexes-attached' },
      betweenBatches(),
      { point: 'batch-applied', nth: 4 },
      { point: 'caught-up' },
      { point: 'range-verified' },
      { point: 'cutover-ready' },
    ];
    const ids = [...three, ...two];
    const turn = (step: number) => (app: App) => {
      // After n turns row i has the value of the row n places on.
      const values = ids.map((_, index) => ids[(index + step) % ids.length] ?? 0);
      return app.both(...circle(kind, ids, values));
    };
    await expectNothingLost({
      setup: setup(kind),
      at: { point: 'claimed' },
      act: turn(0),
      also: [...points.map((at, index) => ({ at, act: turn(index + 1) })), backlog],
    });
  });

  test('all values move on by one row', async () => {
    const move = (app: App): Promise<void> => app.both(...shift(kind));
    await expectNothingLost({
      setup: setup(kind),
      at: { point: 'chunk-copied' },
      act: move,
      also: [{ at: { point: 'cutover-ready' }, act: move }],
    });
  });
});

/** Every row gets the value of the next one. */
function shift({ value, atOnce = false }: Kind): string[] {
  const by = (distance: number): string => {
    if (value(spare).startsWith('int4range'))
      return `int4range(lower(u) + ${distance * 10}, upper(u) + ${distance * 10})`;
    return value(spare).startsWith("'") ? `'u' || (substr(u, 2)::int + ${distance})` : `u + ${distance}`;
  };
  // Where the index looks at each row at once: out of reach, and back.
  return (atOnce ? [1] : [1_000_000, -999_999]).map((distance) => `update $T set u = ${by(distance)}`);
}

describe('partial unique index', () => {
  test.each(moments)(
    'the place in the index changes hands, not the value: $point',
    async ({ also, ...at }) => {
      await expectNothingLost({
        setup: `${tables('u int, active bool', 'i % 3900, i > 7800')};
        create unique index t_u on t (u) where active; create unique index mirror_u on mirror (u) where active`,
        at,
        ...(also === undefined ? {} : { also }),
        act: async (app) => {
          // Rows i and i + 7800 have the same value; the late one is active, until it hands over.
          await app.both(
            'update $T set active = not active where id in (7950, 7951)',
            'update $T set active = not active where id in (150, 151)',
          );
          await app.both('delete from $T where id = 7952', 'update $T set active = true where id = 152');
          await app.both(
            'update $T set active = false where id = 7960',
            `insert into $T values (90020, 'n', 0, 'p', 160, true)`,
          );
        },
      });
    },
  );
});

describe('several unique indexes at once', () => {
  test.each(moments)('$point', async ({ also, ...at }) => {
    await expectNothingLost({
      setup: `${tables('u int unique, w text unique, r int4range, exclude using gist (r with &&)', `i, 'w' || i, int4range(i * 10, i * 10 + 10)`)};
        create unique index on t (lower(code)); create unique index on mirror (lower(code))`,
      at,
      ...(also === undefined ? {} : { also }),
      act: async (app) => {
        // Crosswise: each row takes one value of each of two others.
        const row = (id: number, u: number, w: number, r: number, code: number): string =>
          `update $T set u = ${u}, w = 'w${w}', r = int4range(${r * 10}, ${r * 10 + 10}), code = 'C${code}' where id = ${id}`;
        await app.both(
          `update $T set u = -u, w = '-' || w, r = int4range(-10 * id - 10, -10 * id), code = '-' || code where id in (${early}, ${middle}, ${late})`,
          row(early, middle, late, middle, late),
          row(middle, late, early, late, early),
          row(late, early, middle, early, middle),
        );
        // And the keys with them.
        await app.both(
          `update $T set id = -1 where id = ${early}`,
          `update $T set id = ${early} where id = ${late}`,
          `update $T set id = ${late} where id = -1`,
        );
      },
    });
  });
});

test('a value passes on through deletes and inserts, batch after batch', async () => {
  const steps: At[] = [
    { point: 'chunk-copied' },
    { point: 'purged' },
    betweenBatches(),
    { point: 'batch-applied', nth: 4 },
    { point: 'caught-up' },
    { point: 'cutover-ready' },
  ];
  const [first, ...others] = steps.map((at, step): Moment => ({
    at,
    act: (app) =>
      app.both(
        `delete from $T where u = 77`,
        `insert into $T values (${90_000 - step}, 'step', 0, 'p', 77)`,
        // And one that goes to a row that is there already.
        `update $T set u = null where u = 78`,
        `update $T set u = 78 where id = ${step % 2 === 0 ? late - step : early + step}`,
      ),
  }));
  if (first === undefined) throw new Error('no steps');
  await expectNothingLost({ setup: tables('u int unique', 'i'), ...first, also: [...others, backlog] });
});
