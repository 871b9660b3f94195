/**
 * Ends who is in the way, when the user asked for it. One that works is cancelled first, so that its application gets an
 * ordinary error; terminated are only those who sit idle in a transaction, and those whom the cancel did not move.
 *
 * A blocker is a transaction, not a session: a busy connection is found in the way again and again with ever new ones, and
 * is none. The signal goes out only if that transaction still holds a lock at that moment.
 */
import { SqlState, sqlState } from '../db/sqlstate.js';
import type { Session } from '../db/session.js';
import { isPrepared, type Blocker } from '../model/blocker.js';
import { autovacuumWorker, blockerOf, transactionOf, type InTheWay } from './in-the-way.js';

export interface KillBlockers {
  /** Since we first saw it in the way. */
  readonly afterMs: number;
}

export interface Killed {
  readonly pid: number;
  readonly how: 'cancelled' | 'terminated' | 'spared';
  /** For people. */
  readonly why: string;
  readonly blocker: Blocker;
}

export type KillVerdict =
  | { readonly how: 'wait' }
  | { readonly how: 'cancel' | 'terminate' | 'spare'; readonly why: string };

/** @param done what was done to this very transaction before */
export function killVerdict(
  blocker: InTheWay,
  state: {
    readonly afterMs: number;
    readonly seenMs: number;
    readonly done: ReadonlySet<Killed['how']>;
  },
): KillVerdict {
  const { afterMs, seenMs, done } = state;
  if (seenMs < afterMs || done.has('terminated') || done.has('spared')) return { how: 'wait' };
  const spared = whySpared(blocker);
  if (spared !== null) return { how: 'spare', why: spared };
  const inTheWay = `in the way for ${(seenMs / 1_000).toFixed(1)} s`;
  if (blocker.backendType === autovacuumWorker) {
    // It begins anew by itself; terminating gains nothing over cancelling.
    return done.has('cancelled') ? { how: 'wait' } : { how: 'cancel', why: inTheWay };
  }
  if (isIdle(blocker)) return { how: 'terminate', why: `${blocker.state}, ${inTheWay}` };
  return done.has('cancelled')
    ? { how: 'terminate', why: `still there after it was cancelled, ${inTheWay}` }
    : { how: 'cancel', why: `${blocker.state}, ${inTheWay}` };
}

function whySpared(blocker: InTheWay): string | null {
  const { backendType, application, user, leaderPid, pid, signal } = blocker;
  if (isPrepared(blocker)) {
    return `a prepared transaction has no session that could be ended: COMMIT PREPARED or ROLLBACK PREPARED '${application}'`;
  }
  if (blocker.wraparound) return 'autovacuum works to prevent wraparound';
  if (/^pg-ghost( |$)/.test(application ?? '')) return 'a session of pg-ghost';
  if (backendType === 'walsender') return 'a replication connection';
  if (backendType.startsWith('logical replication')) return `part of replication (${backendType})`;
  if (leaderPid !== null && leaderPid !== pid) return `works for pid ${leaderPid}`;
  if (backendType === 'unknown') {
    return 'what it does may not be seen: that takes pg_read_all_stats (part of pg_monitor)';
  }
  if (backendType !== 'client backend' && backendType !== autovacuumWorker)
    return `a background process (${backendType})`;
  if (signal === 'superuser') {
    return backendType === autovacuumWorker
      ? 'signalling autovacuum takes a superuser (or, on 18, pg_signal_autovacuum_worker)'
      : `${user ?? 'its user'} is a superuser and we are not`;
  }
  if (signal === 'no-right') return `that takes membership in ${user ?? 'its role'} or pg_signal_backend`;
  return null;
}

function isIdle({ state }: Blocker): boolean {
  return state?.startsWith('idle') ?? false;
}

export class BlockerKiller {
  readonly #done = new Map<string, Set<Killed['how']>>();

  constructor(
    private readonly session: Session,
    private readonly options: KillBlockers,
    private readonly onKill: (killed: Killed) => void,
  ) {}

  /** @returns whether any of them got a signal, and so may be gone in a moment */
  async end(blockers: readonly InTheWay[], seenMs: (blocker: InTheWay) => number): Promise<boolean> {
    let any = false;
    for (const blocker of blockers) {
      const done = this.#done.get(transactionOf(blocker)) ?? new Set();
      const verdict = killVerdict(blocker, { ...this.options, seenMs: seenMs(blocker), done });
      if (verdict.how === 'wait') continue;
      this.#done.set(transactionOf(blocker), done);
      const { how, why } =
        verdict.how === 'spare' ? verdict : await this.#signal(blocker, verdict.how, verdict.why);
      if (how === null) continue;
      const outcome = how === 'spare' ? 'spared' : how === 'cancel' ? 'cancelled' : 'terminated';
      done.add(outcome);
      any ||= outcome !== 'spared';
      this.onKill({ pid: blocker.pid, how: outcome, why, blocker: blockerOf(blocker) });
    }
    return any;
  }

  /** `how: null`: it went, or began to work, in the moment since it was seen. */
  async #signal(
    blocker: InTheWay,
    how: 'cancel' | 'terminate',
    why: string,
  ): Promise<{ how: 'cancel' | 'terminate' | 'spare' | null; why: string }> {
    try {
      const sent = await this.session.rows({
        text: signalSql(how, isIdle(blocker)),
        values: [blocker.pid, blocker.transaction],
      });
      return { how: sent.length > 0 ? how : null, why };
    } catch (error) {
      if (sqlState(error) !== SqlState.insufficientPrivilege) throw error;
      return { how: 'spare', why: 'the server did not permit it' };
    }
  }
}

/** `offset 0` keeps the function from being called for any other row. */
function signalSql(how: 'cancel' | 'terminate', whileIdle: boolean): string {
  const stillIdle = `
        and exists (select from pg_stat_activity as a where a.pid = l.pid and a.state like 'idle%')`;
  return `
    select pg_${how}_backend(pid)
    from (
      select distinct l.pid
      from pg_locks as l
      where l.pid = $1 and l.virtualtransaction = $2 and l.granted${whileIdle ? stillIdle : ''}
      offset 0
    ) as holder`;
}
