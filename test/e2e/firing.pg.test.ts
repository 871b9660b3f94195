/** Triggers and rules fire for what the application writes, once each, and for nothing else. */
import { expect, test } from 'vitest';
import { createDatabase } from '../support/database.js';
import { completeChange, runChange } from '../support/migration.js';

test('triggers fire for neither copy nor apply, and for the first write after the swap', async () => {
  await using db = await createDatabase(`
    create table fired (name text, op text, id bigint);
    create function fire() returns trigger language plpgsql as $$
      begin insert into public.fired values (tg_name, tg_op, (to_jsonb(new) ->> 'id')::bigint); return new; end $$;
    create table t (id integer primary key, v text, pad text default repeat('x', 500));
    insert into t (id, v) select i, 'v' from generate_series(1, 10000) as i;
    create trigger a_before before insert or update on t for each row execute function fire();
    create trigger b_after after insert or update on t for each row execute function fire();
    create trigger c_always after insert or update on t for each row execute function fire();
    create trigger d_disabled after insert or update on t for each row execute function fire();
    create constraint trigger e_constraint after insert or update on t deferrable initially deferred for each row execute function fire();
    alter table t enable always trigger c_always, disable trigger d_disabled;`);
  const writer = await db.connect();
  const stop = new AbortController();
  let writes = 0;
  const writing = (async () => {
    while (!stop.signal.aborted) {
      writes += 1;
      await writer.query(`update t set v = 'w${writes}' where id = ${1 + (writes % 9000)}`);
    }
  })();
  try {
    await completeChange(
      db,
      { table: 't', alter: ['ALTER COLUMN id TYPE bigint'] },
      { settings: { chunkTimeMs: 10 } },
    );
  } finally {
    stop.abort();
    await writing;
  }
  await writer.query(`insert into t (id, v) values (3000000000, 'first')`);
  const { rows } = await db.query<{ name: string; n: number }>(
    `select name, count(*)::int as n from fired group by name order by name`,
  );
  const expected = writes + 1;
  expect(rows).toEqual(
    ['a_before', 'b_after', 'c_always', 'e_constraint'].map((name) => ({ name, n: expected })),
  );
});

test('the old table keeps nobody from deleting what it referenced', async () => {
  await using db = await createDatabase(`
    create table parent (id integer primary key);
    create table t (id integer primary key, parent_id integer references parent);
    insert into parent values (1), (2);
    insert into t values (1, 1);`);
  await runChange(db, { table: 't', rewrite: true });
  await db.query('delete from t; delete from parent where id = 1');
  await expect(db.query('insert into t values (2, 1)')).rejects.toMatchObject({ code: '23503' });
  const { rows } = await db.query(
    `select convalidated as valid, conrelid::regclass::text as on from pg_constraint where contype = 'f' and confrelid = 'parent'::regclass`,
  );
  expect(rows).toEqual([{ valid: true, on: 't' }]);
});
