import type { HeldMode } from './lock-mode.js';

/** Who holds what we wait for, or could: a session or a prepared transaction, never the text of their SQL. */
export interface Blocker {
  /** Of a prepared transaction, which has no process, `preparedTransactionPid`. */
  readonly pid: number;
  readonly backendType: string;
  readonly user: string | null;
  readonly application: string | null;
  readonly state: string | null;
  readonly transactionSeconds: number | null;
  /** Modes of the locks that are held; empty for an old transaction that holds none. */
  readonly lockModes: readonly HeldMode[];
}

/** PostgreSQL itself gives it where it must give a number. */
export const preparedTransactionPid = 0;

export function isPrepared({ pid }: Pick<Blocker, 'pid'>): boolean {
  return pid === preparedTransactionPid;
}
