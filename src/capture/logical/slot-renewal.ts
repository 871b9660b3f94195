/** A slot that is gone, or whose WAL the server has given up: known by the catalog, never by a message; and made anew. */
import type { Session } from '../../db/session.js';
import { qualified, sql } from '../../sql/quote.js';
import { slotName } from '../../sql/marks.js';
import type { CaptureFacts, Renewal, UnlockedWork } from '../capture.js';
import { positionTable } from './publication-sql.js';
import { createSlot, dropSlots } from './slot.js';

/** A slot is on disk at once: a server that crashes must not remember the new one, and not the gap before it. */
const toStay = { synchronous_commit: 'local' };

export class SlotRenewal implements Renewal {
  readonly what = 'the replication slot';
  readonly #slot: string;
  readonly #position: string;

  constructor(private readonly facts: CaptureFacts) {
    this.#slot = slotName(facts);
    this.#position = qualified(positionTable(facts.suffix));
  }

  /** `unreserved` may be caught up with yet. Servers before 17 give no reason, those before 16 know of no conflict. */
  async isLost(session: Session): Promise<boolean> {
    const { alive } = await session.row<{ alive: boolean }>({
      text: sql`
        select exists (
          select from pg_replication_slots as s
          where s.slot_name = $1
            and s.wal_status is distinct from 'lost'
            and to_jsonb(s) ->> 'invalidation_reason' is null
        ) as alive`,
      values: [this.#slot],
    });
    return !alive;
  }

  /** The position goes with it: it says which transactions of the slot are in the log, and the new slot has none of those. */
  async recordGap(session: Session): Promise<void> {
    await session.transaction(
      () => session.execute(`update ${this.#position} set lsn = '0/0', is_whole = false`),
      { settings: toStay },
    );
  }

  async hasGap(session: Session): Promise<boolean> {
    const { gap } = await session.row<{ gap: boolean }>(
      `select exists (select from ${this.#position} where not is_whole) as gap`,
    );
    return gap;
  }

  async renew(work: UnlockedWork, removed: () => Promise<void>): Promise<void> {
    await dropSlots(work.session, [this.#slot]);
    await removed();
    await createSlot(work, this.facts);
  }

  async recordWhole(session: Session): Promise<void> {
    await session.execute(`update ${this.#position} set is_whole = true`);
  }
}
