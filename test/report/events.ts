/** Events for tests, with a clock that is easy to read. */
import type { EventMap, EventName, MigrationEvent } from '../../src/model/event.js';
import { initialProgress, type ProgressState, reduceProgress } from '../../src/model/progress.js';

export const start = new Date('2026-01-02T03:04:05.000Z');

/** `seconds` after the start; of migration 7. */
export function event<Name extends EventName>(
  name: Name,
  payload: EventMap[Name],
  { seconds = 0, id = 7 }: { seconds?: number; id?: number | null } = {},
): MigrationEvent {
  return {
    event: name,
    id,
    at: new Date(start.getTime() + seconds * 1000),
    ...payload,
  } as unknown as MigrationEvent;
}

export const started = event('migration:started', {
  table: 'public.orders',
  shadow: 'ghost_new_7.orders',
  fresh: true,
  phase: 'prepare',
});

export const copying: EventMap['copy:progress'] = {
  blocksDone: 520,
  blocksTotal: 1000,
  rowsCopied: 1_560_000,
  bytesDone: 520 * 8192,
  rowsPerSecond: 312_345.6,
  bytesPerSecond: 50_331_648,
  etaSeconds: 4.2,
  workers: 2,
  chunkBlocks: 512,
  chunkMs: 480,
};

export const blocker: EventMap['lock:missed']['blockers'][number] = {
  pid: 4711,
  backendType: 'client backend',
  user: 'app',
  application: 'psql',
  state: 'idle in transaction',
  transactionSeconds: 32,
  lockModes: ['ACCESS SHARE'],
};

export function after(...events: MigrationEvent[]): ProgressState {
  return events.reduce(reduceProgress, initialProgress);
}
