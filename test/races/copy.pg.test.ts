/** Rows that are written while the chunks go over the table (invariants 2, 3, 4). */
import { describe, expect, test } from 'vitest';
import {
  early,
  late,
  makeRoom,
  middle,
  expectNothingLost,
  rows,
  tables,
  type App,
  type At,
} from './harness.js';

const chunkRead: At = { point: 'chunk-read' };
const chunkCopied: At = { point: 'chunk-copied' };

describe('a row that a chunk has read', () => {
  test.each([
    { name: 'is deleted', write: `delete from $T where id = ${early}` },
    { name: 'is updated', write: `update $T set n = -1, code = 'later' where id = ${early}` },
    {
      name: 'is updated twice',
      write: `update $T set n = -1 where id = ${early}; update $T set n = -2 where id = ${early}`,
    },
    { name: 'is updated to what it was', write: `update $T set n = n where id = ${early}` },
    {
      name: 'is deleted and inserted again',
      write: `delete from $T where id = ${early}; insert into $T values (${early}, 'again', 0, 'short')`,
    },
    {
      name: 'is inserted and deleted',
      write: `insert into $T values (90001, 'brief', 0, 'short'); delete from $T where id = 90001`,
    },
    { name: 'and all others are updated', write: 'update $T set n = -n' },
    { name: 'and all others are deleted', write: 'delete from $T' },
    {
      name: 'and all others are deleted and come again',
      write: `delete from $T; insert into $T select i, 'again' || i, 0, 'short' from generate_series(1, 3000) as i`,
    },
  ])('$name', async ({ write }) => {
    for (const at of [chunkRead, chunkCopied]) {
      await expectNothingLost({ at, act: (app) => app.both(...write.split('; ')) });
    }
  });
});

test('rows are inserted at every chunk, in blocks behind the recorded end', async () => {
  await expectNothingLost({
    at: chunkRead,
    act: async (app) => {
      await app.both(
        `insert into $T select i, 'new' || i, i, repeat('y', 700) from generate_series(90001, 92000) as i`,
      );
      expect(await app.block(92_000)).toBeGreaterThan(await app.block(rows));
    },
    also: [
      { at: chunkCopied, act: (app) => app.both(`update $T set n = n + 1 where id > 90500`) },
      { at: { point: 'chunk-read', nth: 2 }, act: (app) => app.both(`delete from $T where id > 91000`) },
      { at: { point: 'copied' }, act: (app) => app.both(`update $T set n = n + 1 where id > 90000`) },
      { at: { point: 'purged' }, act: (app) => app.both(`insert into $T values (92001, 'p', 1, 'p')`) },
    ],
    finalCheck: async (db) => {
      expect((await db.query('select count(*)::int as n from t where id > 90000')).rows).toEqual([
        { n: 1001 },
      ]);
    },
  });
});

/** Updates a row, and makes sure that it went where the test wants it. */
async function move(app: App, id: number, to: 'copied' | 'not copied'): Promise<void> {
  const end = await app.copiedTo();
  const from = await app.block(id);
  await app.both(`update $T set n = n - 1000 where id = ${id}`);
  const now = await app.block(id);
  expect([from, now]).toEqual(
    to === 'copied'
      ? [expect.toSatisfy((block: number) => block >= end), expect.toSatisfy((block: number) => block < end)]
      : [expect.toSatisfy((block: number) => block < end), expect.toSatisfy((block: number) => block >= end)],
  );
}

describe('a row moves', () => {
  test('from a block not yet copied into one that is', async () => {
    await expectNothingLost({
      before: (app) => makeRoom(app, 1, 100),
      at: chunkCopied,
      act: async (app) => {
        await move(app, late, 'copied');
        await move(app, middle, 'copied');
      },
      finalCheck: async (db) => {
        expect((await db.query(`select n from t where id = ${late}`)).rows).toEqual([{ n: late - 1000 }]);
      },
    });
  });

  test('from a copied block into one that is yet to be copied: it is copied twice', async () => {
    let twice = 0;
    await expectNothingLost({
      before: (app) => makeRoom(app, 7_001, 7_100),
      at: chunkCopied,
      act: async (app) => {
        await move(app, early, 'not copied');
        await move(app, early + 500, 'not copied');
      },
      also: [
        {
          at: { point: 'copied' },
          act: async (app) => {
            twice = await app.count(
              `(select id from ghost_new_1.t group by id having count(*) > 1) as twice`,
            );
          },
        },
      ],
    });
    // That it happens at all; the mirror has said that nothing of it is left.
    expect(twice).toBe(2);
  });

  test('there and back again', async () => {
    await expectNothingLost({
      before: async (app) => {
        await makeRoom(app, 7_001, 7_100);
      },
      at: chunkCopied,
      act: (app) => move(app, early, 'not copied'),
      also: [
        {
          at: { point: 'chunk-read', nth: 2 },
          act: async (app) => {
            // Room in a copied block, and none behind it.
            await app.both('delete from $T where id between 20 and 100');
            await app.query('vacuum public.t');
            for (let round = 0; round < 5; round += 1)
              await app.both(`update $T set n = n - 1 where id = ${early}`);
          },
        },
      ],
    });
  });

  test('the row is copied under its old and under its new key', async () => {
    await expectNothingLost({
      before: (app) => makeRoom(app, 7_001, 7_100),
      at: chunkCopied,
      act: async (app) => {
        await app.both(`update $T set id = 70000 where id = ${early}`);
        expect(await app.block(70_000)).toBeGreaterThanOrEqual(await app.copiedTo());
      },
    });
  });
});

test('rows behind the recorded end move into blocks that are yet to be copied', async () => {
  await expectNothingLost({
    before: (app) => makeRoom(app, 7_001, 7_100),
    at: { point: 'capture-on' },
    act: (app) =>
      app.both(
        `insert into $T select i, 'new' || i, i, repeat('y', 700) from generate_series(90001, 90500) as i`,
        `update $T set n = -1 where id > 90400`,
      ),
    also: [{ at: chunkCopied, act: (app) => app.both(`update $T set n = -2 where id > 90000`) }],
  });
});

test('something happens at every chunk, every batch and every point between', async () => {
  const points = [
    'recorded',
    'claimed',
    'shadow-built',
    'target-stored',
    'capture-on',
    'chunk-read',
    'chunk-copied',
    'copied',
    'purged',
    'purge-vacuumed',
    'index-built',
    'indexes-attached',
    'batch-applied',
    'caught-up',
    'settled',
    'range-verified',
    'verified',
    'cutover-ready',
    'swapped',
    'leftovers-removed',
    'validated',
  ] as const;
  await expectNothingLost({
    setup: `${tables('u int unique, g text', `i, 'g' || i % 7`)}; create index on t (g); create unique index on t (lower(code))`,
    ...at('recorded', 0),
    also: points.slice(1).map((point, index) => at(point, index + 1)),
  });

  function at(point: (typeof points)[number], number: number) {
    const [a, b, c] = [100 + number, 3_000 + number, 7_900 - number];
    return {
      at: { point },
      act: (app: App) =>
        app.both(
          `insert into $T values (${90_000 + number}, '${point}', 1, 'p', ${-number - 1}, 'g')`,
          `update $T set g = '${point}' where id in (${a}, ${b}, ${c})`,
          `delete from $T where id = ${5_000 + number}`,
          `update $T set id = ${80_000 + number} where id = ${6_000 + number}`,
          // A circle of unique values.
          `update $T set u = null where id = ${a}`,
          `update $T set u = ${a} where id = ${c}`,
          `update $T set u = ${c} where id = ${b}`,
          `update $T set u = ${b} where id = ${a}`,
        ),
    };
  }
});
