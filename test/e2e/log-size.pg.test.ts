/** The log is bounded by the number of keys that were changed, not by the number of writes, and gives its disk back meanwhile. */
import { expect, test } from 'vitest';
import { createDatabase, until } from '../support/database.js';
import { runChange } from '../support/migration.js';

test('one row that is updated hundreds of thousands of times before anything can be applied is one entry', async () => {
  await using db =
    await createDatabase(`create table t (id int primary key, n int not null) with (fillfactor = 50);
    insert into t select i, 0 from generate_series(1, 1000) as i`);
  // Some 9 MB of entries; a segment is left at 8.
  const updates = 260_000;
  const inTheLog = async (): Promise<unknown> => {
    const { rows } = await db.query(`
      select pg_relation_size('ghost.log_1')::int as "firstSegment", pg_relation_size('ghost.log_b_1') > 0 as "inUse",
        (select count(*)::int from ghost.pending_1) as pending`);
    return rows[0];
  };
  let compacted = false;
  let held = false;
  let seen: unknown = null;
  await runChange(
    db,
    { table: 't', alter: ['ALTER COLUMN id TYPE bigint'] },
    {
      onPoint: async (point) => {
        if (point === 'log-compacted') compacted = true;
        if (point !== 'copied' || held) return;
        held = true;
        await db.query(`do $$ begin for i in 1..${updates} loop
          update t set n = n + 1 where id = 7;
          if i % 50 = 0 then commit; end if;
        end loop; end $$`);
        await until(() => compacted, { what: 'the first segment to be given back' });
        await db.query('update t set n = n where id = 7');
        seen = await inTheLog();
      },
    },
  );
  expect(seen).toEqual({ firstSegment: 0, inUse: true, pending: 1 });
  expect((await db.query('select n from t where id = 7')).rows).toEqual([{ n: updates }]);
}, 120_000);
