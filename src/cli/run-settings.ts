/** The options of `run` as the library's settings. Pure. */
import { replicaFrom, type Environment } from './connection.js';
import type { RunSettings } from '../run/types.js';
import type { CutoverWindow } from '../run/cutover-window.js';
import type { Limits } from '../throttle/limits.js';

export interface RunValues {
  readonly workers: number;
  readonly chunkTime: number;
  readonly lockTimeout: number;
  readonly maxHold: number;
  readonly cutoverDeadline: number;
  readonly verify: RunSettings['verify'];
  readonly oldSnapshot: RunSettings['oldSnapshot'];
  readonly retryFor: number;
  readonly native: RunSettings['native'];
  readonly maxHarm: number;
  readonly maxTotalHarm: number;
  readonly oldTransaction: number;
  readonly killBlockers?: number | undefined;
  readonly postponeCutover?: boolean | undefined;
  readonly cutoverWindow?: CutoverWindow | undefined;
  readonly replica?: readonly string[] | undefined;
  readonly maxLag?: number | undefined;
  readonly criticalLag?: number | undefined;
  readonly maxLagBytes?: number | undefined;
  readonly criticalLagBytes?: number | undefined;
  readonly maxActive?: number | undefined;
  readonly criticalActive?: number | undefined;
  readonly maxWaiters?: number | undefined;
  readonly criticalWaiters?: number | undefined;
  readonly maxWalRate?: number | undefined;
  readonly criticalWalRate?: number | undefined;
  readonly maxRetainedWal?: number | undefined;
  readonly criticalRetainedWal?: number | undefined;
  readonly maxXidAge?: number | undefined;
  readonly criticalXidAge?: number | undefined;
  readonly pauseOnAutovacuum?: boolean | undefined;
  readonly throttleQuery?: string | undefined;
  readonly pauseFile?: string | undefined;
  readonly nice?: number | undefined;
}

/** @param env what it says of users, passwords and files counts for replicas too */
export function runSettings(values: RunValues, env: Environment): RunSettings {
  return {
    workers: values.workers,
    chunkTimeMs: values.chunkTime,
    lockTimeoutMs: values.lockTimeout,
    maxHoldMs: values.maxHold,
    cutoverDeadlineMs: values.cutoverDeadline,
    verify: values.verify,
    oldSnapshot: values.oldSnapshot,
    retryForMs: values.retryFor,
    native: values.native,
    limits: limitsOf(values),
    replicas: (values.replica ?? []).map((url) => replicaFrom(url, env)),
    postponeCutover: values.postponeCutover ?? false,
    cutoverWindow: values.cutoverWindow ?? null,
    reverifyEveryMs: 60 * 60_000,
    oldTransactionMs: values.oldTransaction,
    harmPerTryMs: values.maxHarm,
    harmPerRunMs: values.maxTotalHarm,
    killBlockersAfterMs: values.killBlockers ?? null,
    rehearse: false,
  };
}

function limitsOf(values: RunValues): Limits {
  return {
    maxLagMs: values.maxLag ?? null,
    criticalLagMs: values.criticalLag ?? null,
    maxLagBytes: values.maxLagBytes ?? null,
    criticalLagBytes: values.criticalLagBytes ?? null,
    maxActive: values.maxActive ?? null,
    criticalActive: values.criticalActive ?? null,
    maxWaiters: values.maxWaiters ?? null,
    criticalWaiters: values.criticalWaiters ?? null,
    maxWalRate: values.maxWalRate ?? null,
    criticalWalRate: values.criticalWalRate ?? null,
    maxRetainedWal: values.maxRetainedWal ?? null,
    criticalRetainedWal: values.criticalRetainedWal ?? null,
    maxXidAge: values.maxXidAge ?? null,
    criticalXidAge: values.criticalXidAge ?? null,
    pauseOnAutovacuum: values.pauseOnAutovacuum ?? null,
    throttleQuery: values.throttleQuery ?? null,
    pauseFile: values.pauseFile ?? null,
    niceRatio: values.nice ?? null,
  };
}
