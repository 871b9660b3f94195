/**
 * What others may do to the table while it is being migrated (invariant 12), and who may stand in the way. Each test holds
 * the run at the point where it matters, through an event.
 */
import { describe, expect, test } from 'vitest';
import { status, type MigrationEvent, type Phase } from '../../src/index.js';
import { startEmbeddedServer } from '../../src/lab/embedded-server.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { captureUnderTest, completeChange, failure, runChange } from '../support/migration.js';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

// Wide rows: several chunks, so that what happens after the first of them happens in the middle of the copy.
const setup = `create table t (id int primary key, v text, n int not null, pad text default repeat('x', 700));
  create index t_n on t (n);
  alter table t cluster on t_n;
  insert into t (id, v, n) select i, 'v' || i, i from generate_series(1, 20000) i`;
const change = { table: 't', alter: ['ALTER COLUMN id TYPE bigint'] };

/** Does something to the table in the middle of a phase, and lets the run go on when it is done. */
async function runMeanwhile(
  db: TestDatabase,
  when: (event: MigrationEvent) => boolean,
  sql: string,
): Promise<Awaited<ReturnType<typeof runChange>>> {
  const client = await db.connect();
  const done: Promise<unknown>[] = [];
  try {
    return await runChange(db, change, {
      settings: { workers: 1, chunkTimeMs: 10 },
      onEvent: (event) => {
        if (done.length === 0 && when(event)) done.push(client.query(sql));
      },
    });
  } finally {
    expect(await Promise.all(done)).toHaveLength(1);
  }
}

const firstChunk = (event: MigrationEvent): boolean => event.event === 'copy:progress';
const endOf =
  (phase: Phase) =>
  (event: MigrationEvent): boolean =>
    event.event === 'phase:done' && event.phase === phase;

async function contents(db: TestDatabase): Promise<unknown> {
  const { rows } = await db.query(
    `select count(*)::int as n, coalesce(sum(n), 0)::int as total, max(v) as v from t`,
  );
  return rows[0];
}

describe('the rows move to another file', () => {
  test.each([
    { name: 'VACUUM FULL during the copy', when: firstChunk, sql: 'vacuum full t' },
    { name: 'CLUSTER during the copy', when: firstChunk, sql: 'cluster t using t_n' },
    { name: 'VACUUM FULL after the copy', when: endOf('copy'), sql: 'vacuum full t' },
    {
      name: 'TRUNCATE during the copy',
      when: firstChunk,
      sql: `truncate t; insert into t values (1, 'again', 5)`,
    },
    {
      name: 'TRUNCATE before the indexes',
      when: endOf('purge'),
      sql: `truncate t; insert into t values (1, 'again', 5)`,
    },
    {
      name: 'TRUNCATE before the cutover',
      when: endOf('settle'),
      sql: `truncate t; insert into t values (1, 'again', 5)`,
    },
    { name: 'REINDEX during the copy', when: firstChunk, sql: 'reindex table t' },
    { name: 'ANALYZE during the copy', when: firstChunk, sql: 'analyze t' },
  ])('$name', async ({ when, sql }) => {
    // Every other row is gone: whatever writes the table anew moves the others into blocks that are copied already.
    await using db = await createDatabase(`${setup}; delete from t where id % 2 = 0`);
    await runMeanwhile(db, when, sql);
    const expected = sql.startsWith('truncate')
      ? { n: 1, total: 5, v: 'again' }
      : { n: 10000, total: 100000000, v: 'v9999' };
    expect(await contents(db)).toEqual(expected);
    const { rows } = await db.query(
      `select format_type(atttypid, atttypmod) as type from pg_attribute where attrelid = 't'::regclass and attname = 'id'`,
    );
    expect(rows).toEqual([{ type: 'bigint' }]);
  });
});

describe('the definition changes', () => {
  test.each([
    {
      name: 'a column added during the copy',
      when: firstChunk,
      sql: 'alter table t add column late int',
      code: 'source-changed',
      says: /late/,
    },
    {
      name: 'a column renamed before the cutover',
      when: endOf('settle'),
      sql: 'alter table t rename column v to w',
      code: 'source-changed',
      says: /column v is gone/,
    },
    {
      name: 'a column retyped after the copy',
      when: endOf('copy'),
      sql: 'alter table t alter column n type bigint',
      code: 'source-changed',
      says: /column n: type: was integer, is bigint/,
    },
    {
      name: 'the key dropped after the indexes',
      when: endOf('index'),
      sql: 'alter table t drop constraint t_pkey',
      code: 'source-changed',
      says: /no primary key and no unique index/,
    },
    {
      name: 'a materialized view created during the copy',
      when: firstChunk,
      sql: 'create materialized view late_view as select id from t',
      code: 'source-changed',
      says: /late_view: it would go on reading the old table/,
    },
    {
      name: 'a child that inherits, before the cutover',
      when: endOf('settle'),
      sql: 'create table late_child () inherits (t)',
      code: 'source-changed',
      says: /late_child: it would go on inheriting/,
    },
    {
      name: 'capture disabled and enabled again',
      when: firstChunk,
      sql:
        captureUnderTest === 'triggers'
          ? 'alter table t disable trigger all; alter table t enable always trigger ghost_capture_1'
          : 'alter publication ghost_capture_1 drop table t; alter publication ghost_capture_1 add table t',
      code: 'capture-interrupted',
      says: /capture/,
    },
    {
      name: 'capture dropped',
      when: endOf('copy'),
      sql:
        captureUnderTest === 'triggers'
          ? 'drop trigger ghost_capture_1 on t'
          : 'drop publication ghost_capture_1',
      code: 'capture-interrupted',
      says: /capture/,
    },
    {
      name: 'an index of the shadow dropped',
      when: endOf('settle'),
      sql: 'drop index ghost_new_1.t_n',
      code: 'shadow-incomplete',
      says: /t_n/,
    },
    {
      name: 'a column of the shadow given another default',
      when: endOf('settle'),
      sql: 'alter table ghost_new_1.t alter column n set default 7',
      code: 'shadow-incomplete',
      says: /"n".*default/,
    },
    {
      name: 'the table dropped',
      when: endOf('index'),
      sql: 'drop table t',
      code: 'table-gone',
      says: /dropped/,
    },
  ])('$name stops the migration', async ({ when, sql, code, says }) => {
    await using db = await createDatabase(setup);
    const error = await failure(runMeanwhile(db, when, sql));
    expect(error).toMatchObject({ code, exitCode: 1 });
    expect(error.message).toMatch(says);
    const [stopped] = await status({ connection: { url: db.url } }, 1);
    expect(stopped?.error).toMatchObject({ code });
    const { rows } = await db.query(
      `select 1 from pg_class where relname = 't' and relnamespace = 'ghost_old_1'::regnamespace`,
    );
    expect(rows).toEqual([]);
  });
});

describe('somebody is in the way', () => {
  test('a lock that is never free: exit 5, named blocker, still in sync, and later it works', async () => {
    await using db = await createDatabase(setup);
    const blocker = await db.connect();
    await blocker.query('begin; select count(*) from t');
    const settings = { cutoverDeadlineMs: 1_500, lockTimeoutMs: 100 };
    const error = await failure(runChange(db, change, { settings }));
    expect(error).toMatchObject({ code: 'cutover-not-obtained', exitCode: 5 });
    const details = error['details'] as { blockers: { lockModes: string[] }[] };
    expect(details.blockers.map((each) => each.lockModes)).toContainEqual(['ACCESS SHARE']);
    await blocker.query('rollback');
    await db.query(`update t set v = 'later' where id = 7`);
    const { result } = await completeChange(db, change);
    expect(result.id).toBe(1);
    expect((await db.query(`select v from t where id = 7`)).rows).toEqual([{ v: 'later' }]);
  });

  test('while it waits, the application waits no longer than the lock timeout', async () => {
    await using db = await createDatabase(setup);
    const blocker = await db.connect();
    const app = await db.connect();
    await blocker.query('begin; select count(*) from t');
    const stop = new AbortController();
    let longest = 0;
    const application = (async () => {
      while (!stop.signal.aborted) {
        const started = performance.now();
        await app.query('select v from t where id = 5');
        longest = Math.max(longest, performance.now() - started);
      }
    })();
    await failure(runChange(db, change, { settings: { cutoverDeadlineMs: 2_000, lockTimeoutMs: 50 } }));
    stop.abort();
    await application;
    await blocker.query('rollback');
    // The lock timeout, and what a busy machine adds to any query.
    expect(longest).toBeLessThan(500);
  });

  test('a swap that takes longer than its budget is rolled back and tried again', async () => {
    await using db = await createDatabase(setup);
    const misses: string[] = [];
    const error = await failure(
      runChange(db, change, {
        settings: { cutoverDeadlineMs: 1_000, maxHoldMs: 1 },
        onEvent: (event) => {
          if (event.event === 'cutover:missed') misses.push(event.why);
        },
      }),
    );
    expect(error).toMatchObject({
      code: 'cutover-not-obtained',
      exitCode: 5,
      hint: expect.stringMatching(/rolled back after \d+ ms with --max-hold 1: .* with --max-hold 2 or more/),
    });
    expect(misses).toContain('hold');
    expect((await db.query(`select count(*)::int as n from t`)).rows).toEqual([{ n: 20000 }]);
    await completeChange(db, change);
  });

  test('writers that never let capture in: nothing is left behind', async () => {
    await using db = await createDatabase(setup);
    const writer = await db.connect();
    await writer.query('begin; update t set n = 0 where id = 1');
    const error = await failure(
      runChange(db, change, { settings: { cutoverDeadlineMs: 1_000, lockTimeoutMs: 50 } }),
    );
    expect(error).toMatchObject({
      code: captureUnderTest === 'triggers' ? 'lock-not-obtained' : 'slot-not-created',
      exitCode: 1,
    });
    await writer.query('rollback');
    const { rows } = await db.query(`select nspname from pg_namespace where nspname like 'ghost%'`);
    expect(rows).toEqual([]);
  });

  test.each([
    { name: 'the run goes on by itself', retryForMs: 60_000 },
    { name: 'or, without retries, ends, and the same command continues', retryForMs: 0 },
  ])('all backends ended in the middle of the copy: $name', async ({ retryForMs }) => {
    await using db = await createDatabase(setup);
    let killed = 0;
    const run = completeChange(db, change, {
      settings: { retryForMs },
      onPoint: async (point) => {
        // Copied and not committed.
        if (point !== 'chunk-read' || (killed += 1) > 1) return;
        await db.query(
          `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name like 'pg-ghost%'`,
        );
      },
    });
    if (retryForMs === 0) {
      expect(await failure(run)).toMatchObject({ exitCode: 1, code: 'connection-lost' });
      expect((await completeChange(db, change)).result).toMatchObject({ id: 1, rows: 20000 });
    } else {
      const { result, events } = await run;
      expect(result).toMatchObject({ id: 1, rows: 20000 });
      expect(events.filter(({ event }) => event.startsWith('run:')).map(({ event }) => event)).toEqual([
        'run:retrying',
        'run:resumed',
      ]);
    }
    expect(await contents(db)).toEqual({ n: 20000, total: 200010000, v: 'v9999' });
  });
});

describe('the server or the database cannot take it', () => {
  test('names of the new table that others have already', async () => {
    await using db = await createDatabase(`${setup}; create table t_v_key (x int)`);
    const error = await failure(runChange(db, { table: 't', alter: ['ADD CONSTRAINT t_v_key UNIQUE (v)'] }));
    expect(error).toMatchObject({ exitCode: 3 });
    expect(error.message).toContain('t_v_key');
  });

  test('a schema "ghost" that is not ours', async () => {
    await using db = await createDatabase(`${setup}; create schema ghost; create table ghost.mine (x int)`);
    const error = await failure(runChange(db, change));
    expect(error).toMatchObject({ code: 'state-schema-taken', exitCode: 3 });
    expect((await db.query('select * from ghost.mine')).rows).toEqual([]);
  });

  test('a standby', async () => {
    await using server = await startEmbeddedServer({ settings: { fsync: 'off' } });
    await writeFile(join(server.dataDirectory, 'standby.signal'), '');
    await server.restart();
    const db = { url: server.url() } as TestDatabase;
    const error = await failure(runChange(db, { table: 'pg_class', rewrite: true }));
    expect(error).toMatchObject({ exitCode: 3 });
    expect(error.message).toMatch(/standby/);
  });
});
