/**
 * What brings keys from the slot into the log is held up, fails, is ended: nothing is confirmed to the server that is not in the log
 * to stay, and nothing is lost. Rows are compared with a mirror.
 */
import { describe, expect, test } from 'vitest';
import { createDatabase, until, type TestDatabase } from '../support/database.js';
import { failure } from '../support/migration.js';
import { App, expectMirrored, raceOn, tables, type Moment } from '../races/harness.js';

const settings = { capture: 'logical' } as const;
const here = 'datname = current_database()';

const namesOf = { writer: 'pg-ghost 1 feed', beacon: 'pg-ghost 1 beacon', walsender: 'pg-ghost 1 stream' };

/** How far the server may forget, in bytes of the WAL. */
async function confirmed(app: App): Promise<bigint> {
  const [slot] = await app.query<{ lsn: string }>(
    `select confirmed_flush_lsn - '0/0'::pg_lsn as lsn from pg_replication_slots where database = current_database()`,
  );
  return BigInt(slot?.lsn ?? 0);
}

async function writtenTo(app: App): Promise<bigint> {
  const [wal] = await app.query<{ lsn: string }>(`select pg_current_wal_insert_lsn() - '0/0'::pg_lsn as lsn`);
  return BigInt(wal?.lsn ?? 0);
}

/** How many there were: one that nobody has missed yet is not there again. */
async function end(app: App, name: string, how = 'pg_terminate_backend'): Promise<number> {
  const ended = await app.query(
    `select ${how}(pid) from pg_stat_activity where application_name = '${name}' and ${here}`,
  );
  return ended.length;
}

async function waits(app: App): Promise<void> {
  await until(
    async () =>
      (await app.count(
        `pg_stat_activity where application_name = '${namesOf.writer}' and wait_event_type = 'Lock' and ${here}`,
      )) === 1,
    { what: 'our write to hang' },
  );
}

const lock = `begin; lock table ghost.feed_1 in exclusive mode`;
const failing = `
  create function public.fails() returns trigger language plpgsql as $$ begin raise 'not now'; end $$;
  create trigger fails before update on ghost.feed_1 execute function public.fails()`;

interface Obstacle {
  readonly name: string;
  readonly before: string;
  /** Once there is something to write. */
  readonly meets: (app: App) => Promise<unknown>;
  readonly after: string;
  /** What the run says at its end; otherwise it goes on by itself. */
  readonly says?: string;
}

const obstacles: readonly Obstacle[] = [
  { name: 'hangs', before: lock, meets: waits, after: 'commit' },
  {
    name: 'hangs, and its session is ended',
    before: lock,
    meets: async (app) => {
      await waits(app);
      expect(await end(app, namesOf.writer)).toBe(1);
    },
    after: 'commit',
  },
  {
    name: 'hangs, and the stream is cut',
    before: lock,
    meets: async (app) => {
      await waits(app);
      expect(await end(app, namesOf.walsender)).toBe(1);
    },
    after: 'commit',
  },
  {
    name: 'is cancelled',
    before: lock,
    meets: async (app) => {
      await waits(app);
      expect(await end(app, namesOf.writer, 'pg_cancel_backend')).toBe(1);
    },
    after: 'commit',
    says: 'canceling statement due to user request',
  },
  {
    name: 'fails',
    before: failing,
    meets: async () => {},
    after: 'drop trigger fails on ghost.feed_1',
    says: 'not now',
  },
];

describe('our write to the log', () => {
  test.each(obstacles)('$name', async ({ before, meets, after, says }) => {
    await using db = await createDatabase(tables());
    const app = await App.connect(db);
    const obstacle = await App.connect(db);
    let written = 0n;
    let logged = 0;
    const expectNothingStored = async (): Promise<void> => {
      expect(await confirmed(app)).toBeLessThan(written);
      expect(await app.logged()).toBe(logged);
    };
    const moment: Moment = {
      at: { point: 'caught-up' },
      act: async () => {
        logged = await app.logged();
        await obstacle.query(before);
        await app.both(`update $T set n = n + 1 where id % 7 = 0`, `delete from $T where id = 11`);
        written = await writtenTo(app);
        await meets(app);
        if (says !== undefined) return;
        try {
          await expectNothingStored();
        } finally {
          await obstacle.query(after);
        }
      },
    };
    const run = raceOn(db, app, [moment], { settings });
    if (says !== undefined) {
      expect((await failure(run)).message).toContain(says);
      await expectNothingStored();
      await obstacle.query(after);
      await raceOn(db, app, [], { settings });
    } else await run;
    await expectMirrored(db);
  });
});

describe('ended in the middle, again and again', () => {
  test.each(Object.entries(namesOf))('the session of the %s', async (_, name) => {
    await using db = await createDatabase(tables());
    const app = await App.connect(db);
    const points = [
      'chunk-copied',
      'copied',
      'purged',
      'caught-up',
      'range-verified',
      'cutover-ready',
    ] as const;
    let ended = 0;
    const moments = points.map((point, index) => ({
      at: { point },
      act: async () => {
        await app.both(
          `update $T set n = n + 1 where id % 7 = ${index}`,
          `update $T set id = -id where id = ${index + 20}`,
        );
        ended += await end(app, name);
        await app.both(`update $T set n = n + 1 where id % 11 = ${index}`);
      },
    }));
    await raceOn(db, app, moments, { settings });
    expect(ended).toBeGreaterThan(2);
    await expectMirrored(db);
  });
});

describe('columns are called otherwise for a while', () => {
  async function expectNothingLost(
    db: TestDatabase,
    app: App,
    there: string,
    back: string,
    writes: string[],
  ): Promise<void> {
    const act = async (): Promise<void> => {
      await app.query(there);
      for (const write of writes) await app.both(write);
      await app.query(back);
    };
    const points = ['chunk-copied', 'copied', 'caught-up', 'verified', 'cutover-ready'] as const;
    await raceOn(
      db,
      app,
      points.map((point) => ({ at: { point }, act })),
      { settings },
    );
    await expectMirrored(db);
  }

  test('the key', async () => {
    await using db = await createDatabase(tables());
    await expectNothingLost(
      db,
      await App.connect(db),
      'alter table t rename id to key; alter table mirror rename id to key',
      'alter table t rename key to id; alter table mirror rename key to id',
      [
        'update $T set n = n + 1 where key % 1000 = 1',
        'delete from $T where key in (select min(key) from $T)',
        'update $T set key = -key where key in (select max(key) from $T)',
        `insert into $T (key) select max(key) + 1 from $T`,
      ],
    );
  });

  test('the key and another column change names, and all columns are published', async () => {
    await using db = await createDatabase(`${tables()}; alter table t replica identity full`);
    const exchange = (table: string): string =>
      `alter table ${table} rename id to x; alter table ${table} rename n to id; alter table ${table} rename x to n`;
    const both = `${exchange('t')}; ${exchange('mirror')}`;
    await expectNothingLost(db, await App.connect(db), both, both, [
      'update $T set id = id + 100000 where n % 1000 = 1',
      'update $T set n = -n where n in (select max(n) from $T)',
    ]);
  });

  test('while nobody runs it', async () => {
    await using db = await createDatabase(tables());
    const app = await App.connect(db);
    const stop = await failure(
      raceOn(db, app, [{ at: { point: 'copied' }, act: () => app.query('alter table t rename id to key') }], {
        settings,
      }),
    );
    expect(stop).toMatchObject({ code: 'source-changed' });
    await app.both(
      'update t set n = n + 1 where key % 10 = 1; update mirror set n = n + 1 where id % 10 = 1',
    );
    expect(await failure(raceOn(db, app, [], { settings }))).toMatchObject({ code: 'source-changed' });
    await app.query('alter table t rename key to id');
    await raceOn(db, app, [], { settings });
    await expectMirrored(db);
  });
});
