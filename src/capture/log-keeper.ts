/**
 * Keeps the change log small while the migration runs: changes the segment that capture writes to, and empties the other.
 *
 * Whoever reads the log in a snapshot locks all of its tables first (ACCESS SHARE): what is moved or truncated here is either
 * gone before that snapshot or stays until it is. Nobody waits for us: a segment that somebody has open is left alone.
 */
import { readBlocksOf } from '../catalog/sizes.js';
import type { Session } from '../db/session.js';
import { SqlState, sqlState } from '../db/sqlstate.js';
import type { Key } from '../model/key.js';
import { qualified } from '../sql/quote.js';
import type { QualifiedName } from '../model/name.js';
import { changeLog, compactStatements, type SegmentedLog } from './key-log.js';
import { switchSegmentStatements } from './triggers/trigger-sql.js';

export interface LogKeeperOptions {
  readonly id: number;
  readonly key: Key;
  /** The segment that capture writes to now, 0 or 1. */
  readonly active: number;
  /** The statement that stores another one; runs in the transaction that switches. */
  readonly storeActive: (segment: number) => string;
}

export class LogKeeper {
  readonly log: SegmentedLog;
  #active: number;

  constructor(private readonly options: LogKeeperOptions) {
    this.log = changeLog(options.id, options.key);
    this.#active = options.active;
  }

  /** As the state has it: after a connection that broke at the commit of a switch. */
  restore(active: number): void {
    this.#active = active;
  }

  get active(): QualifiedName {
    return this.log.segments[this.#active === 0 ? 0 : 1];
  }

  /** The segment that capture does not write to; transactions that are open since before the switch still may. */
  get idle(): QualifiedName {
    return this.log.segments[this.#active === 0 ? 1 : 0];
  }

  get others(): readonly QualifiedName[] {
    return [this.log.pending, this.idle];
  }

  async blocks(session: Session, table: QualifiedName): Promise<number> {
    return await readBlocksOf(session, table);
  }

  /**
   * Capture goes on in the other segment, which must be empty. Takes no lock on any table; transactions that have written
   * already may go on in this one.
   *
   * @returns false when the other one is not empty
   */
  async switch(session: Session): Promise<boolean> {
    if ((await this.blocks(session, this.idle)) > 0) return false;
    const next = 1 - this.#active;
    const { id, key, storeActive } = this.options;
    await session.transaction(async () => {
      await session.batch([...switchSegmentStatements({ id, key }, next), storeActive(next)]);
    });
    this.#active = next;
    return true;
  }

  /**
   * Gives the disk of a table of the log back, unless it is in use or has entries that are not applied.
   *
   * @param table never the active segment: the application would wait
   */
  async empty(session: Session, table: QualifiedName): Promise<boolean> {
    if ((await this.blocks(session, table)) === 0) return true;
    return await this.#alone(session, table, async () => {
      const { used } = await session.row<{ used: boolean }>(
        `select exists (select from only ${qualified(table)}) as used`,
      );
      if (used) return false;
      await session.batch([`truncate only ${qualified(table)}`]);
      return true;
    });
  }

  /** The idle segment's keys go to `pending`. @returns false when somebody still has it open */
  async compact(session: Session): Promise<boolean> {
    if ((await this.blocks(session, this.idle)) === 0) return true;
    return await this.#alone(session, this.idle, async () => {
      await session.batch(compactStatements(this.log, this.idle));
      return true;
    });
  }

  /** Runs `work` in a transaction that has the table for itself; false when it cannot have it at once. */
  async #alone(session: Session, table: QualifiedName, work: () => Promise<boolean>): Promise<boolean> {
    try {
      return await session.transaction(async () => {
        await session.batch([`lock table only ${qualified(table)} in access exclusive mode nowait`]);
        return await work();
      });
    } catch (error) {
      if (sqlState(error) !== SqlState.lockNotAvailable) throw error;
      return false;
    }
  }
}
