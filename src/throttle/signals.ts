/** All signals; which of them are read, the limits decide. */
import type { ConnectionOptions } from '../db/conninfo/connection-options.js';
import type { Signal } from './signal.js';
import { activeBackends } from './signals/active-backends.js';
import { autovacuum } from './signals/autovacuum.js';
import { lockWaiters } from './signals/lock-waiters.js';
import { pauseFile } from './signals/pause-file.js';
import { replicaLag } from './signals/replica-lag.js';
import { retainedWal } from './signals/retained-wal.js';
import { slotWal, type SlotWalOptions } from './signals/slot-wal.js';
import { streamingLag } from './signals/streaming-lag.js';
import { throttleQuery } from './signals/throttle-query.js';
import { walRate } from './signals/wal-rate.js';
import { xidAge } from './signals/xid-age.js';

export interface SignalOptions {
  /** OIDs of the tables at work: source and shadow. */
  readonly tables: readonly number[];
  /** What the application_name of our sessions starts with, up to where another run's would differ: `pg-ghost 12 `. */
  readonly ownApplications: string;
  /** Replicas to ask themselves; those that stream from the server are seen without. */
  readonly replicas?: readonly ConnectionOptions[];
  /** Of the migration itself. */
  readonly slots?: Omit<SlotWalOptions, 'now'>;
}

/** The cheap ones first: what costs nothing is known even when the rest fails. */
export function allSignals({
  tables,
  ownApplications,
  replicas = [],
  slots = { slots: [] },
}: SignalOptions): Signal[] {
  return [
    pauseFile(),
    streamingLag(),
    replicaLag({ replicas, applicationName: `${ownApplications}throttle` }),
    activeBackends(ownApplications),
    lockWaiters(tables, ownApplications),
    walRate(),
    retainedWal(slots.slots),
    slotWal(slots),
    autovacuum(tables),
    xidAge(tables),
    throttleQuery(),
  ];
}
