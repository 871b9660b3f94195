/**
 * How much WAL the slot of a migration may keep, whether or not anybody has said so: nobody else watches it, and WAL that is never
 * removed fills the disk. Pure.
 *
 * Copy and verification rest first: what they write is WAL, too, and the stream has the server for itself. The run ends only
 * where that does not help: reading what has piled up is the one thing that lets the server remove it, and a run that is
 * continued after a night has just that to do.
 */
import type { SlotFacts, WalBounds } from '../catalog/slots.js';
import { formatBytes, type Limits } from './limits.js';
import type { OwnLimit } from './reading.js';

/**
 * Where the server gives no slot up, and nobody has set a limit. A copy at full speed comes up to some gigabytes: the server moves
 * the beginning of what it keeps only every 15 s.
 */
const leastUnlimited = 4 * 1024 ** 3;
const criticalTimesMax = 8;
/** Of what the server keeps for a slot at most. */
const maxShare = 0.5;
const criticalShare = 0.9;
/** Above the 15 s after which the server, and the 5 s after which we say how far the slot was read. */
const patienceMs = 60_000;
/** Less may be chance. */
const noteworthy = 1024 * 1024;

export interface SlotLimits {
  readonly max: OwnLimit;
  readonly critical: OwnLimit;
}

/** The lowest of each kind counts. */
export function slotLimits(
  { keepBytes, maxWalBytes }: WalBounds,
  { maxRetainedWal, criticalRetainedWal }: Pick<Limits, 'maxRetainedWal' | 'criticalRetainedWal'>,
): SlotLimits {
  const max: OwnLimit[] = [];
  const critical: OwnLimit[] = [];
  if (maxRetainedWal != null) max.push(named('--max-retained-wal', maxRetainedWal));
  if (criticalRetainedWal != null) critical.push(named('--critical-retained-wal', criticalRetainedWal));
  if (keepBytes !== null) {
    max.push(named('half of max_slot_wal_keep_size,', keepBytes * maxShare));
    critical.push(named('nine tenths of max_slot_wal_keep_size,', keepBytes * criticalShare));
  }
  const unlimited = Math.max(leastUnlimited, maxWalBytes);
  if (max.length === 0) {
    const most = criticalRetainedWal == null ? unlimited : Math.min(unlimited, criticalRetainedWal / 2);
    max.push(named('what a slot may keep without --max-retained-wal,', most));
  }
  const { value } = lowest(max);
  if (critical.length === 0) {
    const most = criticalTimesMax * Math.max(unlimited, value);
    critical.push(named('what a slot may keep without --critical-retained-wal,', most));
  }
  return { max: lowest(max), critical: lowest(critical) };
}

function named(name: string, bytes: number): OwnLimit {
  return { value: bytes, text: `${name} ${formatBytes(bytes)}` };
}

function lowest(limits: readonly OwnLimit[]): OwnLimit {
  return limits.reduce((least, each) => (each.value < least.value ? each : least));
}

/** While a slot is at its critical limit: the least that was left to read, and since when. */
export interface SlotPressure {
  readonly leastUnread: number;
  readonly sinceMs: number;
}

/** @returns null where it is not; `isStuck`: reading does not help, for a minute already */
export function slotPressure(
  { retainedBytes, unreadBytes, walStatus }: Pick<SlotFacts, 'retainedBytes' | 'unreadBytes' | 'walStatus'>,
  critical: OwnLimit,
  before: SlotPressure | null,
  nowMs: number,
): { readonly pressure: SlotPressure | null; readonly isStuck: boolean } {
  if (retainedBytes === null || unreadBytes === null) return { pressure: null, isStuck: false };
  if (retainedBytes < critical.value && walStatus !== 'unreserved') return { pressure: null, isStuck: false };
  if (before === null || unreadBytes <= before.leastUnread - noteworthy)
    return { pressure: { leastUnread: unreadBytes, sinceMs: nowMs }, isStuck: false };
  return { pressure: before, isStuck: nowMs - before.sinceMs >= patienceMs };
}

/** What there is to say of a slot to whoever looks at it; the worst first. */
export type SlotConcern = 'elsewhere' | 'lost' | 'unreserved' | 'left' | 'much' | 'unread';

export function slotConcern(
  slot: SlotFacts,
  { max, isNeeded }: { readonly max: OwnLimit; readonly isNeeded: boolean },
): SlotConcern | null {
  if (!slot.isOfThisDatabase) return 'elsewhere';
  if (!isNeeded) return 'left';
  if (slot.walStatus === 'lost' || slot.invalidationReason !== null) return 'lost';
  if (slot.walStatus === 'unreserved') return 'unreserved';
  if (slot.retainedBytes !== null && slot.retainedBytes >= max.value) return 'much';
  return slot.active ? null : 'unread';
}
