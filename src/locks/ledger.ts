/** What the locks cost: an entry for each lock that was taken or waited for, and their sum. Pure. */
import type { LockMode } from '../model/lock-mode.js';

/** One relation in one try. */
export interface LedgerEntry {
  /** For people: what the lock was for. */
  readonly what: string;
  /** Counts from 1 within one request. */
  readonly attempt: number;
  readonly table: string;
  readonly oid: number;
  readonly mode: LockMode;
  readonly waitedMs: number;
  /** Up to the end of the transaction; 0 when it was missed. */
  readonly heldMs: number;
  /** Most backends that waited behind us at one moment, as far as looks some 10 ms apart saw them. */
  readonly blocked: number;
  /** The time they waited, summed up. */
  readonly blockedMs: number;
  readonly outcome: 'committed' | 'rolled back' | 'missed';
}

export interface LedgerSummary {
  readonly blockedBackendSeconds: number;
  readonly longestHoldMs: number;
  /** Tries that took or waited for a lock; one that found the table taken and did not wait is none. */
  readonly tries: number;
  readonly sentence: string;
}

export function summarizeLedger(entries: readonly LedgerEntry[]): LedgerSummary {
  const blockedMs = entries.reduce((sum, entry) => sum + entry.blockedMs, 0);
  const blockedBackendSeconds = blockedMs / 1_000;
  return {
    blockedBackendSeconds,
    longestHoldMs: entries.reduce((longest, { heldMs }) => Math.max(longest, heldMs), 0),
    tries: triesOf(entries),
    sentence: `this change cost the application ${blockedBackendSeconds.toFixed(2)} blocked-backend-seconds`,
  };
}

/** The relations of one try follow each other. */
function triesOf(entries: readonly LedgerEntry[]): number {
  let tries = 0;
  let current: LedgerEntry | undefined;
  let relations = new Set<number>();
  for (const entry of entries) {
    const same = current?.what === entry.what && current.attempt === entry.attempt;
    if (!same || relations.has(entry.oid)) {
      tries += 1;
      relations = new Set();
    }
    current = entry;
    relations.add(entry.oid);
  }
  return tries;
}
