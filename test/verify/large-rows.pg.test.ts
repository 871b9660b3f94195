/** Rows that are larger than anything that PostgreSQL keeps in one piece, and rows that cannot be compared at all. */
import { expect, test } from 'vitest';
import { createDatabase } from '../support/database.js';
import { completeChange, failure, runChange } from '../support/migration.js';

test('a row of more than 1 GB is copied and compared', { timeout: 180_000 }, async () => {
  await using db = await createDatabase(
    `create table t (id int primary key, a text, b text, c text); insert into t select i, 'a', 'b', 'c' from generate_series(1, 300) as i`,
  );
  // Compressed once, and never more than one of them in memory.
  await db.query(`update t set a = repeat('a', 360000000) where id = 7`);
  await db.query('update t set b = a, c = a where id = 7');
  const { events } = await completeChange(db, { table: 't', alter: ['ALTER COLUMN id TYPE bigint'] });
  expect(events.find(({ event }) => event === 'verify:done')).toMatchObject({ rows: 300, differences: 0 });
});

test('a difference in a large value is named without its text', async () => {
  await using db = await createDatabase(
    `create table t (id int primary key, a text, b bytea); alter table t alter a set storage external, alter b set storage external;
     insert into t select i, repeat('a', 200000), decode(repeat('ab', 200000), 'hex') from generate_series(1, 3) as i`,
  );
  const error = await failure(
    runChange(
      db,
      { table: 't', alter: ['ALTER COLUMN id TYPE bigint'] },
      {
        onPoint: async (point) => {
          if (point === 'settled')
            await db.query(`update ghost_new_1.t set a = a || 'x', b = b || '\\x00' where id = 2`);
        },
      },
    ),
  );
  expect(error).toMatchObject({ code: 'differences' });
  expect(error.message).toMatch(
    /id=2: a is '\(a large value with the hash [0-9a-f]+\)', must be '\(a large value with the hash [0-9a-f]+\)'; b is '\(a large/,
  );
});

const refusing = `
  create table t (id int primary key, v text);
  insert into t select i, 'v' || i from generate_series(1, 3000) as i;
  create function shape(id int, v text) returns text language plpgsql immutable as $$
  begin
    if id = 777 and current_setting('application_name') like '%verify%' then
      raise exception 'no' using errcode = 'program_limit_exceeded';
    end if;
    return v;
  end $$`;

test.each(['bigint', 'text'])(
  'a row that cannot be compared is named, where the key becomes %s',
  async (type) => {
    await using db = await createDatabase(refusing);
    const error = await failure(
      runChange(db, {
        table: 't',
        alter: [`ALTER COLUMN id TYPE ${type}`],
        set: [{ column: 'v', expression: 'shape(id, v)' }],
      }),
    );
    expect(error).toMatchObject({
      code: 'row-not-comparable',
      details: { key: 'id=777', sqlState: '54000' },
    });
  },
);

test('a row whose new value would be too large is named, in the copy and afterwards', async () => {
  await using db = await createDatabase(
    `create table t (id int primary key, n int); insert into t select i, 10 from generate_series(1, 3000) as i; update t set n = 2000000000 where id = 5`,
  );
  const change = { table: 't', alter: [`ALTER COLUMN n TYPE text USING repeat('long', n)`] };
  expect(await failure(runChange(db, change))).toMatchObject({
    code: 'row-does-not-fit',
    details: { keys: ['id=5'], reason: 'limit', sqlState: '54000' },
  });
  await db.query('update t set n = 10 where id = 5');
  const error = await failure(
    runChange(db, change, {
      onPoint: async (point) => {
        if (point === 'caught-up') await db.query('update t set n = 2000000000 where id = 6');
      },
    }),
  );
  expect(error).toMatchObject({ code: 'row-does-not-fit', details: { keys: ['id=6'], reason: 'limit' } });
});
