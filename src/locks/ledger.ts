/** What the locks cost: an entry for each lock that was taken or waited for, and their sum. Pure. */
import type { EventMap } from '../model/event.js';
import type { LockMode } from '../model/lock-mode.js';

/** One relation in one try. */
export interface LedgerEntry extends Readonly<EventMap['lock:taken']> {
  readonly oid: number;
  readonly mode: LockMode;
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
