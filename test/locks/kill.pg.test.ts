/** Ending who is in the way: on request only, the gentle way first, and never somebody who must not be ended. */
import { expect, test } from 'vitest';
import { createDatabase } from '../support/database.js';
import { failure } from '../support/migration.js';
import { openScene, otherSession, setup } from './scene.js';

const killBlockers = { afterMs: 300 };

test('nobody is ended unless asked for', async () => {
  await using db = await createDatabase(setup);
  await using scene = await openScene(db);
  const other = await otherSession(db, 'begin; select * from t');
  await failure(scene.ask({ limits: { deadlineMs: 800, oldTransactionMs: 100 } }));
  expect(scene.kills).toEqual([]);
  expect((await other.client.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
});

test('one that is idle in its transaction is terminated', async () => {
  await using db = await createDatabase(setup);
  await using scene = await openScene(db);
  const other = await otherSession(db, 'begin; update t set n = 0');
  // As old as it is, no try is made before it is gone.
  await scene.ask({ killBlockers, limits: { oldTransactionMs: 0 } });
  expect(scene.kills).toMatchObject([
    { pid: other.pid, how: 'terminated', blocker: { pid: other.pid, lockModes: ['ROW EXCLUSIVE'] } },
  ]);
  expect(scene.kills[0]?.why).toMatch(/^idle in transaction, in the way for \d\.\d s$/);
  expect(scene.misses.every(({ tried }) => !tried)).toBe(true);
  await failure(other.client.query('select 1'));
});

test('one that works is cancelled, which is enough for most', async () => {
  await using db = await createDatabase(setup);
  await using scene = await openScene(db);
  const other = await otherSession(db, 'begin', { meanwhile: 'select pg_sleep(600) from t' });
  await scene.ask({ killBlockers });
  expect(scene.kills).toMatchObject([{ pid: other.pid, how: 'cancelled' }]);
  expect(await other.running).toMatchObject({ code: '57014' });
  await other.client.query('rollback');
  expect((await other.client.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
});

test('one that the cancel does not move is terminated', async () => {
  await using db = await createDatabase(setup);
  await using scene = await openScene(db);
  const other = await otherSession(db, 'begin; lock table t in row exclusive mode', {
    meanwhile: `do $$ begin loop begin perform pg_sleep(600); exception when query_canceled then null; end; end loop; end $$`,
  });
  await scene.ask({ killBlockers });
  expect(scene.kills).toMatchObject([
    { pid: other.pid, how: 'cancelled' },
    { pid: other.pid, how: 'terminated' },
  ]);
  expect(await other.running).toMatchObject({ code: '57P01' });
});

test('spared: prepared transactions, our own, superusers and others we have no right to', async () => {
  await using db = await createDatabase(setup);
  const [owner, stranger] = [await db.createRole('in role pg_read_all_stats'), await db.createRole()];
  await db.query(`alter table t owner to ${owner.name}; grant select on t to ${stranger.name}`);
  await using scene = await openScene(db, owner.url);
  const others = {
    prepared: await otherSession(
      db,
      `begin; update t set n = 0 where id = 1; prepare transaction 'gid of ${db.name}'`,
    ),
    ours: await otherSession(db, 'begin; select * from t', {
      url: owner.url,
      application: 'pg-ghost 7 copy',
    }),
    superuser: await otherSession(db, 'begin; select * from t'),
    stranger: await otherSession(db, 'begin; select * from t', { url: stranger.url }),
    same: await otherSession(db, 'begin; select * from t', { url: owner.url }),
  };
  await failure(scene.ask({ killBlockers, limits: { deadlineMs: 1_500 } }));
  const why = (pid: number): string[] =>
    scene.kills.filter((killed) => killed.pid === pid).map((killed) => `${killed.how}: ${killed.why}`);
  expect(why(0)).toEqual([expect.stringContaining(`spared: a prepared transaction has no session`)]);
  expect(why(others.ours.pid)).toEqual(['spared: a session of pg-ghost']);
  expect(why(others.superuser.pid)).toEqual([
    expect.stringMatching(/^spared: .* is a superuser and we are not$/),
  ]);
  expect(why(others.stranger.pid)).toEqual([
    `spared: that takes membership in ${stranger.name} or pg_signal_backend`,
  ]);
  expect(why(others.same.pid)).toEqual([expect.stringMatching(/^terminated: idle in transaction/)]);
  expect(scene.kills).toHaveLength(5);
  for (const { client } of [others.ours, others.superuser, others.stranger]) await client.query('select 1');
});

test('pg_signal_backend is right enough for a stranger, not for a superuser', async () => {
  await using db = await createDatabase(setup);
  const [owner, stranger] = [
    await db.createRole('in role pg_read_all_stats, pg_signal_backend'),
    await db.createRole(),
  ];
  await db.query(`alter table t owner to ${owner.name}; grant select on t to ${stranger.name}`);
  await using scene = await openScene(db, owner.url);
  const superuser = await otherSession(db, 'begin; select * from t');
  const other = await otherSession(db, 'begin; select * from t', { url: stranger.url });
  await failure(scene.ask({ killBlockers, limits: { deadlineMs: 1_000 } }));
  expect(new Map(scene.kills.map(({ pid, how }) => [pid, how]))).toEqual(
    new Map([
      [superuser.pid, 'spared'],
      [other.pid, 'terminated'],
    ]),
  );
});

test('a busy connection is in the way again and again, but none of its transactions for long', async () => {
  await using db = await createDatabase(setup);
  await using scene = await openScene(db);
  const stop = new AbortController();
  const clients = await Promise.all(Array.from({ length: 2 }, () => db.connect()));
  const working = clients.map(async (client) => {
    while (!stop.signal.aborted) await client.query('begin; select * from t; select pg_sleep(0.03); commit');
  });
  let looks = 0;
  await failure(
    scene.ask({
      // Only looks: never ready.
      ready: async () => {
        looks += 1;
        return 'not yet';
      },
      killBlockers,
      limits: { deadlineMs: 2_500 },
    }),
  );
  stop.abort();
  await Promise.all(working);
  expect(looks).toBeGreaterThan(3);
  expect(scene.kills).toEqual([]);
});
