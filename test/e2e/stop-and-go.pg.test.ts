/**
 * Stopped at each phase: abort leaves the database as it was found (invariant 1), and the same command continues to the
 * end. Run twice, by two, with another change: refused or harmless.
 */
import { describe, expect, test } from 'vitest';
import {
  abort,
  finalize,
  InterruptedError,
  migrate,
  RefusedError,
  status,
  type Phase,
} from '../../src/index.js';
import { catalogSnapshot, tableRows } from '../support/catalog-snapshot.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { completeChange, failure, request, runChange, type ChangeInput } from '../support/migration.js';
import { commonSetup } from './changes.js';

const change = { table: 'public.orders', alter: ['ALTER COLUMN id TYPE bigint'] };
const phases = [
  'prepare',
  'copy',
  'purge',
  'index',
  'catch-up',
  'settle',
  'cutover',
] as const satisfies readonly Phase[];

/** Runs until the phase begins, and stops there as Ctrl-C would. */
async function stopAt(db: TestDatabase, phase: Phase, what: ChangeInput = change): Promise<void> {
  const stop = new AbortController();
  const error = await failure(
    runChange(db, what, {
      signal: stop.signal,
      onEvent: (event) => {
        if (event.event === 'phase:started' && event.phase === phase) stop.abort();
      },
    }),
  );
  expect(error).toBeInstanceOf(InterruptedError);
}

async function snapshot(db: TestDatabase): Promise<unknown> {
  const client = await db.connect();
  try {
    const { rows: schemas } = await client.query(
      `select nspname from pg_namespace where nspname !~ '^pg_' and nspname not in ('information_schema', 'ghost') order by 1`,
    );
    return {
      schemas,
      catalog: await catalogSnapshot(client, 'public'),
      rows: await tableRows(client, 'orders'),
    };
  } finally {
    await client.end();
  }
}

describe.each(phases)('stopped at the start of %s', (phase) => {
  test('abort leaves the database as it was found', async () => {
    await using db = await createDatabase(commonSetup);
    const before = await snapshot(db);
    await stopAt(db, phase);
    if (phase !== 'prepare') {
      await abort({ connection: { url: db.url } }, 1);
      const [aborted] = await status({ connection: { url: db.url } }, 1);
      expect(aborted).toMatchObject({ id: 1, phase: 'aborted', shadow: null, old: null, backlog: 0 });
    }
    expect(await snapshot(db)).toEqual(before);
    const { rows } = await db.query(
      `select relname from pg_class where relnamespace = to_regnamespace('ghost') and relname ~ '^(log|truncations)_'
       union all select proname from pg_proc where pronamespace = to_regnamespace('ghost')`,
    );
    expect(rows).toEqual([]);
  });

  test('the same command continues, with what was written meanwhile', async () => {
    await using db = await createDatabase(commonSetup);
    await stopAt(db, phase);
    if (phase !== 'prepare') {
      const [stopped] = await status({ connection: { url: db.url } }, 1);
      expect(stopped).toMatchObject({ id: 1, phase, runnerPid: null, error: { code: 'interrupted' } });
    }
    await db.query(
      `insert into orders (customer_id, total) values (-1, 5); update orders set note = 'late' where id < 40; delete from orders where id = 41`,
    );
    const expected = (await db.query('select * from orders order by id')).rows;
    const { result } = await completeChange(db, change);
    expect(result.native).toBe(false);
    const { rows } = await db.query('select * from orders order by id');
    expect(rows.map((row) => ({ ...row, id: Number(row['id']) }))).toEqual(expected);
  });
});

test('casts mean the same after the defaults of the database have changed (invariant 13)', async () => {
  await using db = await createDatabase();
  await db.query(`alter database ${db.name} set timezone = 'America/New_York'`);
  await db.query(`alter database ${db.name} set datestyle = 'SQL, DMY'`);
  const setUp = await db.connect();
  await setUp.query(`create table orders (id int primary key, at timestamptz, day text);
    insert into orders select i, timestamptz '2026-07-01 12:00:00+00' + i * interval '1 hour', '03/04/2026' from generate_series(1, 500) i`);
  await setUp.end();
  const casts = {
    table: 'public.orders',
    alter: ['ALTER COLUMN at TYPE timestamp, ALTER COLUMN day TYPE date USING day::date'],
  };
  await stopAt(db, 'catch-up', casts);
  await db.query(`alter database ${db.name} set timezone = 'Asia/Tokyo'`);
  await db.query(`alter database ${db.name} set datestyle = 'ISO, MDY'`);
  await db.query(
    `insert into orders select i, timestamptz '2026-07-01 12:00:00+00' + i * interval '1 hour', '03/04/2026' from generate_series(501, 600) i`,
  );
  await db.query(`update orders set at = at where id <= 50`);
  await completeChange(db, casts);
  const { rows } = await db.query(`
    select count(*)::int as n,
           bool_and(at = (timestamptz '2026-07-01 12:00:00+00' + id * interval '1 hour') at time zone 'America/New_York') as at,
           bool_and(day = date '2026-04-03') as day
    from orders`);
  expect(rows).toEqual([{ n: 600, at: true, day: true }]);
});

describe('run twice', () => {
  test('the same command after the swap says so, and swaps nothing again', async () => {
    await using db = await createDatabase(commonSetup);
    const first = await runChange(db, change);
    const second = await runChange(db, change);
    expect(second.result).toMatchObject({ id: first.result.id, old: first.result.old, native: false });
    await finalize({ connection: { url: db.url } }, 1);
  });

  test('another copy before the old table is gone is refused, a native change is not', async () => {
    await using db = await createDatabase(commonSetup);
    await runChange(db, change);
    const error = await failure(
      runChange(db, { table: 'orders', alter: ['ALTER COLUMN customer_id TYPE bigint'] }),
    );
    expect(error).toMatchObject({ code: 'not-finalized', exitCode: 3 });
    const { result } = await runChange(db, { table: 'orders', alter: ['ADD COLUMN x int'] });
    expect(result.native).toBe(true);
  });

  test('another change on a table in migration is refused', async () => {
    await using db = await createDatabase(commonSetup);
    await stopAt(db, 'index');
    const error = await failure(runChange(db, { table: 'orders', alter: ['ALTER COLUMN id TYPE numeric'] }));
    expect(error).toBeInstanceOf(RefusedError);
    expect(error).toMatchObject({ code: 'another-change' });
    expect(error.message).toContain('migration 1');
  });

  test('a second run while the first lives is refused', async () => {
    await using db = await createDatabase(commonSetup);
    const second: Promise<Error>[] = [];
    const { result } = await runChange(db, change, {
      onEvent: (event) => {
        if (event.event === 'phase:started' && event.phase === 'copy') {
          second.push(failure(migrate({ connection: { url: db.url }, request: request(change) })));
        }
      },
    });
    expect(result.old).toBe('ghost_old_1.orders');
    expect(await Promise.all(second)).toMatchObject([{ code: 'already-running' }]);
  });

  test('abort ends a run that is under way', async () => {
    await using db = await createDatabase(commonSetup);
    const before = await snapshot(db);
    const aborted: Promise<void>[] = [];
    const error = await failure(
      runChange(db, change, {
        onEvent: (event) => {
          if (event.event === 'phase:started' && event.phase === 'index')
            aborted.push(abort({ connection: { url: db.url } }, 1));
        },
      }),
    );
    expect(error).toMatchObject({ exitCode: 1, code: 'taken-over' });
    expect(await Promise.all(aborted)).toHaveLength(1);
    expect(await snapshot(db)).toEqual(before);
  });

  test('finalize before the swap, abort after it, and unknown ids are refused', async () => {
    await using db = await createDatabase(commonSetup);
    const connection = { url: db.url };
    expect(await failure(finalize({ connection }, 1))).toMatchObject({ code: 'no-such-migration' });
    await stopAt(db, 'settle');
    expect(await failure(finalize({ connection }, 1))).toMatchObject({ code: 'not-swapped' });
    await runChange(db, change);
    expect(await failure(abort({ connection }, 1))).toMatchObject({ code: 'already-swapped' });
    await finalize({ connection }, 1);
    expect(await failure(finalize({ connection }, 1))).toMatchObject({ code: 'already-ended' });
    expect(await failure(abort({ connection }, 1))).toMatchObject({ code: 'already-ended' });
    expect(await status({ connection })).toHaveLength(1);
  });
});
