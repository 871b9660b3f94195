/** What a replication slot waits for when it is made, as the run tells it: for the first one, and for one in its place. */
import type { UnlockedWork } from '../capture/capture.js';
import type { Session } from '../db/session.js';
import type { TableContext } from './context.js';

export function slotWork({ watcher, settings, emit, signal }: TableContext, session: Session): UnlockedWork {
  return {
    session,
    watcher,
    failover: settings.failoverSlot,
    patienceMs: settings.cutoverDeadlineMs,
    onWaiting: (blockers, waitedMs) =>
      emit('lock:missed', {
        what: 'the replication slot',
        attempt: 1,
        waitedMs,
        why: 'old-snapshot',
        reason: 'it waits for transactions that have written',
        tried: true,
        blockers,
        nextTryMs: 0,
      }),
    signal,
  };
}
