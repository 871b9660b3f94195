/**
 * A short transaction under a strong lock on a user's table: tried again and again, politely, until a deadline.
 * Every lock that an application could wait for is taken here: capture, swap, native change, abort.
 *
 * `lock_timeout` counts for each lock by itself, so `statement_timeout` caps each statement, and a clock of our own
 * caps the whole transaction: when the hold budget is spent before the commit was sent, it is rolled back.
 */
import { holdersOf } from '../catalog/activity.js';
import type { Session } from '../db/session.js';
import { SqlState, isConnectionLost, sqlState } from '../db/sqlstate.js';
import { jittered, sleep } from '../db/wait.js';
import type { Blocker } from '../report/events.js';
import { lockTry, type LockTry } from './ladder.js';

export type LockMode =
  | 'ACCESS EXCLUSIVE'
  | 'EXCLUSIVE'
  | 'SHARE ROW EXCLUSIVE'
  | 'SHARE'
  | 'SHARE UPDATE EXCLUSIVE';

/** Another relation whose lock the same try takes. */
export type LockStep =
  | { readonly kind: 'table'; readonly oid: number; readonly table: string; readonly mode: LockMode }
  /** A statement that takes the lock, where LOCK TABLE cannot: on a view it would take its tables along. */
  | { readonly kind: 'statement'; readonly oid: number; readonly statement: string };

export interface LockRequest {
  /** Quoted, qualified. */
  readonly table: string;
  /** For looking up who is in the way. */
  readonly tableOid: number;
  readonly mode: LockMode;
  /** Others, in order, before and after the table. */
  readonly before?: readonly LockStep[];
  readonly after?: readonly LockStep[];
}

export interface LockLimits {
  readonly lockTimeoutMs: number;
  /** From the lock to the commit. */
  readonly maxHoldMs: number;
  readonly deadlineMs: number;
}

export interface Missed {
  readonly try: LockTry;
  readonly why: 'lock' | 'hold' | 'deadlock';
  readonly waitedMs: number;
  readonly blockers: readonly Blocker[];
  readonly nextTryMs: number;
}

export interface Hold {
  /** Still inside the budget? Checked before each further statement; throws `HoldOverrun` when not. */
  check(): void;
}

export interface LockedResult<T> {
  readonly value: T;
  readonly attempts: number;
  /** From the first lock to the commit. */
  readonly holdMs: number;
}

export interface LockedWork<T> {
  readonly session: Session;
  /** Another session, which can see and cancel while the first waits. */
  readonly watcher: Session;
  readonly request: LockRequest;
  readonly limits: LockLimits;
  /** Before each try, outside the transaction (draining the backlog, say). */
  readonly prepare?: (attempt: number) => Promise<void>;
  /**
   * Under the lock. Returns the statements that go to the server in one message together with the commit, and the
   * result of it all.
   */
  readonly work: (hold: Hold) => Promise<{ readonly last: readonly string[]; readonly value: T }>;
  readonly onTry?: (attempt: LockTry) => void;
  readonly onMissed?: (missed: Missed) => void;
  readonly signal?: AbortSignal;
}

/** The work took longer than its budget; it was rolled back. */
class HoldOverrun extends Error {}

/** The deadline passed without the lock (or without finishing under it). */
export class LockNotObtained extends Error {
  constructor(
    readonly attempts: number,
    readonly waitedMs: number,
    readonly last: Missed,
  ) {
    super('lock not obtained');
  }
}

/** The connection broke after the commit was sent: it may have happened or not (invariant 11). */
export class CommitOutcomeUnknown extends Error {
  constructor(cause: unknown) {
    super('the connection was lost at the commit', { cause });
  }
}

export async function underLock<T>(options: LockedWork<T>): Promise<LockedResult<T>> {
  const { limits, signal } = options;
  const started = performance.now();
  const evictAutovacuum = await mayLowerDeadlockTimeout(options.session);
  for (let attempt = 1; ; attempt += 1) {
    signal?.throwIfAborted();
    await options.prepare?.(attempt);
    const step = lockTry(attempt, limits.lockTimeoutMs);
    options.onTry?.(step);
    const tried = performance.now();
    const outcome = await tryOnce(options, step, evictAutovacuum);
    if ('value' in outcome) return { ...outcome, attempts: attempt };
    const waitedMs = performance.now() - started;
    const nextTryMs = jittered(step.pauseMs);
    const missed: Missed = {
      try: step,
      why: outcome.missed,
      waitedMs: performance.now() - tried,
      blockers: outcome.missed === 'hold' ? [] : await holders(options),
      nextTryMs,
    };
    if (waitedMs + nextTryMs > limits.deadlineMs) throw new LockNotObtained(attempt, waitedMs, missed);
    options.onMissed?.(missed);
    await sleep(nextTryMs, signal);
  }
}

/** Of any relation of the request; each session once. */
async function holders<T>({ watcher, request }: LockedWork<T>): Promise<Blocker[]> {
  const { before = [], after = [], tableOid } = request;
  const found = new Map<string, Blocker>();
  for (const oid of [...before.map((step) => step.oid), tableOid, ...after.map((step) => step.oid)]) {
    for (const blocker of await holdersOf(watcher, oid)) {
      const key = JSON.stringify([blocker.pid, blocker.backendType]);
      const known = found.get(key);
      const lockModes = [...new Set([...(known?.lockModes ?? []), ...blocker.lockModes])];
      found.set(key, { ...blocker, lockModes });
    }
  }
  return [...found.values()];
}

async function tryOnce<T>(
  options: LockedWork<T>,
  step: LockTry,
  evictAutovacuum: boolean,
): Promise<{ value: T; holdMs: number } | { missed: Missed['why'] }> {
  const { session, watcher, request, limits } = options;
  let locked: number | null = null;
  let commitSent = false;
  let overrun: NodeJS.Timeout | undefined;
  let cancelling: Promise<unknown> | undefined;
  const overBudget = (): boolean => locked !== null && performance.now() - locked > limits.maxHoldMs;
  try {
    const { before = [], after = [] } = request;
    // The first of several locks is held while we wait for the next, and statement_timeout counts for each: cap the sum.
    if (before.length + after.length > 0) startClock((step.lockTimeoutMs ?? 0) + limits.maxHoldMs);
    const [first = [], ...others] = [
      ...before.map((each) => stepStatements(each, step)),
      [lockStatement(request, step)],
      ...after.map((each) => stepStatements(each, step)),
    ];
    const results = await session.results([
      ...openingStatements(limits, step, evictAutovacuum),
      ...first,
      ...(others.length === 0 ? [] : [clock, ...others.flat(), clock]),
      // A NOWAIT try waits for nothing later either: what it meets after the first lock is as bad as a held table.
      `set local lock_timeout = '${step.lockTimeoutMs ?? 1}ms'`,
    ]);
    // The application waits from the first lock on.
    const [from = 0, to = 0] = results.flatMap(({ rows }) =>
      rows.flatMap(({ clock: ms }) => Number(ms ?? 0)),
    );
    locked = performance.now() - (to - from);
    // The server's own timeout is per statement; this one is for the sum.
    startClock(limits.maxHoldMs);
    const { last, value } = await options.work({
      check() {
        if (overBudget()) throw new HoldOverrun();
      },
    });
    if (overBudget()) throw new HoldOverrun();
    commitSent = true;
    await session.batch([...last, 'commit']);
    return { value, holdMs: performance.now() - locked };
  } catch (error) {
    if (isConnectionLost(error)) throw commitSent ? new CommitOutcomeUnknown(error) : error;
    await calm();
    await session.rollback();
    if (error instanceof HoldOverrun) return { missed: 'hold' };
    switch (sqlState(error)) {
      case SqlState.lockNotAvailable:
        return { missed: 'lock' };
      case SqlState.deadlockDetected:
        return { missed: 'deadlock' };
      case SqlState.queryCanceled:
        // Ours (statement_timeout, or the timer above) unless somebody cancelled us by hand; trying again is right for all.
        return { missed: locked === null ? 'lock' : 'hold' };
      default:
        throw error;
    }
  } finally {
    await calm();
  }

  /** Cancels whatever the session does when the time is over. */
  function startClock(ms: number): void {
    clearTimeout(overrun);
    overrun = setTimeout(() => {
      cancelling = watcher
        .rows({ text: `select pg_cancel_backend($1)`, values: [session.pid] })
        .catch(() => undefined);
    }, ms);
  }

  /** A cancel that is still on its way must not hit what this session does next. */
  async function calm(): Promise<void> {
    clearTimeout(overrun);
    await cancelling;
  }
}

function openingStatements(limits: LockLimits, step: LockTry, evictAutovacuum: boolean): string[] {
  const lockTimeoutMs = step.lockTimeoutMs ?? 0;
  return [
    'begin isolation level read committed',
    `set local lock_timeout = '${lockTimeoutMs}ms'`,
    `set local statement_timeout = '${lockTimeoutMs + limits.maxHoldMs}ms'`,
    // Autovacuum gives way only to a waiter whose deadlock check has run, so that must come before lock_timeout.
    ...(evictAutovacuum && step.lockTimeoutMs !== null
      ? [`set local deadlock_timeout = '${Math.max(1, Math.floor(step.lockTimeoutMs / 4))}ms'`]
      : []),
  ];
}

function lockStatement(request: LockRequest, step: LockTry): string {
  const nowait = step.lockTimeoutMs === null ? ' nowait' : '';
  return `lock table only ${request.table} in ${request.mode.toLowerCase()} mode${nowait}`;
}

/** In ms; between two of them passes the time that locks were held while others were waited for. */
const clock = `select extract(epoch from clock_timestamp()) * 1000 as clock`;

/** What has no NOWAIT waits for a millisecond instead. */
function stepStatements(each: LockStep, step: LockTry): string[] {
  const nowait = step.lockTimeoutMs === null;
  if (each.kind === 'table') {
    return [`lock table ${each.table} in ${each.mode.toLowerCase()} mode${nowait ? ' nowait' : ''}`];
  }
  return nowait
    ? [`set local lock_timeout = '1ms'`, each.statement, `set local lock_timeout = 0`]
    : [each.statement];
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
