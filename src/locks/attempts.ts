/**
 * Try, pause, look, try again, until a deadline: what every request for a lock has in common. Each try is a look first, when
 * the caller asked for looks: where a try would be in vain it is not made, for while it waits others wait behind it.
 */
import { lockHolders } from '../catalog/activity.js';
import type { Session } from '../db/session.js';
import { jittered, sleep } from '../db/wait.js';
import type { Blocker } from '../model/blocker.js';
import { Census, type CensusEntry } from './census.js';
import { blockerOf, inTheWay, reluctant, vetoed, type InTheWay } from './in-the-way.js';
import { BlockerKiller, type KillBlockers, type Killed } from './kill-blockers.js';
import { lockTry, lookPauseMs, type LockTry } from './ladder.js';
import type { LedgerEntry } from './ledger.js';
import type { AskLimits, Lock } from './lock-request.js';

/** Why a try that was made did not succeed. `hold`: the work took too long. `harm`: waiting cost others too much. */
export type TryFailure = 'lock' | 'hold' | 'deadlock' | 'harm';

/** Why a try was not even made. */
type LookFailure = 'old-transaction' | 'wraparound' | 'not-ready';

export interface Miss {
  /** False: it was only looked, nobody waited. */
  readonly tried: boolean;
  /** The one that failed, or the one that would have been made. */
  readonly try: LockTry;
  readonly why: TryFailure | LookFailure;
  /** For people, where there is more to say than `why`. */
  readonly reason: string | null;
  readonly waitedMs: number;
  readonly blockers: readonly Blocker[];
  readonly nextTryMs: number;
  /** How long what was taken was held; null where nothing was. */
  readonly heldMs?: number | null;
}

/** What everybody who asks for a lock can say. */
export interface Asking {
  readonly signal?: AbortSignal;
  /**
   * Before each look and try, outside the transaction (draining the backlog, say). Again with the same number after a look.
   * One that waits for others asks for the end of who is in the way again and again: the look has not come yet.
   */
  readonly prepare?: (attempt: number, endBlockers: EndBlockers) => Promise<void>;
  /** The caller's own condition, right before each try: why there should be none now (`replica lag 12 s`), or null. */
  readonly ready?: () => Promise<string | null>;
  /** Ends who is in the way for too long. Only when the user asked for it. */
  readonly killBlockers?: KillBlockers;
  readonly onTry?: (attempt: LockTry) => void;
  /** Failed tries, and looks after which none was made. */
  readonly onMiss?: (miss: Miss) => void;
  readonly onLock?: (entry: LedgerEntry) => void;
  readonly onKill?: (killed: Killed) => void;
}

/** Ends who has been in the way for too long, if `killBlockers` says so. */
export type EndBlockers = () => Promise<void>;

export interface LockSearch extends Asking {
  readonly session: Session;
  /** Looks who is in the way, and ends them. */
  readonly watcher: Session;
  readonly locks: readonly Lock[];
  readonly limits: AskLimits;
}

export interface TryResult {
  readonly waitedMs: number;
  /** Blocked backends x milliseconds. */
  readonly harmMs: number;
  /** A lock that the work has waited for, and that nobody asked for beforehand. */
  readonly unforeseen: Lock | null;
  /** From the first lock to the end; null when it was not taken. */
  readonly heldMs: number | null;
}

export type Tried<T> = TryResult & ({ readonly value: T } | { readonly missed: TryFailure });

/** The deadline passed, or the harm was spent, without the lock (or without finishing under it). */
export class LockNotObtained extends Error {
  constructor(
    /** Tries that were made; looks are not among them. */
    readonly attempts: number,
    readonly waitedMs: number,
    /** The last thing that went wrong. */
    readonly miss: Miss,
    readonly ended: 'deadline' | 'harm',
    /** Who was in the way over all tries and looks, the longest first. */
    readonly census: readonly CensusEntry[],
    /** Blocked backends x milliseconds, over all tries. */
    readonly harmMs: number,
  ) {
    super('lock not obtained');
  }
}

/** @param once one try; its harm budget is what is left of the run's */
export async function attempts<T>(
  asked: LockSearch,
  once: (step: LockTry, evictAutovacuum: boolean, budgetMs: number) => Promise<Tried<T>>,
): Promise<{ value: T; attempts: number; waitedMs: number }> {
  // With those that turn out to be needed: who holds them is in the way as well.
  const locks = [...asked.locks];
  const search = { ...asked, locks };
  const { limits, signal } = search;
  const { harmPerTryMs = Infinity, harmPerRunMs = Infinity } = limits;
  const started = performance.now();
  const evictAutovacuum = await mayLowerDeadlockTimeout(search.session);
  const census = new Census();
  const { look, endBlockers } = looker(search, census);
  let harmMs = 0;
  let looks = 0;
  for (let attempt = 1; ;) {
    signal?.throwIfAborted();
    await search.prepare?.(attempt, endBlockers);
    const step = lockTry(attempt, limits.lockTimeoutMs);
    const veto = await look();
    let miss: Miss;
    if (veto !== null) {
      looks += 1;
      miss = { ...veto, tried: false, try: step, waitedMs: 0, nextTryMs: jittered(lookPauseMs(looks)) };
    } else {
      looks = 0;
      search.onTry?.(step);
      const result = await once(step, evictAutovacuum, Math.min(harmPerTryMs, harmPerRunMs - harmMs));
      harmMs += result.harmMs;
      if ('value' in result) {
        return { value: result.value, attempts: attempt, waitedMs: performance.now() - started };
      }
      const { missed: why, waitedMs, unforeseen, heldMs } = result;
      if (unforeseen !== null && !locks.some(({ oid }) => oid === unforeseen.oid)) locks.push(unforeseen);
      const found = why === 'hold' ? [] : await findInTheWay(search);
      if (why !== 'hold') census.observe(found, performance.now(), waitedMs);
      miss = {
        tried: true,
        try: step,
        why,
        reason: why === 'lock' ? reluctant(found, evictAutovacuum) : null,
        waitedMs,
        blockers: found.map(blockerOf),
        nextTryMs: jittered(step.pauseMs),
        heldMs,
      };
      attempt += 1;
    }
    const waitedMs = performance.now() - started;
    const made = attempt - 1;
    const ended = harmMs >= harmPerRunMs ? 'harm' : 'deadline';
    if (ended === 'harm' || waitedMs + miss.nextTryMs > limits.deadlineMs) {
      throw new LockNotObtained(made, waitedMs, miss, ended, census.entries(), harmMs);
    }
    search.onMiss?.(miss);
    await sleep(miss.nextTryMs, signal);
  }
}

type Look = () => Promise<Pick<Miss, 'why' | 'reason' | 'blockers'> | null>;

/** Enough for a backend to die of a signal, mostly. */
const afterSignalMs = 50;

function looker(
  search: LockSearch,
  census: Census,
): { readonly look: Look; readonly endBlockers: EndBlockers } {
  const { limits, watcher, killBlockers, ready, onKill } = search;
  const { oldTransactionMs } = limits;
  const killer = killBlockers && new BlockerKiller(watcher, killBlockers, onKill ?? (() => {}));
  const seenMs = (blocker: InTheWay): number => census.seenMs(blocker, performance.now());
  const find = async (): Promise<InTheWay[]> => {
    const found = await findInTheWay(search);
    census.observe(found, performance.now());
    return found;
  };
  const findAndEnd = async (): Promise<InTheWay[]> => {
    const found = await find();
    if ((await killer?.end(found, seenMs)) !== true) return found;
    await sleep(afterSignalMs, search.signal);
    return await find();
  };
  const look: Look = async () => {
    if (oldTransactionMs !== undefined || killer !== undefined) {
      const found = await findAndEnd();
      const veto = vetoed(found, oldTransactionMs ?? Infinity, seenMs);
      if (veto !== null) return { ...veto, blockers: found.map(blockerOf) };
    }
    const reason = (await ready?.()) ?? null;
    return reason === null ? null : { why: 'not-ready', reason, blockers: [] };
  };
  return { look, endBlockers: async () => void (killer && (await findAndEnd())) };
}

async function findInTheWay({ session, watcher, locks }: LockSearch): Promise<InTheWay[]> {
  const relations = locks.map(({ oid }) => oid);
  return inTheWay(await lockHolders(watcher, relations, [session.pid, watcher.pid]), locks);
}

/** Superusers, and on 15 and later roles with `GRANT SET ON PARAMETER deadlock_timeout`. */
async function mayLowerDeadlockTimeout(session: Session): Promise<boolean> {
  const { may } = await session.row<{ may: boolean }>(
    session.serverVersion >= 150000
      ? `select has_parameter_privilege('deadlock_timeout', 'set') as may`
      : `select current_setting('is_superuser')::bool as may`,
  );
  return may;
}
