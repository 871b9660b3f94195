/** Who is in the way: pure decisions over the holders that were seen. */
import type { LockHolder } from '../catalog/activity.js';
import { isPrepared, type Blocker } from '../model/blocker.js';
import { conflicts } from '../model/lock-mode.js';
import type { Lock } from './lock-request.js';

/** A transaction that holds what conflicts with what we ask; `lockModes` are those that do. */
export type InTheWay = Omit<LockHolder, 'oid'> & { readonly relations: readonly number[] };

/** In the order of the holders; each transaction once. */
export function inTheWay(holders: readonly LockHolder[], locks: readonly Lock[]): InTheWay[] {
  const found = new Map<string, InTheWay>();
  for (const { oid, ...holder } of holders) {
    const asked = locks.filter((lock) => lock.oid === oid);
    const lockModes = holder.lockModes.filter((held) => asked.some(({ mode }) => conflicts(mode, held)));
    if (lockModes.length === 0) continue;
    const known = found.get(transactionOf(holder));
    found.set(transactionOf(holder), {
      ...holder,
      lockModes: [...new Set([...(known?.lockModes ?? []), ...lockModes])].toSorted(),
      relations: [...(known?.relations ?? []), oid],
    });
  }
  return [...found.values()];
}

/** As reporters get it. */
export function blockerOf(each: InTheWay): Blocker {
  const { pid, backendType, user, application, state, transactionSeconds, lockModes } = each;
  return { pid, backendType, user, application, state, transactionSeconds, lockModes };
}

export function transactionOf({ pid, transaction }: Pick<InTheWay, 'pid' | 'transaction'>): string {
  return `${pid} ${transaction}`;
}

/** Survives a session's transactions. */
export function sessionOf({ pid, application }: Pick<Blocker, 'pid' | 'application'>): string {
  return isPrepared({ pid }) ? `gid ${application}` : `pid ${pid}`;
}

export const autovacuumWorker = 'autovacuum worker';

export interface Veto {
  readonly why: 'old-transaction' | 'wraparound';
  /** For people. */
  readonly reason: string;
}

/**
 * Would a try be in vain? Then it would only make others wait. An ordinary autovacuum worker is no reason: it gives way to
 * whoever waits for it.
 *
 * @param seenMs for how long we have seen a transaction: all there is to go by when its age may not be read
 */
export function vetoed(
  blockers: readonly InTheWay[],
  oldTransactionMs: number,
  seenMs: (blocker: InTheWay) => number,
): Veto | null {
  const wraparound = preventsWraparound(blockers);
  if (wraparound !== null) return { why: 'wraparound', reason: wraparound };
  const ageMs = (each: InTheWay): number => Math.max((each.transactionSeconds ?? 0) * 1_000, seenMs(each));
  const [oldest] = blockers
    .filter(({ backendType }) => backendType !== autovacuumWorker)
    .toSorted((a, b) => ageMs(b) - ageMs(a));
  if (oldest === undefined || ageMs(oldest) < oldTransactionMs) return null;
  const who = isPrepared(oldest) ? `prepared transaction ${oldest.application}` : `pid ${oldest.pid}`;
  return {
    why: 'old-transaction',
    reason: `${who} has held ${oldest.lockModes.join(', ')} in a transaction of ${(ageMs(oldest) / 1_000).toFixed(1)} s`,
  };
}

/** Why autovacuum does not give way to us as it does to others; null when none is there, or it will. */
export function reluctant(blockers: readonly InTheWay[], mayEvict: boolean): string | null {
  const wraparound = preventsWraparound(blockers);
  if (wraparound !== null || mayEvict) return wraparound;
  const worker = blockers.find(({ backendType }) => backendType === autovacuumWorker);
  return worker === undefined
    ? null
    : `autovacuum (pid ${worker.pid}) gives way after deadlock_timeout, which this role may not lower (15 and later: grant set on parameter deadlock_timeout)`;
}

function preventsWraparound(blockers: readonly InTheWay[]): string | null {
  const worker = blockers.find((each) => each.wraparound);
  return worker === undefined
    ? null
    : `autovacuum to prevent wraparound (pid ${worker.pid}) does not give way`;
}
