/**
 * One transaction that writes all rows: the server keeps it on its disk, and sends it at its end. What our process keeps of it has a
 * bound, whatever its length. PG_GHOST_LONG_ROWS: how many rows (150,000; a million with all versions).
 */
import { expect, test } from 'vitest';
import { abort } from '../../src/index.js';
import { createDatabase, until } from '../support/database.js';
import { failure, runChange } from '../support/migration.js';

const rows = Number(
  process.env['PG_GHOST_LONG_ROWS'] ?? (process.env['PG_GHOST_TEST_VERSIONS'] ? 1_000_000 : 150_000),
);
/** Most of it is what the garbage collector leaves for later: 111 MB were seen with 300,000 rows, 163 MB with a million. */
const boundMb = 300;

test('a transaction of very many rows', { timeout: 180_000 }, async ({ annotate }) => {
  await using db = await createDatabase(`
    create table t (id int primary key, v text);
    insert into t select i, 'v' from generate_series(1, ${rows}) as i`);
  const memory = (): number => process.memoryUsage().rss / 1024 ** 2;
  const logged = async (): Promise<number> => {
    const { rows: found } = await db.query(
      'select (select count(*) from ghost.log_1) + (select count(*) from ghost.log_b_1) as n',
    );
    return Number(found[0]?.['n']);
  };
  const stop = new AbortController();
  let [before, most, seconds] = [0, 0, 0];
  const stopped = await failure(
    runChange(
      db,
      { table: 't', alter: ['ALTER COLUMN id TYPE bigint'] },
      {
        settings: { capture: 'logical', verify: 'off' },
        signal: stop.signal,
        onPoint: async (point) => {
          if (point !== 'copied') return;
          before = memory();
          const watch = setInterval(() => (most = Math.max(most, memory())), 20);
          const started = performance.now();
          // Each row has its former and its new key in the log.
          await db.query('update t set id = -id');
          await until(async () => (await logged()) === 2 * rows, {
            what: 'all keys in the log',
            timeoutMs: 150_000,
          });
          seconds = (performance.now() - started) / 1000;
          clearInterval(watch);
          stop.abort();
        },
      },
    ),
  );
  expect(stopped).toMatchObject({ code: 'interrupted' });
  await annotate(`${rows} rows in ${seconds.toFixed(1)} s, ${Math.round(most - before)} MB more than before`);
  expect(most - before).toBeLessThan(boundMb);
  await abort({ connection: { url: db.url } }, 1);
});
