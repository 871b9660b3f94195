/** What is told of a rollback window, and how it ends: status with the ids that are left, and finalize not before it is time. */
import { expect, test } from 'vitest';
import { finalize, rollback, status, type MigrationStatus } from '../../src/index.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { runChange } from '../support/migration.js';

const settings = { cutoverDeadlineMs: 30_000 };
const dayMs = 86_400_000;

async function grown(db: TestDatabase): Promise<number> {
  await db.query(`
    create table orders (id serial primary key, total int not null);
    insert into orders (total) select n from generate_series(1, 300) as n`);
  const { result } = await runChange(
    db,
    { table: 'orders', alter: ['ALTER COLUMN id TYPE bigint'] },
    { settings: { ...settings, withoutRollbackWindow: false } },
  );
  return result.id ?? 0;
}

async function only(db: TestDatabase): Promise<MigrationStatus> {
  const [found] = await status({ connection: { url: db.url } });
  if (found === undefined) throw new Error('there is no migration');
  return found;
}

test('finalize is refused before it is time, by the last swap, and says how large the table was', async () => {
  await using db = await createDatabase();
  const id = await grown(db);
  const connection = { url: db.url };
  const daysAgo = (days: number): Promise<unknown> =>
    db.query(`update ghost.migrations set swapped_at = swapped_at - interval '${days} days'`);

  await expect(finalize({ connection, afterMs: -1 }, id)).rejects.toMatchObject({ code: 'bad-setting' });
  await expect(finalize({ connection, afterMs: 7 * dayMs }, id)).rejects.toMatchObject({
    code: 'too-early',
    exitCode: 3,
    message: expect.stringMatching(
      /has swapped its tables .* ago, and 7d were asked for: (?:7d|6d23h59m\d+s) are left$/,
    ),
  });
  await daysAgo(6);
  await expect(finalize({ connection, afterMs: 7 * dayMs }, id)).rejects.toMatchObject({ code: 'too-early' });
  // The table that is kept is another one from then on.
  await rollback({ connection, settings }, id);
  await expect(finalize({ connection, afterMs: dayMs }, id)).rejects.toMatchObject({
    code: 'too-early',
    message: expect.stringMatching(
      /was rolled back .* ago, and 1d were asked for: (?:1d|23h59m\d+s) are left$/,
    ),
  });
  expect(await only(db)).toMatchObject({ phase: 'rolled-back', kept: `ghost_new_${id}.orders` });

  await daysAgo(1);
  const { rows } = await db.query<{ bytes: string }>(
    `select pg_total_relation_size('ghost_new_${id}.orders')::text as bytes`,
  );
  expect(await finalize({ connection, afterMs: dayMs }, id)).toEqual({
    id,
    dropped: [{ table: `ghost_new_${id}.orders`, bytes: Number(rows[0]?.bytes) }],
  });
});

test('status tells how many ids are left, and for how long', async () => {
  await using db = await createDatabase();
  const id = await grown(db);
  const connection = { url: db.url };
  expect(await only(db)).toMatchObject({
    backlog: 0,
    window: {
      to: 'back',
      ids: [{ column: 'id', last: '300', limit: '2147483647', isNear: false, secondsLeft: null }],
    },
  });

  // A hundred in a hundred seconds.
  await db.query(`update ghost.windows set since = clock_timestamp() - interval '100 seconds'`);
  await db.query('insert into orders (total) select 1 from generate_series(1, 100)');
  const { backlog, window } = await only(db);
  expect(backlog).toBe(100);
  const [left] = window?.ids ?? [];
  expect(left).toMatchObject({ last: '400', remaining: '2147483247' });
  expect(Number(left?.secondsLeft)).toBeGreaterThan(2_147_483_000);
  expect(Number(left?.secondsLeft)).toBeLessThan(2.5e9);

  await db.query(`select setval('orders_id_seq', 1717986918)`);
  expect((await only(db)).window?.ids).toMatchObject([{ remaining: '429496729', isNear: true }]);

  await rollback({ connection, settings }, id);
  expect(await only(db)).toMatchObject({ phase: 'rolled-back', window: { to: 'forward', ids: [] } });
});
