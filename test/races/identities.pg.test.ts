/** What tells one row from another, where the key is not the first column, nor all of the replica identity, nor short. */
import { describe, test } from 'vitest';
import { change, expectNothingLost, type App, type At, type Race } from './harness.js';

const rows = 2_000;
/** A key of 2,400 characters that do not compress lies apart from its row, and still fits into an index. */
const long = (of: string): string =>
  `(select string_agg(md5((${of})::text || j), '') from generate_series(1, 75) as j)`;

interface Kind {
  readonly name: string;
  /** Without its name: the mirror is made like it. */
  readonly columns: string;
  /** Of the rows 1 to 2,000, from `i`. */
  readonly values: string;
  /** Of a row, from its number. */
  readonly key: (i: string) => Readonly<Record<string, string>>;
  readonly prepare?: string;
  readonly change?: Race['change'];
}

const pair = (i: string): Record<string, string> => ({ c: `'c' || ${i}`, a: `(${i}) % 7` });

const kinds: readonly Kind[] = [
  {
    name: 'columns in another order than those of the table, after others that were dropped',
    columns: 'x int, a int, n int, y text, b text, c text, primary key (c, a)',
    values: `i, i % 7, 0, 'y', 'b', 'c' || i`,
    key: pair,
    prepare: 'alter table t drop column x; alter table mirror drop column x',
    change: { table: 't', alter: ['ALTER COLUMN a TYPE bigint'] },
  },
  {
    name: 'replica identity by another index, which has the key and more',
    columns: 'n int, b int not null, id int primary key, unique (b, id)',
    values: '0, -i, i',
    key: (i) => ({ id: i }),
    prepare: 'alter table t replica identity using index t_b_id_key',
  },
  {
    name: 'replica identity full',
    columns: `n int, pad text default repeat('x', 700), c text, a int, primary key (c, a)`,
    values: `0, repeat('y', 300), 'c' || i, i % 7`,
    key: pair,
    prepare: 'alter table t replica identity full',
    change: { table: 't', alter: ['ALTER COLUMN a TYPE bigint'] },
  },
  ...['default', 'full'].map((identity) => ({
    name: `a key that is stored apart, replica identity ${identity}`,
    columns: 'n int, big text, id text primary key',
    values: `0, repeat(md5(i::text), 400), ${long('i')}`,
    key: (i: string) => ({ id: long(i) }),
    prepare: `alter table t replica identity ${identity}`,
    change: { table: 't', alter: ['ALTER COLUMN n TYPE bigint'], rewrite: true },
  })),
];

const moments: readonly At[] = [
  { point: 'chunk-copied' },
  { point: 'copied' },
  { point: 'caught-up' },
  { point: 'cutover-ready' },
];

/** Six rows of their own each time: other columns, the key, both, an exchange, away and back. */
async function writes(app: App, key: Kind['key'], first: number): Promise<void> {
  const is = (i: number): string =>
    Object.entries(key(String(i)))
      .map(([column, value]) => `${column} = ${value}`)
      .join(' and ');
  const becomes = (i: number): string =>
    Object.entries(key(String(i)))
      .map(([column, value]) => `${column} = ${value}`)
      .join(', ');
  await app.both(`update $T set n = n + 1 where ${is(first)}`);
  await app.both(`update $T set ${becomes(first + 10_000)} where ${is(first + 1)}`);
  await app.both(
    `update $T set n = -1, ${becomes(first + 20_000)} where ${is(first + 2)}`,
    `delete from $T where ${is(first + 3)}`,
    `update $T set ${becomes(first + 3)} where ${is(first + 4)}`,
    `update $T set ${becomes(first + 4)} where ${is(first + 5)}`,
  );
  await app.both(`update $T set ${becomes(first + 30_000)} where ${is(first + 6)}`);
  await app.both(`update $T set ${becomes(first + 6)} where ${is(first + 30_000)}`);
  await app.both(`delete from $T where ${is(first + 7)}`);
}

describe.each(kinds)('$name', ({ columns, values, key, prepare = '', ...kind }) => {
  test('rows are written at each point, and none is taken for another', async () => {
    const [first, ...others] = moments.map((at, index) => ({
      at,
      act: (app: App) => writes(app, key, 100 + index * 400),
    }));
    if (first === undefined) throw new Error('there is no moment');
    await expectNothingLost({
      setup: `
        create table t (${columns});
        create table mirror (like t including all);
        insert into t select ${values} from generate_series(1, ${rows}) as i;
        insert into mirror select * from t;
        ${prepare}`,
      change: kind.change ?? change,
      ...first,
      also: others,
    });
  });
});
