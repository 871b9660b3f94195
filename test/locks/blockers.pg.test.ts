/** Each kind of blocker: what the application felt, and what was reported. */
import { describe, expect, test } from 'vitest';
import { blockerLines } from '../../src/locks/describe-blockers.js';
import { summarizeLedger } from '../../src/locks/ledger.js';
import { LockNotObtained } from '../../src/locks/attempts.js';
import { createDatabase, type TestDatabase, until } from '../support/database.js';
import { failure } from '../support/migration.js';
import { application, openScene, otherSession, setup, type Other } from './scene.js';

/** More than a lock timeout, for a machine with two cores; far less than any of the blockers stays. */
const tolerableMs = 700;

interface Kind {
  readonly name: string;
  readonly modes: readonly string[];
  readonly state: string | null;
  readonly prepared?: true;
  readonly block: (db: TestDatabase) => Promise<Other>;
  readonly release: (db: TestDatabase, other: Other) => Promise<unknown>;
}

const commit: Kind['release'] = (_, { client }) => client.query('commit');

const kinds: Kind[] = [
  {
    name: 'idle in transaction',
    modes: ['ACCESS SHARE'],
    state: 'idle in transaction',
    block: (db) => otherSession(db, 'begin; select * from t'),
    release: commit,
  },
  {
    name: 'a long SELECT',
    modes: ['ACCESS SHARE'],
    state: 'active',
    block: (db) => otherSession(db, 'begin', { meanwhile: 'select pg_sleep(600) from t' }),
    release: async (db, { pid, running }) => {
      await db.query('select pg_cancel_backend($1)', [pid]);
      return running;
    },
  },
  {
    name: 'another DDL in a transaction',
    modes: ['SHARE'],
    state: 'idle in transaction',
    block: (db) => otherSession(db, 'begin; create index on t (n)'),
    release: commit,
  },
  {
    name: 'a prepared transaction',
    modes: ['ROW EXCLUSIVE'],
    state: null,
    prepared: true,
    block: (db) =>
      otherSession(db, `begin; update t set n = 0 where id = 1; prepare transaction 'gid of ${db.name}'`),
    release: (db) => db.query(`rollback prepared 'gid of ${db.name}'`),
  },
];

describe.each(kinds)('$name', ({ block, release, modes, state, prepared }) => {
  test('is waited for in short tries, then only looked at, and the lock is taken when it goes', async () => {
    await using db = await createDatabase(setup);
    await using scene = await openScene(db);
    const other = await block(db);
    await using app = await application(db);
    const asking = scene.ask({ limits: { oldTransactionMs: 1_500 } });
    await until(() => scene.misses.filter(({ tried }) => !tried).length >= 2, { what: 'two looks' });
    await release(db, other);
    const result = await asking;
    const { longestMs, errors } = await app.end();
    expect(errors).toEqual([]);
    expect(longestMs).toBeLessThan(tolerableMs);

    const tried = scene.misses.filter((miss) => miss.tried);
    const looked = scene.misses.filter((miss) => !miss.tried);
    const pid = prepared ? 0 : other.pid;
    expect(result.attempts).toBe(tried.length + 1);
    expect(tried.map(({ why }) => why)).toContain('lock');
    const blocker = expect.objectContaining({ pid, lockModes: modes, state }) as unknown;
    // The application's own queries may be seen, too.
    for (const miss of scene.misses) expect(miss.blockers).toEqual(expect.arrayContaining([blocker]));
    for (const miss of looked) {
      expect(miss).toMatchObject({ why: 'old-transaction', waitedMs: 0 });
      expect(miss.reason).toMatch(
        prepared ? /^prepared transaction gid of .* \d\.\d s$/ : /^pid \d+ has held .* \d\.\d s$/,
      );
    }
    expect(scene.ledger.at(-1)).toMatchObject({
      what: 'the test',
      table: 'public.t',
      oid: scene.oid,
      mode: 'ACCESS EXCLUSIVE',
      outcome: 'committed',
    });
    // One entry for each try that waited; those with NOWAIT did not.
    const waited = tried.filter((miss) => miss.try.lockTimeoutMs !== null);
    expect(scene.ledger.filter(({ outcome }) => outcome === 'missed')).toHaveLength(waited.length);
    expect(summarizeLedger(scene.ledger).tries).toBe(waited.length + 1);
  });

  test('is named when the deadline passes: how often it was there and for how long', async () => {
    await using db = await createDatabase(setup);
    await using scene = await openScene(db);
    const other = await block(db);
    const error = await failure(scene.ask({ limits: { oldTransactionMs: 400, deadlineMs: 1_200 } }));
    expect(error).toBeInstanceOf(LockNotObtained);
    const { census, miss, ended } = error as unknown as LockNotObtained;
    const pid = prepared ? 0 : other.pid;
    expect(ended).toBe('deadline');
    expect(miss).toMatchObject({ tried: false, why: 'old-transaction', blockers: [{ pid }] });
    expect(census).toMatchObject([{ pid, state, lockModes: modes }]);
    expect(census[0]?.times).toBeGreaterThan(3);
    expect(census[0]?.inTheWayMs).toBeGreaterThan(200);
    expect(census[0]?.inTheWayMs).toBeLessThan(1_500);
    expect(blockerLines(census)).toMatch(/seen \d+ times, for \d\.\d s in all/);
    if (prepared) expect(blockerLines(census)).toContain('ends only by COMMIT PREPARED or ROLLBACK PREPARED');
    await release(db, other);
    expect(await scene.ask({ limits: { oldTransactionMs: 400 } })).toMatchObject({ attempts: 1 });
  });
});

test('who shares the lock that is asked for is not in the way', async () => {
  await using db = await createDatabase(setup);
  await using scene = await openScene(db);
  await otherSession(db, 'begin; select * from t');
  const result = await scene.ask({
    request: { table: 'public.t', tableOid: scene.oid, mode: 'SHARE ROW EXCLUSIVE' },
    limits: { oldTransactionMs: 0 },
  });
  expect(result.attempts).toBe(1);
  expect(scene.misses).toEqual([]);
});

test('what the caller finds not ready is no try, and its reason is told', async () => {
  await using db = await createDatabase(setup);
  await using scene = await openScene(db);
  const reasons = ['replica lag 12 s', 'backlog takes 3.2 s to drain'];
  const prepared: number[] = [];
  const result = await scene.ask({
    ready: () => Promise.resolve(reasons.shift() ?? null),
    prepare: async (attempt) => void prepared.push(attempt),
  });
  expect(result.attempts).toBe(1);
  expect(prepared).toEqual([1, 1, 1]);
  expect(scene.misses).toMatchObject([
    { tried: false, why: 'not-ready', reason: 'replica lag 12 s' },
    { tried: false, why: 'not-ready', reason: 'backlog takes 3.2 s to drain' },
  ]);
  const error = await failure(
    scene.ask({ ready: () => Promise.resolve('never'), limits: { deadlineMs: 300 } }),
  );
  expect(error).toMatchObject({ attempts: 0, census: [], miss: { why: 'not-ready', reason: 'never' } });
});

test('a role that may not see ages goes by what it saw itself', async () => {
  await using db = await createDatabase(setup);
  const owner = await db.createRole();
  await db.query(`alter table t owner to ${owner.name}`);
  await using scene = await openScene(db, owner.url);
  const other = await otherSession(db, 'begin; select * from t');
  const asking = scene.ask({ limits: { oldTransactionMs: 300 } });
  const veto = await until(() => scene.misses.find(({ why }) => why === 'old-transaction'), {
    what: 'a look that found an old transaction',
  });
  expect(veto.blockers).toMatchObject([{ pid: other.pid, transactionSeconds: null, state: null }]);
  expect(scene.misses[0]).toMatchObject({ why: 'lock' });
  await other.client.query('commit');
  await asking;
});

test('the ledger knows each relation: taken, waited for, missed, rolled back', async () => {
  await using db = await createDatabase(`${setup}; create table first (id int); create table last (id int)`);
  await using scene = await openScene(db);
  const oids = await scene.watcher.row<{ first: number; last: number }>(
    `select 'first'::regclass::oid as first, 'last'::regclass::oid as last`,
  );
  const request = {
    what: 'a set',
    table: 'public.t',
    tableOid: scene.oid,
    mode: 'ACCESS EXCLUSIVE',
    before: [{ kind: 'table', oid: oids.first, table: 'public.first', mode: 'SHARE' }],
    after: [{ kind: 'table', oid: oids.last, table: 'public.last', mode: 'EXCLUSIVE' }],
  } as const;
  const other = await otherSession(db, 'begin; select * from t');
  const asking = scene.ask({ request });
  await until(() => scene.ledger.some(({ outcome }) => outcome === 'missed'), { what: 'a miss' });
  await other.client.query('commit');
  const { holdMs } = await asking;
  const of = (outcome: string): string[] => [
    ...new Set(
      scene.ledger.filter((each) => each.outcome === outcome).map(({ table, mode }) => `${table} ${mode}`),
    ),
  ];
  expect(of('rolled back')).toEqual(['public.first SHARE']);
  expect(of('missed')).toEqual(['public.t ACCESS EXCLUSIVE']);
  expect(of('committed')).toEqual([
    'public.first SHARE',
    'public.t ACCESS EXCLUSIVE',
    'public.last EXCLUSIVE',
  ]);
  const held = scene.ledger.filter(({ outcome }) => outcome === 'committed').map(({ heldMs }) => heldMs);
  expect(held).toEqual(held.toSorted((a, b) => b - a));
  expect(held[0]).toBeGreaterThanOrEqual(holdMs);
  expect(held[0]).toBeLessThan(holdMs + 20);
  await failure(
    scene.ask({
      request,
      work: async () => {
        throw new Error('the work failed');
      },
    }),
  );
  expect(scene.ledger.slice(-3).map(({ outcome }) => outcome)).toEqual(Array(3).fill('rolled back'));
});
