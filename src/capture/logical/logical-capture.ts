/** Capture from the WAL: nothing of ours in the application's transactions; a slot keeps what was not read yet. */
import type { OwnOnTable } from '../../catalog/fingerprint.js';
import { ReplicationStream } from '../../db/replication.js';
import type { Session } from '../../db/session.js';
import { relaxedCommit } from '../../db/settings.js';
import { messageOf } from '../../db/sqlstate.js';
import { advice, toDo } from '../../advice.js';
import { FailedError } from '../../errors.js';
import { captureModes } from '../../model/capture-mode.js';
import type { QualifiedName } from '../../model/name.js';
import { displayName } from '../../sql/quote.js';
import { slotName } from '../../sql/marks.js';
import {
  CaptureLost,
  type Capture,
  type CaptureFacts,
  type FollowedRun,
  type Following,
  type OpenWork,
  type Renewal,
} from '../capture.js';
import { columnsOf, keyType, segmentedLog, type SegmentedLog } from '../key-log.js';
import { LogKeeper } from '../log-keeper.js';
import { setRightCapture } from '../set-right.js';
import { Feed } from './feed.js';
import {
  createFeedStatements,
  dropFeedStatements,
  dropPublicationStatement,
  firstPositionStatement,
  markFeedStatements,
  positionTable,
  publishedColumns,
  publishedPositions,
  publicationName,
  publicationStatements,
} from './publication-sql.js';
import { createSlot, releaseSlot } from './slot.js';
import { SlotRenewal } from './slot-renewal.js';

export class LogicalCapture implements Capture {
  readonly mode = 'logical';
  readonly looks = null;
  readonly nature = captureModes.logical;
  readonly log: SegmentedLog;
  readonly keeper: LogKeeper;
  readonly tables: readonly QualifiedName[];
  readonly own: OwnOnTable;
  readonly slots: readonly string[];
  readonly renewal: Renewal;
  #feed: Feed | null = null;

  constructor(private readonly facts: CaptureFacts) {
    const { suffix, key, active } = facts;
    const log = segmentedLog(suffix, key, true);
    this.log = log;
    // The feed asks which segment it is with each write.
    this.keeper = new LogKeeper({ log, active, redirectStatements: () => [] });
    this.tables = [...log.parts, log.truncations, positionTable(suffix)];
    this.renewal = new SlotRenewal(facts);
    this.own = { triggers: [], publications: [publicationName(suffix)] };
    this.slots = [slotName(facts)];
  }

  readonly open = async (work: OpenWork): Promise<void> => {
    const { session, locked } = work;
    // Before the slot: what is decoded is decoded by the catalog of its moment, and that must have it.
    const columns = await publishedColumns(session, this.facts);
    await locked(publicationStatements(this.facts, columns));
    await createSlot(work, this.facts);
  };

  async create(session: Session): Promise<void> {
    const { suffix, key } = this.facts;
    await session.batch([...createFeedStatements(suffix, key), ...markFeedStatements(this.facts, suffix)]);
    const columns = [...columnsOf(this.log), 'lsn', 'is_whole'];
    await setRightCapture(session, { tables: this.tables, columns, functions: [] });
    await session.batch([firstPositionStatement(suffix)]);
  }

  /** The slot was there before. */
  beginStatements(): readonly string[] {
    return [];
  }

  /** All of it is published as long as these are the same rows of the catalog. That nothing is missing in the slot, the server sees to. */
  isIntact(now: string | null, begun: string | null): boolean {
    return now !== null && (begun === null || now === begun);
  }

  interruption(): string {
    return `${this.nature.parts} of ${displayName(this.facts.table)} was dropped or altered: writes may be missing from the log`;
  }

  async follow(run: FollowedRun): Promise<Following> {
    const { suffix, key, id } = this.facts;
    const session = await run.open('feed', relaxedCommit);
    // It is seen when it is on the disk of this server; the slot is of this server, too.
    const beacon = await run.open('beacon', { synchronous_commit: 'local' });
    const positions = await publishedPositions(session, {
      suffix,
      table: run.table.oid,
      columns: key.columns.map(
        ({ name }) => run.table.columns.find((column) => column.name === name)?.attnum ?? 0,
      ),
    });
    if (positions === null) throw this.#unpublished();
    // A run that was not told that it is over may read it still.
    await releaseSlot(session, slotName(this.facts));
    const stream = await ReplicationStream.open({
      connection: run.connection,
      applicationName: `pg-ghost ${id} stream`,
    });
    try {
      this.#feed = await Feed.start({
        id,
        stream,
        session,
        beacon,
        slot: slotName(this.facts),
        publication: publicationName(suffix),
        table: run.table.oid,
        positions,
        log: this.log,
        segment: () => this.keeper.active,
        key,
        keyType: keyType(suffix),
        position: positionTable(suffix),
      });
      return this.#feed;
    } catch (error) {
      await stream.close();
      throw (await this.renewal.isLost(session))
        ? new CaptureLost(messageOf(error), { cause: error })
        : error;
    }
  }

  async upTo(_moment: string, signal: AbortSignal = new AbortController().signal): Promise<void> {
    if (this.#feed === null) throw new Error('nobody reads the slot');
    await this.#feed.upTo(signal);
  }

  endStatements(): readonly string[] {
    return [dropPublicationStatement(this.facts.suffix)];
  }

  async rehearse(): Promise<void> {}

  dropStatements(): readonly string[] {
    return dropFeedStatements(this.facts.suffix);
  }

  #unpublished(): FailedError {
    return new FailedError('capture-interrupted', this.interruption(), {
      state: 'the source is untouched; what was written since is not in the log, nothing was swapped',
      hint: advice`${toDo('abort', this.facts.id)}, then run again`,
    });
  }
}
