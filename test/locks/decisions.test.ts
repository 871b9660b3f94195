/** What is decided without a server: cost, census, who is ended and who spared. */
import { describe, expect, test } from 'vitest';
import type { LockHolder } from '../../src/catalog/activity.js';
import { Census } from '../../src/locks/census.js';
import { blockerLines } from '../../src/locks/describe-blockers.js';
import { Harm, lookAgainMs } from '../../src/locks/harm.js';
import { inTheWay, reluctant, vetoed, type InTheWay } from '../../src/locks/in-the-way.js';
import { killVerdict, type Killed } from '../../src/locks/kill-blockers.js';
import { lookPauseMs } from '../../src/locks/ladder.js';
import { summarizeLedger, type LedgerEntry } from '../../src/locks/ledger.js';
import type { Lock } from '../../src/locks/lock-request.js';

const holder: LockHolder = {
  pid: 7,
  backendType: 'client backend',
  user: 'app',
  application: 'shop',
  state: 'active',
  transactionSeconds: 3,
  lockModes: ['ROW EXCLUSIVE'],
  oid: 100,
  transaction: '3/4',
  wraparound: false,
  leaderPid: null,
  signal: 'allowed',
};
const lock: Lock = { oid: 100, table: 'public.t', mode: 'ACCESS EXCLUSIVE', implicit: false };

function blocker(facts: Partial<LockHolder> = {}): InTheWay {
  const { oid, ...rest } = { ...holder, ...facts };
  return { ...rest, relations: [oid] };
}

describe('harm', () => {
  test('is backends times the time each of them waits, by the time the server gives', () => {
    const harm = new Harm();
    harm.observe(1_000, []);
    harm.observe(1_020, [{ pid: 1, oid: 100, sinceMs: 1_005 }]);
    expect(harm.total(1_030)).toEqual({ blocked: 1, blockedMs: 25 });
    harm.observe(1_040, [
      { pid: 1, oid: 100, sinceMs: 1_005 },
      { pid: 2, oid: 200, sinceMs: null },
    ]);
    harm.observe(1_060, [
      { pid: 1, oid: 100, sinceMs: 1_005 },
      { pid: 2, oid: 200, sinceMs: 1_030 },
    ]);
    harm.end(1_100);
    expect(harm.total(5_000)).toEqual({ blocked: 2, blockedMs: 95 + 70 });
    expect(harm.of(100)).toEqual({ blocked: 1, blockedMs: 95 });
    expect(harm.of(200)).toEqual({ blocked: 1, blockedMs: 70 });
    expect(harm.of(300)).toEqual({ blocked: 0, blockedMs: 0 });
  });

  test('of one who has gone ends halfway between two looks; one who came back counts anew', () => {
    const harm = new Harm();
    harm.observe(1_000, [{ pid: 1, oid: 100, sinceMs: 990 }]);
    harm.observe(1_020, [{ pid: 1, oid: 100, sinceMs: 1_015 }]);
    harm.end(1_030);
    expect(harm.of(100)).toEqual({ blocked: 1, blockedMs: 20 + 15 });
  });

  test('is looked at the sooner the more it costs, and ever less often once the lock is held', () => {
    expect(lookAgainMs({ heldMs: null, waiting: 0, budgetMs: Infinity })).toBe(10);
    expect(lookAgainMs({ heldMs: null, waiting: 20, budgetMs: 100 })).toBe(5);
    expect(lookAgainMs({ heldMs: null, waiting: 100, budgetMs: 100 })).toBe(2);
    expect(lookAgainMs({ heldMs: null, waiting: 1, budgetMs: -5 })).toBe(2);
    expect(lookAgainMs({ heldMs: 3, waiting: 100, budgetMs: 0 })).toBe(20);
    expect(lookAgainMs({ heldMs: 3_600_000, waiting: 0, budgetMs: Infinity })).toBe(1_000);
  });
});

test('in the way is who holds what conflicts; a transaction counts once for all relations', () => {
  const locks: Lock[] = [lock, { oid: 200, table: 'public.u', mode: 'SHARE', implicit: false }];
  const holders: LockHolder[] = [
    holder,
    { ...holder, oid: 200, lockModes: ['ACCESS SHARE', 'SHARE UPDATE EXCLUSIVE', 'SI READ'] },
    { ...holder, pid: 8, oid: 200, lockModes: ['ACCESS SHARE'] },
    { ...holder, transaction: '3/5' },
  ];
  expect(inTheWay(holders, locks)).toMatchObject([
    {
      pid: 7,
      transaction: '3/4',
      lockModes: ['ROW EXCLUSIVE', 'SHARE UPDATE EXCLUSIVE'],
      relations: [100, 200],
    },
    { pid: 7, transaction: '3/5', lockModes: ['ROW EXCLUSIVE'] },
  ]);
});

test('a try would be in vain behind an old transaction and behind autovacuum that may not stop', () => {
  const autovacuum = blocker({ backendType: 'autovacuum worker', transactionSeconds: 9_999 });
  const none = (): number => 0;
  expect(vetoed([], 0, none)).toBeNull();
  expect(vetoed([blocker()], 3_001, none)).toBeNull();
  expect(vetoed([blocker()], 3_000, none)).toMatchObject({ why: 'old-transaction' });
  expect(vetoed([blocker({ transactionSeconds: null })], 3_000, none)).toBeNull();
  expect(vetoed([blocker({ transactionSeconds: null })], 3_000, () => 3_000)).toMatchObject({
    why: 'old-transaction',
    reason: 'pid 7 has held ROW EXCLUSIVE in a transaction of 3.0 s',
  });
  expect(vetoed([autovacuum], 0, none)).toBeNull();
  expect(vetoed([{ ...autovacuum, wraparound: true }], Infinity, none)).toEqual({
    why: 'wraparound',
    reason: 'autovacuum to prevent wraparound (pid 7) does not give way',
  });
});

test('autovacuum stays when we may not hurry it, or when it prevents wraparound', () => {
  const autovacuum = blocker({ backendType: 'autovacuum worker' });
  expect(reluctant([blocker(), autovacuum], true)).toBeNull();
  expect(reluctant([blocker()], false)).toBeNull();
  expect(reluctant([autovacuum], false)).toMatch(/^autovacuum \(pid 7\) .* grant set on parameter/);
  expect(reluctant([{ ...autovacuum, wraparound: true }], true)).toMatch(/wraparound/);
});

test('looks come more and more seldom, up to one a second', () => {
  expect([1, 2, 3, 4, 5, 6, 20].map(lookPauseMs)).toEqual([50, 100, 200, 400, 800, 1_000, 1_000]);
});

describe('killVerdict', () => {
  const verdict = (facts: Partial<LockHolder>, done: Killed['how'][] = [], seenMs = 5_000) =>
    killVerdict(blocker(facts), { afterMs: 2_000, seenMs, done: new Set(done) });

  test('nobody before the time; who works is cancelled first, who is idle or stays is terminated', () => {
    expect(verdict({}, [], 1_999)).toEqual({ how: 'wait' });
    expect(verdict({})).toEqual({ how: 'cancel', why: 'active, in the way for 5.0 s' });
    expect(verdict({}, ['cancelled'])).toMatchObject({ how: 'terminate' });
    expect(verdict({ state: 'idle in transaction' })).toMatchObject({ how: 'terminate' });
    expect(verdict({ state: 'idle in transaction (aborted)' }, ['cancelled'])).toMatchObject({
      how: 'terminate',
    });
    expect(verdict({}, ['cancelled', 'terminated'])).toEqual({ how: 'wait' });
    expect(verdict({ backendType: 'autovacuum worker', state: 'active' })).toMatchObject({ how: 'cancel' });
    expect(verdict({ backendType: 'autovacuum worker' }, ['cancelled'])).toEqual({ how: 'wait' });
  });

  test.each<[string, Partial<LockHolder>, RegExp]>([
    [
      'a prepared transaction',
      { pid: 0, backendType: 'prepared transaction', application: 'g1' },
      /ROLLBACK PREPARED 'g1'/,
    ],
    [
      'autovacuum to prevent wraparound',
      { backendType: 'autovacuum worker', wraparound: true },
      /wraparound/,
    ],
    ['ourselves', { application: 'pg-ghost 3 copy' }, /pg-ghost/],
    ['a WAL sender', { backendType: 'walsender' }, /replication connection/],
    ['a subscription', { backendType: 'logical replication apply worker' }, /part of replication/],
    ['a parallel worker', { backendType: 'parallel worker', leaderPid: 5 }, /works for pid 5/],
    ['an extension', { backendType: 'pg_cron launcher' }, /background process \(pg_cron launcher\)/],
    ['one that may not be seen', { backendType: 'unknown', state: null }, /pg_read_all_stats/],
    ['a superuser', { user: 'root', signal: 'superuser' }, /root is a superuser and we are not/],
    ['one we have no right to', { signal: 'no-right' }, /membership in app or pg_signal_backend/],
    [
      'autovacuum, by a plain role',
      { backendType: 'autovacuum worker', signal: 'superuser' },
      /takes a superuser/,
    ],
  ])('spares %s, once, and says why', (_, facts, why) => {
    expect(verdict(facts)).toEqual({ how: 'spare', why: expect.stringMatching(why) as unknown });
    expect(verdict(facts, ['spared'])).toEqual({ how: 'wait' });
  });

  test('an application may be called much like us', () => {
    expect(verdict({ application: 'pg-ghost-reader' })).toMatchObject({ how: 'cancel' });
    expect(verdict({ application: 'pg-ghost' })).toMatchObject({ how: 'spare' });
  });
});

describe('census', () => {
  test('counts how often and for how long, by session, the longest first', () => {
    const census = new Census();
    const stays = blocker({ pid: 1, transaction: '1/1', transactionSeconds: 60 });
    const comes = (transaction: string): InTheWay =>
      blocker({ pid: 2, transaction, transactionSeconds: 0.01 });
    census.observe([comes('2/1'), stays], 1_000, 100);
    census.observe([comes('2/2')], 2_000);
    census.observe([comes('2/3'), { ...stays, transactionSeconds: 62 }], 3_000, 500);
    expect(census.observations).toBe(3);
    expect(census.entries()).toMatchObject([
      { pid: 1, times: 2, inTheWayMs: 2_100, transactionSeconds: 62, note: null },
      // Each of its transactions was short, whatever we waited for before it.
      { pid: 2, times: 3, inTheWayMs: 20 },
    ]);
    expect(census.seenMs(stays, 3_500)).toBe(2_600);
    expect(census.seenMs(comes('2/4'), 3_500)).toBe(0);
    expect(blockerLines(census.entries())).toBe(
      '\n  in the way: pid 1  app, shop  active  open for 62 s  holds ROW EXCLUSIVE  seen 2 times, for 2.1 s in all' +
        '\n  in the way: pid 2  app, shop  active  open for 0 s  holds ROW EXCLUSIVE  seen 3 times',
    );
  });

  test('says why somebody does not go by himself', () => {
    const census = new Census();
    census.observe(
      [
        blocker({ pid: 0, backendType: 'prepared transaction', application: 'a', transaction: '-1/1' }),
        blocker({ pid: 0, backendType: 'prepared transaction', application: 'b', transaction: '-1/2' }),
        blocker({ backendType: 'autovacuum worker', wraparound: true }),
      ],
      0,
    );
    expect(census.entries().map(({ note }) => note)).toEqual([
      'ends only by COMMIT PREPARED or ROLLBACK PREPARED',
      'ends only by COMMIT PREPARED or ROLLBACK PREPARED',
      'works to prevent wraparound and does not give way',
    ]);
  });
});

test('a ledger summed up', () => {
  const entry: LedgerEntry = {
    what: 'the swap',
    attempt: 4,
    table: 'public.t',
    oid: 100,
    mode: 'ACCESS EXCLUSIVE',
    waitedMs: 10,
    heldMs: 0,
    blocked: 3,
    blockedMs: 24,
    outcome: 'missed',
  };
  const other = { ...entry, table: 'public.u', oid: 200 };
  expect(
    summarizeLedger([
      { ...entry, what: 'capture', attempt: 1, blockedMs: 0, heldMs: 2, outcome: 'committed' },
      { ...entry, heldMs: 10, outcome: 'rolled back', blockedMs: 0 },
      { ...other },
      { ...entry, attempt: 5, heldMs: 3.5, blockedMs: 6, outcome: 'committed' },
      { ...other, attempt: 5, heldMs: 3, blockedMs: 10, outcome: 'committed' },
      // The command was given again.
      { ...entry, attempt: 5, heldMs: 1, blockedMs: 0, outcome: 'committed' },
    ]),
  ).toEqual({
    blockedBackendSeconds: 0.04,
    longestHoldMs: 10,
    tries: 4,
    sentence: 'this change cost the application 0.04 blocked-backend-seconds',
  });
  expect(summarizeLedger([])).toMatchObject({ blockedBackendSeconds: 0, longestHoldMs: 0, tries: 0 });
});
