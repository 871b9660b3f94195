/** The table itself changes: its file, its definition (invariant 12). */
import { describe, expect, test } from 'vitest';
import { createDatabase, until, type TestDatabase } from '../support/database.js';
import { captureUnderTest, failure } from '../support/migration.js';
import {
  App,
  backlogAt,
  betweenBatches,
  change,
  early,
  expectMirrored,
  late,
  middle,
  expectNothingLost,
  raceOn,
  tables,
  type At,
  type Moment,
} from './harness.js';

/** What comes after a TRUNCATE: new rows, some under keys that were there before, and changes of them. */
async function refill(app: App): Promise<void> {
  await app.both(
    `insert into $T select i, 'after' || i, 0, repeat('z', 300) from generate_series(1, 3000, 3) as i`,
  );
  await app.both(
    `update $T set n = 1 where id % 2 = 0`,
    `delete from $T where id between 100 and 120`,
    `update $T set id = id + 50000 where id between 200 and 220`,
  );
}

describe('TRUNCATE, then new rows', () => {
  const moments: readonly (At & { readonly also?: readonly Moment[]; readonly name?: string })[] = [
    { point: 'claimed' },
    { point: 'capture-on' },
    { point: 'chunk-copied' },
    { point: 'chunk-copied', nth: 2 },
    { point: 'copied' },
    { point: 'purged' },
    { point: 'indexes-attached' },
    { point: 'caught-up' },
    { point: 'range-verified' },
    { point: 'verified' },
    { point: 'cutover-ready' },
    { point: 'purged', name: 'with a backlog', also: [backlogAt('copied')] },
    { point: 'indexes-attached', name: 'with a backlog', also: [backlogAt('purged')] },
    { ...betweenBatches(), name: 'with a backlog', also: [backlogAt('indexes-attached')] },
  ];

  test.each(moments)('$point $nth $name', async ({ also, name: _, ...at }) => {
    await expectNothingLost({
      at,
      ...(also === undefined ? {} : { also }),
      act: async (app) => {
        await app.both('truncate $T');
        await refill(app);
      },
    });
  });

  /** One for each way in which the marker is met. */
  const some = moments.filter(
    ({ point, nth, also }) =>
      nth === undefined &&
      (['capture-on', 'chunk-copied', 'copied', 'caught-up', 'cutover-ready'].includes(point) ||
        also !== undefined),
  );

  test.each(some)(
    'in one transaction with writes before and after: $point $nth $name',
    async ({ also, name: _, ...at }) => {
      await expectNothingLost({
        at,
        ...(also === undefined ? {} : { also }),
        act: (app) =>
          app.both(
            `update $T set n = -1 where id in (${early}, ${late})`,
            `insert into $T values (90001, 'lost', 0, 'p')`,
            'truncate $T',
            `insert into $T values (${early}, 'new', 0, 'p'), (90001, 'kept', 0, 'p'), (90002, 'kept', 0, 'p')`,
            `delete from $T where id = 90002`,
          ),
      });
    },
  );

  test.each(some)(
    'rolled back, and only some of it kept: $point $nth $name',
    async ({ also, name: _, ...at }) => {
      await expectNothingLost({
        at,
        ...(also === undefined ? {} : { also }),
        act: (app) =>
          app.both(
            `update $T set n = -1 where id in (${early}, ${late})`,
            'savepoint s',
            'truncate $T',
            `insert into $T values (${early}, 'gone', 0, 'p')`,
            'rollback to savepoint s',
            `update $T set n = n - 1 where id in (${early}, ${middle})`,
          ),
      });
    },
  );

  test.each([
    { name: 'with other tables', truncate: 'truncate other, $T, another' },
    { name: 'with a table that it refers to', truncate: 'truncate parent cascade' },
  ])('$name', async ({ truncate }) => {
    const act = async (app: App): Promise<void> => {
      await app.both(`update $T set n = -1 where id in (${early}, ${late})`);
      await app.both(truncate, `insert into $T values (${early}, 'new', 0, 'p'), (90003, 'new', 0, 'p')`);
      await app.both(`update $T set id = -id where id = 90003`);
    };
    await expectNothingLost({
      setup: `
        create table other (); create table another (id int);
        create table parent (id int primary key);
        ${tables('parent int references parent')};
        alter table mirror add foreign key (parent) references parent`,
      at: { point: 'chunk-copied' },
      act,
      also: [
        { at: { point: 'caught-up' }, act },
        { at: { point: 'cutover-ready' }, act },
      ],
    });
  });

  test('it waits for a chunk that is under way, and then comes', async () => {
    const restarts: string[] = [];
    await expectNothingLost({
      at: { point: 'chunk-read' },
      act: async (app) => {
        await app.both(`update $T set n = -1 where id = ${early}`);
        // Into the mirror it gets without waiting; what is compared is the end.
        await app.later('truncate $T', `insert into $T values (${early}, 'new', 0, 'p')`);
        // Queues behind it, and finds an empty table.
        await app.later(`insert into $T select i, 'queued', 0, 'p' from generate_series(2001, 2100) as i`);
      },
      onEvent: (event) => {
        if (event.event === 'copy:restarted') restarts.push(event.why);
      },
    });
    expect(restarts).toHaveLength(1);
  });

  test('again while the copy is about to restart, and again in its first chunk', async () => {
    const again: Moment['act'] = async (app) => {
      await app.both('truncate $T');
      await refill(app);
    };
    await expectNothingLost({
      at: { point: 'chunk-copied' },
      act: again,
      also: [
        { at: { point: 'copy-restarting' }, act: again },
        {
          at: { point: 'chunk-read', nth: 2 },
          act: (app) =>
            app.later(
              'truncate $T',
              `insert into $T select i, 'third', 0, 'p' from generate_series(1, 4000) as i`,
            ),
        },
        { at: { point: 'copied' }, act: (app) => app.both('update $T set n = 3 where id % 3 = 0') },
      ],
    });
  });

  test('again and again after the copy', async () => {
    const points: At[] = [
      { point: 'purged' },
      { point: 'indexes-attached' },
      { point: 'batch-applied' },
      { point: 'batch-applied', nth: 2 },
      { point: 'caught-up' },
      { point: 'cutover-ready' },
    ];
    const again: Moment['act'] = async (app) => {
      await app.both('update $T set n = n + 1');
      await app.both('truncate $T');
      await refill(app);
    };
    await expectNothingLost({
      at: { point: 'copied' },
      act: again,
      also: points.map((at) => ({ at, act: again })),
    });
  });

  test('queued behind the swap: it empties the new table', async () => {
    await expectNothingLost({
      settings: { maxHoldMs: 20_000 },
      at: { point: 'cutover-locked' },
      act: (app) => app.later('truncate $T', `insert into $T values (3000000000, 'new shape', 0, 'p')`),
      setup: tables().replace(
        'create table mirror (like t including all)',
        'create table mirror (like t including all); alter table mirror alter id type bigint',
      ),
      finalCheck: async (db) => {
        expect((await db.query('select code from t')).rows).toEqual([{ code: 'new shape' }]);
        expect((await db.query('select count(*)::int as n from ghost_old_1.t')).rows).toEqual([{ n: 8000 }]);
      },
    });
  });
});

describe('the rows move to another file while they are written', () => {
  const rewrites = ['vacuum full public.t', 'cluster public.t using t_n'];
  const setup = `${tables()}; create index t_n on t (n desc); alter table t cluster on t_n; delete from t where id % 2 = 0; delete from mirror where id % 2 = 0`;

  /** Writers that begin before it and end after it. */
  async function rewriteUnderLoad(app: App, db: TestDatabase, sql: string, from: number): Promise<void> {
    const writer = await App.connect(db);
    await writer.query('begin');
    await writer.query(`update public.t set n = -1 where id = ${early + 1}`);
    await writer.query(`update public.mirror set n = -1 where id = ${early + 1}`);
    await app.laterSql(sql);
    await app.later(`update $T set n = n - 1 where id in (${early + 1}, ${late + 1})`);
    await app.later(
      `insert into $T select i, 'new', i, repeat('y', 700) from generate_series(${from}, ${from + 500}) as i`,
    );
    await app.later(`delete from $T where id between ${middle} and ${middle + 50}`);
    await writer.query('commit');
    await app.settled();
    await app.both(`update $T set n = n + 1 where id > ${from}`);
  }

  const moments = [
    { point: 'capture-on' },
    { point: 'chunk-copied' },
    { point: 'chunk-copied', nth: 2 },
    { point: 'indexes-attached' },
    { point: 'batch-applied' },
    { point: 'range-verified' },
    { point: 'cutover-ready' },
  ] as const;

  for (const sql of rewrites) {
    // To us CLUSTER is the same: another file.
    test.each(sql === rewrites[0] ? moments : [moments[1], moments[6]])(`${sql}: $point $nth`, async (at) => {
      let restarts = 0;
      await expectNothingLost({
        setup,
        at,
        act: (app, db) => rewriteUnderLoad(app, db, sql, 90_000),
        onEvent: ({ event }) => (restarts += event === 'copy:restarted' ? 1 : 0),
      });
      expect(restarts).toBe(['capture-on', 'chunk-copied'].includes(at.point) ? 1 : 0);
    });

    test(`${sql} waits for a chunk that is under way, writers wait for it`, async () => {
      await expectNothingLost({
        setup,
        at: { point: 'chunk-read' },
        act: async (app) => {
          await app.laterSql(sql);
          await app.later(`update $T set n = -5 where id in (${early + 1}, ${late + 1})`);
          await app.later(`insert into $T values (90001, 'queued', 1, 'p')`);
        },
      });
    });

    test(`${sql} between two others, with a TRUNCATE`, async () => {
      await expectNothingLost({
        setup,
        at: { point: 'chunk-copied' },
        act: (app, db) => rewriteUnderLoad(app, db, sql, 90_000),
        also: [
          { at: { point: 'copy-restarting' }, act: (app, db) => rewriteUnderLoad(app, db, sql, 100_000) },
          {
            at: { point: 'chunk-copied', nth: 2 },
            act: async (app) => {
              await app.both(
                'truncate $T',
                `insert into $T select i, 'x', i, repeat('y', 700) from generate_series(1, 4000) as i`,
              );
              await app.query(sql);
            },
          },
        ],
      });
    });
  }
});

describe('ALTER TABLE', () => {
  test('CLUSTER USING another index than the table has been ordered by: the copy starts again, and the mark is followed', async () => {
    await using db = await createDatabase(`${tables()}; create index t_n on t (n desc)`);
    const app = await App.connect(db);
    await raceOn(db, app, [
      { at: { point: 'chunk-copied' }, act: () => app.query('cluster public.t using t_n') },
    ]);
    await expectMirrored(db);
    const { rows } = await db.query(
      `select indexrelid::regclass::text as index from pg_index where indrelid = 'public.t'::regclass and indisclustered`,
    );
    expect(rows).toEqual([{ index: 't_n' }]);
  });

  const alter = 'alter table public.t add column late int default 5';

  async function stopped(db: TestDatabase): Promise<void> {
    // The source is where it was, still captured, and nothing else has its name.
    const { rows } = await db.query(`
      select format_type(atttypid, atttypmod) as type,
        (select count(*)::int from pg_class where relname = 't' and relnamespace = 'ghost_old_1'::regnamespace) as old,
        (select count(*)::int from pg_trigger where tgrelid = 'public.t'::regclass and tgname like 'ghost%') as triggers,
        (select count(*)::int from pg_publication_rel where prrelid = 'public.t'::regclass) as publications
      from pg_attribute where attrelid = 'public.t'::regclass and attname = 'id'`);
    const captures =
      captureUnderTest === 'triggers' ? { triggers: 2, publications: 0 } : { triggers: 0, publications: 1 };
    expect(rows).toEqual([{ type: 'integer', old: 0, ...captures }]);
    expect((await db.query('select count(*)::int as n from public.t')).rows).toEqual([{ n: 8000 }]);
  }

  test.each([
    { point: 'capture-on' },
    { point: 'chunk-copied' },
    { point: 'copied' },
    { point: 'indexes-attached' },
    { point: 'batch-applied' },
    { point: 'caught-up' },
    { point: 'range-verified' },
    // Nobody looks any more, but under the lock.
    { point: 'cutover-ready' },
  ] as const)('stops the run: $point', async (at) => {
    await using db = await createDatabase(tables());
    const app = await App.connect(db);
    const error = await failure(raceOn(db, app, [{ at, act: () => app.query(alter) }]));
    expect(error).toMatchObject({ code: 'source-changed', exitCode: 1 });
    await stopped(db);
  });

  test('waits for a chunk that is under way, then stops the run', async () => {
    await using db = await createDatabase(tables());
    const app = await App.connect(db);
    const at: At = { point: 'chunk-read' };
    const error = await failure(raceOn(db, app, [{ at, act: () => app.laterSql(alter) }]));
    expect(error).toMatchObject({ code: 'source-changed', exitCode: 1 });
    await app.settled();
    await stopped(db);
  });

  test('taken back: the run goes on with the same command, and has what was written meanwhile', async () => {
    await using db = await createDatabase(tables());
    const app = await App.connect(db);
    const at: At = { point: 'chunk-copied' };
    const first = raceOn(db, app, [
      { at, act: () => app.query('alter table public.t add column late int default 5') },
    ]);
    expect(await failure(first)).toMatchObject({ code: 'source-changed' });
    await app.both(
      `update $T set n = -1 where id in (${early}, ${late})`,
      `delete from $T where id = ${middle}`,
    );
    await app.query('alter table public.t drop column late');
    await raceOn(db, app, []);
    await expectMirrored(db);
  });

  /** Readers hold the lock; the ALTER waits for them; the swap comes when both are through or not at all. */
  async function withReader(
    db: TestDatabase,
    meanwhile: (app: App, reader: App) => Promise<void>,
  ): Promise<unknown> {
    const app = await App.connect(db);
    const reader = await App.connect(db);
    let during: Promise<void> | undefined;
    const act = async (): Promise<void> => {
      await reader.query('begin');
      await reader.query('select 1 from public.t limit 1');
      during = meanwhile(app, reader);
      during.catch(() => {});
    };
    const run = raceOn(db, app, [{ at: { point: 'cutover-ready' }, act }], {
      settings: { lockTimeoutMs: 2_000, maxHoldMs: 5_000 },
    });
    const outcome = await run.then(
      () => 'swapped',
      (error: unknown) => (error as { code?: unknown }).code,
    );
    await during;
    await app.settled();
    return outcome;
  }

  test('in the queue before the swap: it is first, and stops the run', async () => {
    await using db = await createDatabase(tables());
    const outcome = await withReader(db, async (app, reader) => {
      await app.laterSql(alter);
      await reader.query('commit');
    });
    expect(outcome).toBe('source-changed');
    await stopped(db);
  });

  test('in the queue behind a try of the swap: the new table gets it, or it stops the run', async () => {
    await using db = await createDatabase(tables());
    const outcome = await withReader(db, async (app, reader) => {
      // A try that waits long enough to queue behind it.
      await until(
        async () =>
          await app.count(
            `pg_locks where not granted and mode = 'AccessExclusiveLock' and relation = 'public.t'::regclass`,
          ),
        { what: 'the swap waits for its lock' },
      );
      await app.laterSql(alter);
      await reader.query('commit');
    });
    const { rows } = await db.query(`
      select format_type(atttypid, atttypmod) as type from pg_attribute
      where attrelid = 'public.t'::regclass and attname in ('id', 'late') order by attname`);
    if (outcome === 'swapped') {
      expect(rows).toEqual([{ type: 'bigint' }, { type: 'integer' }]);
      await expectMirrored(db, 'select *, 5 from public.mirror');
    } else {
      expect([outcome, rows]).toEqual(['source-changed', [{ type: 'integer' }, { type: 'integer' }]]);
      await stopped(db);
    }
  });

  test('in the queue while the swap is under way: the new table gets it', async () => {
    await expectNothingLost({
      settings: { maxHoldMs: 20_000 },
      at: { point: 'cutover-locked' },
      act: (app) => app.laterSql(alter),
      also: [
        {
          at: { point: 'cutover-drained' },
          act: (app) => app.later(`update $T set n = -9 where id = ${early}`),
        },
      ],
      expected: 'select *, 5 from public.mirror',
      finalCheck: async (db) => {
        expect(
          (
            await db.query(
              `select count(*)::int as n from pg_attribute where attrelid = 'ghost_old_1.t'::regclass and attname = 'late'`,
            )
          ).rows,
        ).toEqual([{ n: 0 }]);
      },
    });
  });

  test('DROP TABLE in the queue while the swap is under way takes the new table', async () => {
    await using db = await createDatabase(tables());
    const app = await App.connect(db);
    const moment: Moment = {
      at: { point: 'cutover-locked' },
      act: () => app.laterSql('drop table public.t'),
    };
    await raceOn(db, app, [moment], { change, settings: { maxHoldMs: 20_000 } });
    await app.settled();
    expect(
      (await db.query(`select to_regclass('public.t') as t, to_regclass('ghost_old_1.t')::text as old`)).rows,
    ).toEqual([{ t: null, old: 'ghost_old_1.t' }]);
  });
});
