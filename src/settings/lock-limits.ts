/** What the settings allow a lock on a user's table to cost. */
import type { LockLimits } from '../locks/lock-request.js';
import type { RunSettings } from './run-settings.js';
import { defaultRunSettings } from './table.js';

/** For the swap. */
export function limitsOf(settings: RunSettings): LockLimits {
  const { lockTimeoutMs, maxHoldMs, cutoverDeadlineMs, oldTransactionMs, harmPerTryMs, harmPerRunMs } =
    settings;
  return {
    lockTimeoutMs,
    maxHoldMs,
    deadlineMs: cutoverDeadlineMs,
    oldTransactionMs,
    harmPerTryMs,
    harmPerRunMs,
  };
}

/** For the other locks on the source: a tight budget for the swap must not make these impossible. */
export function shortLockLimits(settings: RunSettings): LockLimits {
  const limits = limitsOf(settings);
  return { ...limits, maxHoldMs: Math.max(limits.maxHoldMs, defaultRunSettings.maxHoldMs) };
}
