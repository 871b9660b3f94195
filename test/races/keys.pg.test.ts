/** Keys that change while the table is copied and the log is applied (invariants 3 and 5). */
import { expect, test } from 'vitest';
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

const backlog = backlogAt('indexes-attached');

const moments: readonly (At & { readonly also?: readonly Moment[] })[] = [
  { point: 'chunk-read' },
  { point: 'chunk-copied' },
  { point: 'chunk-copied', nth: 2 },
  { point: 'copied' },
  { point: 'purged' },
  { point: 'indexes-attached' },
  // Rows whose entries are done, and rows whose entries are still to come.
  { ...betweenBatches(), also: [backlog] },
  { point: 'caught-up' },
  { point: 'range-verified' },
  { point: 'verified' },
  { point: 'cutover-ready' },
];

/** Each has three rows of its own: of the first chunk, of one in the middle, of the last. */
const changes: readonly ((a: number, b: number, c: number) => readonly string[])[] = [
  // New keys.
  (a, b, c) => [`update $T set id = id + 900000 where id in (${a}, ${b}, ${c})`],
  // A row takes the key of a deleted one, upwards and downwards.
  (a, b, c) => [
    `delete from $T where id = ${c}`,
    `update $T set id = ${c} where id = ${b}`,
    `update $T set id = ${b} where id = ${a}`,
  ],
  (a, b, c) => [
    `delete from $T where id = ${a}`,
    `update $T set id = ${a} where id = ${b}`,
    `update $T set id = ${b} where id = ${c}`,
  ],
  // A circle, and an exchange.
  (a, b, c) => [
    `update $T set id = -${a} where id = ${a}`,
    `update $T set id = ${a} where id = ${b}`,
    `update $T set id = ${b} where id = ${c}`,
    `update $T set id = ${c} where id = -${a}`,
  ],
  (a, _, c) => [
    `update $T set id = -${a} where id = ${a}`,
    `update $T set id = ${a} where id = ${c}`,
    `update $T set id = ${c} where id = -${a}`,
  ],
  // A key leaves and comes back.
  (a, b, c) => [
    `update $T set id = -id, n = 5 where id in (${a}, ${b}, ${c})`,
    `update $T set id = -id, n = 6 where id in (-${a}, -${b}, -${c})`,
  ],
  // Deleted and inserted again, once and twice.
  (a, b, c) => [
    `delete from $T where id in (${a}, ${b}, ${c})`,
    `insert into $T values (${a}, 'again', 7, 'short'), (${b}, 'again', 7, 'short'), (${c}, 'again', 7, 'short')`,
  ],
  (a, _, c) => [
    `delete from $T where id in (${a}, ${c})`,
    `insert into $T values (${a}, 'once', 7, 'short'), (${c}, 'once', 7, 'short')`,
    `delete from $T where id in (${a}, ${c})`,
    `insert into $T values (${a}, 'twice', 8, 'short'), (${c}, 'twice', 8, 'short')`,
  ],
  // A new row takes the key that another has left.
  (a, b, c) => [
    `update $T set id = id + 70000 where id in (${a}, ${b}, ${c})`,
    `insert into $T values (${a}, 'taken', 1, 'short'), (${b}, 'taken', 1, 'short'), (${c}, 'taken', 1, 'short')`,
  ],
];

test.each(moments)('keys pass from row to row: $point $nth', async ({ also, ...at }) => {
  await expectNothingLost({
    at,
    ...(also === undefined ? {} : { also }),
    act: async (app) => {
      for (const [index, change] of changes.entries()) {
        // All in one transaction, and the same with other rows in one for each statement.
        await app.both(...change(early + index, middle + index, late - index));
        for (const write of change(early + 100 + index, middle + 100 + index, late - 100 - index)) {
          await app.both(write);
        }
      }
    },
  });
});

test('a key wanders through the phases: each step comes between two of ours', async () => {
  const steps: At[] = [
    { point: 'capture-on' },
    { point: 'chunk-read' },
    { point: 'chunk-copied' },
    { point: 'chunk-read', nth: 2 },
    { point: 'chunk-copied', nth: 2 },
    { point: 'copied' },
    { point: 'purged' },
    { point: 'purge-vacuumed' },
    { point: 'index-built' },
    { point: 'indexes-attached' },
    { point: 'batch-applied' },
    { point: 'caught-up' },
    { point: 'settled' },
    { point: 'range-verified' },
    { point: 'verified' },
    { point: 'cutover-ready' },
  ];
  // Three rows, and one free key more: at each step every row moves on to the next key.
  const ring = [early, middle, late, 90_000];
  const [first, ...others] = steps.map((at, step): Moment => {
    const at4 = (index: number): number => ring[(index + step) % 4] ?? 0;
    return {
      at,
      act: async (app) => {
        // The row before the free key moves into it, and so on.
        for (let from = 2; from >= 0; from -= 1) {
          await app.both(`update $T set id = ${at4(from + 1)}, n = n + 1 where id = ${at4(from)}`);
        }
      },
    };
  });
  if (first === undefined) throw new Error('no steps');
  await expectNothingLost({
    ...first,
    also: others,
    finalCheck: async (db) => {
      const { rows } = await db.query(
        `select code, n from t where code in ('c10', 'c4000', 'c7990') order by code`,
      );
      expect(rows).toEqual([
        { code: 'c10', n: early + steps.length },
        { code: 'c4000', n: middle + steps.length },
        { code: 'c7990', n: late + steps.length },
      ]);
    },
  });
});

test('all keys move up, and down again', async () => {
  await expectNothingLost({
    at: { point: 'chunk-copied' },
    act: (app) => app.both('update $T set id = id + 100000'),
    also: [
      { at: { point: 'caught-up' }, act: (app) => app.both('update $T set id = id - 99999') },
      {
        at: { point: 'cutover-ready' },
        act: (app) => app.both('update $T set id = id + 99999 where id < 300'),
      },
    ],
  });
});

test('a key of two columns, renamed and converted, whose parts change hands', async () => {
  const writes = [
    `update $T set b = 'tmp' where id = ${early}`,
    `update $T set a = ${early % 100}, b = 'b${early}' where id = ${late}`,
    `update $T set a = ${late % 100}, b = 'b${late}' where id = ${early}`,
    `update $T set a = a + 1000 where id between ${middle} and ${middle + 20}`,
  ];
  const act = (app: App): Promise<void> => app.both(...writes);
  await expectNothingLost({
    setup: tables('a int, b text, unique (a, b)', `i % 100, 'b' || i`)
      .replace('id int primary key', 'id int not null')
      .replace('unique (a, b)', 'primary key (a, b)'),
    change: {
      table: 't',
      statements: ['ALTER TABLE t RENAME COLUMN b TO key_b', 'ALTER TABLE t ALTER COLUMN a TYPE bigint'],
    },
    at: { point: 'chunk-copied' },
    act,
    also: [
      {
        at: { point: 'chunk-read', nth: 2 },
        act: (app) => app.both(`update $T set a = -a where id < 50 and a > 0`),
      },
      { at: { point: 'caught-up' }, act: (app) => app.both(`update $T set a = a - 1000 where a > 1000`) },
      {
        at: { point: 'cutover-ready' },
        act: (app) => app.both(`update $T set a = a + 5000, b = b || 'x' where id > 7900`),
      },
    ],
  });
});
