/** What an application noticed over a stretch of time. */
import { count } from './output.js';
import type { Transaction } from './writers.js';

export interface Seen {
  /** Transactions a second. */
  readonly tps: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly longest: number;
  readonly transactions: number;
}

/** Of the transactions that began between two moments of `Date.now()`. */
export function seenBetween(transactions: readonly Transaction[], from: number, to: number): Seen {
  const during = transactions.filter(({ startedAt }) => startedAt >= from && startedAt <= to);
  const sorted = during.map(({ ms }) => ms).toSorted((a, b) => a - b);
  return {
    tps: (during.length * 1000) / (to - from),
    p50: quantileOf(sorted, 0.5),
    p99: quantileOf(sorted, 0.99),
    longest: sorted.at(-1) ?? 0,
    transactions: during.length,
  };
}

export function loadLine({ tps, p50, p99, longest }: Seen) {
  return `${count(Math.round(tps))}/s, p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(1)} ms, longest ${longest.toFixed(0)} ms`;
}

function quantileOf(sorted: readonly number[], part: number) {
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0;
}
