/** `verify ID` at any time before finalize: while nobody runs the migration, while somebody does, and after the swap. */
import { describe, expect, test } from 'vitest';
import { abort, finalize, verify, type VerifyReport } from '../../src/index.js';
import { differences } from '../../src/lab/proof.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { failure, runChange, stopAtPoint } from '../support/migration.js';
import { fillStatement, runWriter, workloadSetup } from '../support/workload.js';

const setup = `create table t (id int primary key, v text, n numeric);
  insert into t select i, 'v' || i, i from generate_series(1, 5000) as i`;
const change = { table: 't', alter: ['ALTER COLUMN id TYPE bigint'] };

test('a migration that nobody runs: what is in the log is left out, what is wrong is found', async () => {
  await using db = await createDatabase(setup);
  const connection = { url: db.url };
  await stopAtPoint(db, change, 'copied');
  expect(await failure(verify({ connection }, 1))).toMatchObject({ code: 'not-comparable', exitCode: 3 });
  await stopAtPoint(db, change, 'settled');
  await db.query(
    `update t set v = 'later' where id < 100; delete from t where id = 200; insert into t values (9999, 'new', 1)`,
  );
  expect(await verify({ connection }, 1)).toMatchObject({
    rows: 4900,
    differences: 0,
    comparedWith: 'public.t',
  });
  await db.query(`update ghost_new_1.t set n = -1 where id = 500`);
  expect(await failure(verify({ connection }, 1))).toMatchObject({ code: 'differences', exitCode: 4 });
  await db.query(`truncate t`);
  expect(await failure(verify({ connection }, 1))).toMatchObject({ code: 'not-comparable' });
});

test('after the swap the new table is compared with the old one, without what was written since', async () => {
  await using db = await createDatabase(setup);
  const connection = { url: db.url };
  // A transaction that has an id from before the swap, and writes to the table after it.
  const early = await db.connect();
  await runChange(db, change, {
    onPoint: async (point) => {
      if (point === 'verified') await early.query('begin; select pg_current_xact_id()');
    },
  });
  await early.query(`update t set v = 'early' where id = 77; commit`);
  await db.query(`update t set v = 'since' where id < 50; insert into t values (10000, 'since', 1)`);
  expect(await verify({ connection }, 1)).toMatchObject({
    rows: 5000 - 49 - 1,
    differences: 0,
    comparedWith: 'ghost_old_1.t',
  });
  await db.query(
    `update ghost_old_1.t set v = 'wrong' where id = 3000; delete from ghost_old_1.t where id = 3001`,
  );
  const error = await failure(verify({ connection }, 1));
  expect(error).toMatchObject({ code: 'differences' });
  expect(error.message).toMatch(/id=3000: v is 'v3000', must be 'wrong'/);
  expect(error.message).toMatch(/id=3001: only in/);
  await finalize({ connection }, 1);
  expect(await failure(verify({ connection }, 1))).toMatchObject({ code: 'not-comparable' });
});

describe('what happens to the tables meanwhile', () => {
  const slow = {
    table: 't',
    alter: ['ALTER COLUMN id TYPE bigint', 'ALTER COLUMN v TYPE text USING slowly(v)'],
  };
  const setupSlow = `create function slowly(text) returns text language plpgsql immutable
      as 'begin if right($1, 1) = ''7'' then perform pg_sleep(0.001); end if; return $1; end';
    create table t (id int primary key, v text, n numeric);
    insert into t select i, 'v' || i, i from generate_series(1, 6000) as i`;

  interface Running {
    readonly report: Promise<VerifyReport>;
  }

  /** Resolves when it has compared something, and goes on. */
  async function begin(db: TestDatabase): Promise<Running> {
    return await new Promise((resolve) => {
      const report = verify(
        {
          connection: { url: db.url },
          settings: { chunkTimeMs: 10, workers: 1 },
          onEvent: ({ event }) => {
            if (event === 'verify:progress') resolve({ report });
          },
        },
        1,
      );
      report.catch(() => {});
    });
  }

  test('they are swapped', async () => {
    await using db = await createDatabase(setupSlow);
    let running: Running | null = null;
    await runChange(db, slow, {
      onPoint: async (point) => {
        if (point === 'verified') running = await begin(db);
      },
    });
    expect(await (running as Running | null)?.report).toMatchObject({
      differences: 0,
      rows: 6000,
      comparedWith: 'ghost_old_1.t',
    });
  });

  test('finalized', async () => {
    await using db = await createDatabase(setupSlow);
    await runChange(db, slow);
    const { report } = await begin(db);
    await finalize({ connection: { url: db.url } }, 1);
    expect(await failure(report)).toMatchObject({ code: 'not-comparable' });
  });

  test('aborted', async () => {
    await using db = await createDatabase(setupSlow);
    await stopAtPoint(db, slow, 'settled');
    const { report } = await begin(db);
    await abort({ connection: { url: db.url } }, 1);
    expect(await failure(report)).toMatchObject({ code: 'not-comparable' });
  });
});

test('a busy table gives no false alarm, in the run or beside it', async () => {
  await using db = await createDatabase(`${workloadSetup} ${fillStatement(2)}`);
  const stop = new AbortController();
  const work = Promise.all([0, 1].map((writer) => runWriter(db, writer, 4711, stop.signal)));
  const beside: unknown[] = [];
  try {
    await runChange(
      db,
      { table: 'orders', alter: ['ALTER COLUMN id TYPE bigint'] },
      {
        settings: { chunkTimeMs: 10 },
        onPoint: async (point) => {
          if (point !== 'settled' && point !== 'verified') return;
          for (let round = 0; round < 3; round += 1) {
            beside.push(await verify({ connection: { url: db.url }, settings: { chunkTimeMs: 10 } }, 1));
          }
        },
      },
    );
  } finally {
    stop.abort();
  }
  const reports = await work;
  expect(reports.flatMap(({ errors }) => errors)).toEqual([]);
  expect(beside).toHaveLength(6);
  expect(beside).toMatchObject(Array.from({ length: 6 }, () => ({ differences: 0 })));
  const client = await db.connect();
  expect(
    await differences(
      client,
      'select * from orders',
      'select id::bigint, code, slot, total, note from mirror',
    ),
  ).toEqual([]);
});
