/**
 * Keeps the change log small while the migration runs: changes the segment that capture writes to, and empties the other.
 *
 * Whoever reads the log in a snapshot locks all of its tables first (ACCESS SHARE): what is moved or truncated here is either
 * gone before that snapshot or stays until it is. Nobody waits for us: a segment that somebody has open is left alone.
 */
import { readBlocksOf } from '../catalog/sizes.js';
import type { Session } from '../db/session.js';
import { SqlState, sqlState } from '../db/sqlstate.js';
import { qualified } from '../sql/quote.js';
import type { QualifiedName } from '../model/name.js';
import { compactStatements, type SegmentedLog } from './key-log.js';

/** Which segment capture writes to, 0 or 1, as the state has it. */
export interface ActiveSegment {
  readonly now: number;
  /** Another session's word, after a connection that broke at the commit of a switch; null when there is no state any more. */
  readonly read: (session: Session) => Promise<number | null>;
  /** The statement that stores another one; runs in the transaction that switches. */
  readonly storeStatement: (segment: number) => string;
}

export interface LogKeeperOptions {
  readonly log: SegmentedLog;
  readonly active: ActiveSegment;
  /** Capture's: what makes it go on in another segment. */
  readonly redirectStatements: (segment: number) => readonly string[];
}

/** 8 MB, some 200,000 writes of a bigint key: below that there is nothing to gain. */
const longSegmentBlocks = 1024;

/** Between two durable steps. */
export type KeeperPoint = 'log-compacted' | 'log-switched';

export class LogKeeper {
  readonly log: SegmentedLog;
  #active: number;

  constructor(private readonly options: LogKeeperOptions) {
    this.log = options.log;
    this.#active = options.active.now;
  }

  async restore(session: Session): Promise<void> {
    this.#active = (await this.options.active.read(session)) ?? this.#active;
  }

  get activeNumber(): number {
    return this.#active;
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
    const { redirectStatements, active } = this.options;
    await session.transaction(async () => {
      await session.batch([...redirectStatements(next), active.storeStatement(next)]);
    });
    this.#active = next;
    return true;
  }

  /** While nobody applies: when the segment has grown capture goes on in the other, and what was in it is kept once for each key. */
  async shorten(session: Session, at: (point: KeeperPoint) => Promise<void>): Promise<void> {
    if ((await this.blocks(session, this.idle)) > 0) {
      if (!(await this.compact(session))) return;
      await at('log-compacted');
    }
    if ((await this.blocks(session, this.active)) < longSegmentBlocks) return;
    await this.switch(session);
    await at('log-switched');
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
