/** Several relations under one try: in order, all or nothing, and whoever is in the way is named. */
import { describe, expect, test } from 'vitest';
import { Session } from '../../src/db/session.js';
import { LockNotObtained } from '../../src/locks/attempts.js';
import { underLock } from '../../src/locks/locked-transaction.js';
import type { LockStep } from '../../src/locks/lock-request.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { failure } from '../support/migration.js';

const setup = `create table t (id integer primary key, n integer);
  create table child (t_id integer references t);
  create view v as select id from t;
  insert into t select i, i from generate_series(1, 10) as i`;

interface Scene extends AsyncDisposable {
  readonly run: (
    deadlineMs: number,
    statements?: readonly string[],
  ) => Promise<{ holdMs: number; attempts: number }>;
}

async function scene(db: TestDatabase): Promise<Scene> {
  const session = await Session.open({ connection: { url: db.url } });
  const watcher = await Session.open({ connection: { url: db.url } });
  const oids = await watcher.row<{ t: number; child: number; v: number }>(
    `select 't'::regclass::oid as t, 'child'::regclass::oid as child, 'v'::regclass::oid as v`,
  );
  const { owner } = await watcher.row<{ owner: string }>(`select quote_ident(current_user) as owner`);
  const before: LockStep[] = [
    { kind: 'statement', oid: oids.v, statement: `alter view public.v owner to ${owner}` },
    { kind: 'table', oid: oids.child, table: 'public.child', mode: 'ACCESS EXCLUSIVE' },
  ];
  return {
    run: (deadlineMs, statements = []) =>
      underLock({
        session,
        watcher,
        request: { table: 'public.t', tableOid: oids.t, mode: 'ACCESS EXCLUSIVE', before },
        limits: { lockTimeoutMs: 100, maxHoldMs: 2_000, deadlineMs },
        work: async () => {
          const { rows } = await db.query(
            `select relation::regclass::text as name from pg_locks where mode = 'AccessExclusiveLock' and granted
               and relation in ('t'::regclass, 'child'::regclass, 'v'::regclass) and database = (select oid from pg_database where datname = current_database()) order by 1`,
          );
          return { value: rows.map(({ name }) => String(name)), last: statements };
        },
      }),
    async [Symbol.asyncDispose]() {
      await Promise.all([session.close(), watcher.close()]);
    },
  };
}

describe('a lock set', () => {
  test('is held as a whole', async () => {
    await using db = await createDatabase(setup);
    await using lock = await scene(db);
    expect(await lock.run(5_000)).toMatchObject({ attempts: 1, value: ['child', 't', 'v'] });
  });

  test.each([
    ['a reader of the view', 'select * from v'],
    ['a writer of the referencing table', 'insert into child values (1)'],
    ['a reader of the table', 'select * from t'],
  ])('%s keeps it away, and is named', async (_, statement) => {
    await using db = await createDatabase(setup);
    await using lock = await scene(db);
    const other = await db.connect();
    await other.query(`begin; ${statement}`);
    const { rows } = await other.query<{ pid: number }>('select pg_backend_pid() as pid');
    const error = await failure(lock.run(1_000));
    expect(error).toBeInstanceOf(LockNotObtained);
    expect((error as unknown as LockNotObtained).miss).toMatchObject({
      why: 'lock',
      blockers: [{ pid: rows[0]?.pid }],
    });
    await other.query('commit');
    expect(await lock.run(5_000)).toMatchObject({ value: ['child', 't', 'v'] });
  });

  test('readers of the view and writers of both tables never see an error', async () => {
    await using db = await createDatabase(setup);
    await using lock = await scene(db);
    const stop = new AbortController();
    const application = [
      'select count(*) from v',
      'insert into child values (1 + random() * 8)',
      'update t set n = n + 1 where id = 10',
    ].map(async (statement) => {
      const client = await db.connect();
      while (!stop.signal.aborted) await client.query(statement);
    });
    try {
      for (let swap = 0; swap < 10; swap += 1)
        await lock.run(20_000, ['alter table t alter column n set default 1']);
    } finally {
      stop.abort();
      await Promise.all(application);
    }
    expect((await db.query('select count(*)::int as n from v')).rows).toEqual([{ n: 10 }]);
  });
});
