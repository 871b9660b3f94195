/** The lock ledger of a run: told at once, kept in the state a little later. */
import type { Session } from '../db/session.js';
import type { LedgerEntry } from '../locks/ledger.js';
import type { Emit } from '../model/event.js';
import { storeLocks } from '../state/lock-entries.js';
import { Unsaved } from './unsaved.js';

export class LedgerBook {
  readonly #unsaved = new Unsaved<LedgerEntry>();

  constructor(private readonly emit: Emit) {}

  readonly add = (entry: LedgerEntry): void => {
    this.#unsaved.add(entry);
    const { oid: _, ...told } = entry;
    this.emit('lock:taken', told);
  };

  /** Not while a lock is held: a write of ours has no business there. */
  async save(session: Session, id: number): Promise<void> {
    await this.#unsaved.save((entries) => storeLocks(session, id, entries));
  }
}

/** For a command that is no run: the locks it took are kept in the state at its end, also when that is a failure. */
export async function withLedger<T>(
  session: Session,
  id: number,
  work: (onLock: (entry: LedgerEntry) => void) => Promise<T>,
): Promise<T> {
  const entries: LedgerEntry[] = [];
  let result: T;
  try {
    result = await work((entry) => entries.push(entry));
  } catch (error) {
    // It may be the connection that is gone.
    await storeLocks(session, id, entries).catch(() => undefined);
    throw error;
  }
  await storeLocks(session, id, entries);
  return result;
}
