import { expect, test } from 'vitest';
import { WalHistory } from '../../src/throttle/wal-history.js';

function historyOf(...samples: [atMs: number, lsn: bigint][]): WalHistory {
  const history = new WalHistory();
  for (const [atMs, lsn] of samples) history.add(atMs, lsn);
  return history;
}

test('behind since the primary was first seen further', () => {
  const history = historyOf([1000, 100n], [2000, 200n], [3000, 300n]);
  expect(history.behind(300n, 3500)).toEqual({ ms: 0, atLeast: false });
  expect(history.behind(250n, 3500)).toEqual({ ms: 500, atLeast: false });
  expect(history.behind(200n, 3500)).toEqual({ ms: 500, atLeast: false });
  expect(history.behind(100n, 3500)).toEqual({ ms: 1500, atLeast: false });
  expect(history.behind(99n, 3500)).toEqual({ ms: 2500, atLeast: true });
});

test('nothing is known at first', () => {
  expect(historyOf().behind(1n, 10)).toEqual({ ms: 0, atLeast: false });
});

test('the time in which the primary wrote nothing is not lag', () => {
  const history = historyOf([0, 100n], [3_600_000, 100n], [3_601_000, 101n]);
  expect(history.behind(100n, 3_601_000)).toEqual({ ms: 0, atLeast: false });
});

test('positions beyond 2^53 are told apart', () => {
  const far = 2n ** 60n;
  const history = historyOf([0, far], [1000, far + 1n]);
  expect(history.behind(far, 1500)).toEqual({ ms: 500, atLeast: false });
});

test('another server starts another history', () => {
  const history = historyOf([0, 1000n], [1000, 50n], [2000, 60n]);
  expect(history.behind(55n, 2500)).toEqual({ ms: 500, atLeast: false });
  expect(history.behind(60n, 2500)).toEqual({ ms: 0, atLeast: false });
});

test('a long history gets coarser, not shorter', () => {
  const history = new WalHistory();
  for (let second = 0; second < 10_000; second += 1) history.add(second * 1000, BigInt(second));
  expect(history.behind(-1n, 10_000_000).ms).toBe(10_000_000);
  for (const lsn of [1n, 777n, 5_000n, 9_998n]) {
    const exact = 10_000_000 - (Number(lsn) + 1) * 1000;
    const { ms, atLeast } = history.behind(lsn, 10_000_000);
    expect(atLeast).toBe(false);
    expect(exact - ms).toBeGreaterThanOrEqual(0);
    expect(exact - ms).toBeLessThanOrEqual(exact / 10);
  }
});
