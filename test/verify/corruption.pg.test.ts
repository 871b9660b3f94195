/**
 * The shadow is corrupted in each way that there is, behind the back of the run: it must come out, name the key and both values,
 * end with exit 4, and nothing may be swapped (invariant 10).
 */
import { describe, expect, test } from 'vitest';
import { abort, DifferentError, status } from '../../src/index.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { completeChange, failure, runChange, type ChangeInput } from '../support/migration.js';

const setup = `
  create table t (id int primary key, v text, n numeric, at timestamptz default '2026-01-01', pad text default repeat('x', 300));
  create index on t (n);
  insert into t (id, v, n) select i * 2, 'v' || i, i / 4.0 from generate_series(1, 20000) as i`;
const change = { table: 't', alter: ['ALTER COLUMN id TYPE bigint'] };
/** The order of `integer` and of `text` is not the same: rows are looked up instead. */
const unordered = { table: 't', alter: ['ALTER COLUMN id TYPE text'] };

async function corrupted(
  db: TestDatabase,
  what: ChangeInput,
  sql: string,
): Promise<Error & Record<string, unknown>> {
  return await failure(
    runChange(db, what, {
      settings: { chunkTimeMs: 20 },
      onPoint: async (point) => {
        if (point === 'settled') await db.query(sql);
      },
    }),
  );
}

describe.each([
  { order: 'ordered alike', what: change, id: 'bigint' },
  { order: 'not ordered alike', what: unordered, id: 'text' },
])('$order', ({ what, id }) => {
  const key = (value: number): string => `'${value}'::${id}`;
  test.each([
    {
      name: 'a value',
      sql: `update ghost_new_1.t set v = 'wrong' where id = ${key(8000)}`,
      found: [{ kind: 'different', key: ['8000'] }],
      says: /id=8000: v is 'wrong', must be 'v4000'/,
    },
    {
      name: 'a value that is equal, but not the same',
      sql: `update ghost_new_1.t set n = 1000.00 where id = ${key(8000)}`,
      found: [{ kind: 'different', key: ['8000'] }],
      says: /id=8000: n is '1000.00', must be '1000.0000000000000000'/,
    },
    {
      name: 'a value that is gone',
      sql: `update ghost_new_1.t set v = null where id = ${key(2)}`,
      found: [{ kind: 'different', key: ['2'] }],
      says: /v is NULL, must be 'v1'/,
    },
    {
      name: 'a missing row, and the last one',
      sql: `delete from ghost_new_1.t where id in (${key(30)}, ${key(40000)})`,
      found: [
        { kind: 'missing', key: ['30'] },
        { kind: 'missing', key: ['40000'] },
      ],
      says: /id=30: missing/,
    },
    {
      name: 'an extra row between the others, before and behind them',
      sql: `insert into ghost_new_1.t (id, v) select i::text::${id}, 'extra' from unnest('{-5,33,99999}'::int[]) as i`,
      found: ['-5', '33', '99999'].map((value) => ({ kind: 'extra', key: [value] })),
      says: /id=33: only in/,
    },
    {
      name: 'a swapped pair',
      sql: `update ghost_new_1.t set v = case id when ${key(10)} then 'v6' else 'v5' end where id in (${key(10)}, ${key(12)})`,
      found: [
        { kind: 'different', key: ['10'] },
        { kind: 'different', key: ['12'] },
      ],
      says: /id=12: v is 'v5', must be 'v6'/,
    },
    {
      name: 'more than can be named',
      sql: `delete from ghost_new_1.t where v like '%7'`,
      found: null,
      says: /the first 20 of them/,
    },
  ])('$name', async ({ sql, found, says }) => {
    await using db = await createDatabase(setup);
    const error = await corrupted(db, what, sql);
    expect(error).toBeInstanceOf(DifferentError);
    expect(error).toMatchObject({ code: 'differences', exitCode: 4 });
    expect(error.message).toMatch(says);
    const { differences } = error['details'] as { differences: { kind: string; key: string[] }[] };
    const sorted = differences.toSorted((a, b) => Number(a.key[0]) - Number(b.key[0]));
    if (found === null) expect(differences).toHaveLength(20);
    else expect(sorted).toMatchObject(found);
    const [stopped] = await status({ connection: { url: db.url } }, 1);
    expect(stopped).toMatchObject({ phase: 'verify', old: null, error: { code: 'differences' } });
    const { rows } = await db.query(
      `select format_type(atttypid, -1) as type from pg_attribute where attrelid = 't'::regclass and attname = 'id'`,
    );
    expect(rows).toEqual([{ type: 'integer' }]);
    await abort({ connection: { url: db.url } }, 1);
  });

  test('nothing is wrong: nothing is found', async () => {
    await using db = await createDatabase(setup);
    const { events } = await completeChange(db, what, { settings: { chunkTimeMs: 20 } });
    expect(events.find(({ event }) => event === 'verify:done')).toMatchObject({
      rows: 20000,
      differences: 0,
      mode: 'full',
    });
  });
});

test('an extra row whose key is no number at all', async () => {
  await using db = await createDatabase(setup);
  const error = await corrupted(
    db,
    unordered,
    `insert into ghost_new_1.t (id, v) values ('what?', 'x'), ('7', 'y')`,
  );
  expect(error).toMatchObject({ code: 'differences' });
  const { differences } = error['details'] as { differences: unknown[] };
  expect(differences).toHaveLength(2);
  expect(differences).toMatchObject(
    expect.arrayContaining([expect.objectContaining({ kind: 'extra', key: ['what?'] })]),
  );
});

test('off compares nothing, and says so; a sample is a part', async () => {
  await using db = await createDatabase(setup);
  const { events } = await completeChange(db, change, { settings: { verify: 'off' } });
  expect(events.find(({ event }) => event === 'warning')).toMatchObject({ code: 'not-verified' });
  const again = await completeChange(
    db,
    { table: 't', rewrite: true },
    { settings: { verify: 'sample', chunkTimeMs: 10 } },
  );
  const done = again.events.find(({ event }) => event === 'verify:done');
  expect(done).toMatchObject({ mode: 'sample', differences: 0 });
  expect((done as unknown as { rows: number }).rows).toBeLessThan(15000);
});
