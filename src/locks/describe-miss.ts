/** A request for a lock that was not granted: as events tell of it, and as people are told in the end. */
import type { Text } from '../advice.js';
import { FailedError } from '../errors.js';
import type { Emit, MissedTry } from '../model/event.js';
import { LockNotObtained, type Miss } from './attempts.js';
import { blockerLines } from './describe-blockers.js';

export function missedTry({
  try: { attempt },
  waitedMs,
  why,
  reason,
  tried,
  blockers,
  nextTryMs,
}: Miss): MissedTry {
  return { attempt, waitedMs, why, reason, tried, blockers, nextTryMs };
}

/** What the tries for a lock tell on the way. */
export function tellMisses(emit: Emit, what: string): (miss: Miss) => void {
  return (miss) => emit('lock:missed', { what, ...missedTry(miss) });
}

/** What a lock that did not come free comes to: an error by name. Any other error as it is. */
export function lockNotObtained(error: unknown, told: NotDone): unknown {
  if (!(error instanceof LockNotObtained)) return error;
  const { what, state, hint, details } = told;
  return new FailedError('lock-not-obtained', `${what}: ${notObtainedText(error)}`, {
    details: { ...details, ...notObtainedDetails(error) },
    state,
    hint,
  });
}

export interface NotDone {
  /** `public.t was not changed`. */
  readonly what: string;
  readonly state: Text;
  readonly hint: Text;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** `in 4 tries over 31 s the lock on it was never free`, and below that who was in the way. */
export function notObtainedText(error: LockNotObtained): string {
  const { attempts, waitedMs, miss, ended } = error;
  const over = `${Math.round(waitedMs / 1000)} s`;
  const tries = attempts === 1 ? '1 try' : `${attempts} tries`;
  const how = attempts === 0 ? `no try was made in ${over}:` : `in ${tries} over ${over}`;
  const because = miss.reason === null ? '' : ` (${miss.reason})`;
  const budget = ended === 'harm' ? '; the harm budget is spent' : '';
  return `${how} ${reasons[miss.why]}${because}${budget}${blockerLines(inTheWay(error))}`;
}

/** For scripts. */
export function notObtainedDetails(error: LockNotObtained): Readonly<Record<string, unknown>> {
  const { attempts, waitedMs, miss, ended, harmMs } = error;
  return {
    attempts,
    waitedMs,
    why: miss.why,
    reason: miss.reason,
    ended,
    harmMs,
    blockers: inTheWay(error),
  };
}

/** Over all tries, or where nobody was met at one, at the last. */
function inTheWay({ census, miss }: LockNotObtained): LockNotObtained['census'] | Miss['blockers'] {
  return census.length > 0 ? census : miss.blockers;
}

const reasons: Record<Miss['why'], string> = {
  lock: 'the lock on it was never free',
  deadlock: 'another session waited for us and we for it',
  hold: 'the work under the lock took longer than --max-hold and was rolled back each time',
  harm: 'too many sessions would have waited behind us',
  'old-transaction': 'an old transaction had a lock on it',
  wraparound: 'an autovacuum to prevent wraparound was at work on it',
  'not-ready': 'it was not ready',
};
