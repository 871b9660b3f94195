/** What a run says of its end: where the migration stands then, and not where the run was. */
import { expect, test } from 'vitest';
import { status } from '../../src/index.js';
import { createDatabase, until } from '../support/database.js';
import { failure, runChange } from '../support/migration.js';

const setup = `create table t (id int primary key); insert into t select generate_series(1, 50)`;
const change = { table: 't', alter: ['ALTER COLUMN id TYPE bigint'] };

test('an error right behind the swap says that the tables are swapped, and the same command completes it', async () => {
  await using db = await createDatabase(setup);
  const other = await db.connect();
  let cancelled = Promise.resolve();
  const error = await failure(
    runChange(db, change, {
      onPoint: async (point) => {
        if (point !== 'swapped') return;
        await other.query('begin');
        await other.query('select from ghost.migrations for update');
        cancelled = cancelWaiting();
      },
    }),
  );
  await cancelled;
  expect(error).toMatchObject({
    code: 'server-error',
    told: { state: expect.stringMatching(/^the tables are swapped/u) as string },
  });
  expect(await status({ connection: { url: db.url } })).toMatchObject([
    { phase: 'swapped', error: { code: 'server-error' } },
  ]);
  const { events } = await runChange(db, change);
  expect(events.flatMap((event) => (event.event === 'warning' ? [event.code] : []))).toContain(
    'already-swapped',
  );
  await other.end();

  /** The run's own write behind the swap is what waits. */
  async function cancelWaiting(): Promise<void> {
    await until(
      async () => {
        const { rows } = await db.query(
          `select pg_cancel_backend(pid) from pg_stat_activity
        where application_name = 'pg-ghost 1 control' and wait_event_type = 'Lock' and datname = current_database()`,
        );
        return rows.length > 0;
      },
      { what: 'the write behind the swap' },
    );
    await other.query('rollback');
  }
});
