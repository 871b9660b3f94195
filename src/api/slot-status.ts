/** The replication slot of a migration as `status` tells it. */
import { readSlots, readWalBounds, type SlotFacts } from '../catalog/slots.js';
import type { Session } from '../db/session.js';
import { isSlotOfSql } from '../sql/marks.js';
import { slotConcern, slotLimits, type SlotConcern } from '../throttle/slot-rule.js';

export interface SlotStatus extends Omit<SlotFacts, 'isOfThisDatabase'> {
  /**
   * What there is to say against it. `elsewhere`: it is that of another database, and stays. `lost`: the server has given it up.
   * `unreserved`: it may at any time. `left`: nobody needs it any more. `much`: the server keeps more for it than it should. `unread`:
   * nobody reads it.
   */
  readonly concern: SlotConcern | null;
}

export interface SlotQuestion {
  readonly identity: string;
  /** The migration still captures. */
  readonly isNeeded: boolean;
  /** As its last run had it. */
  readonly maxRetainedWal: number | null;
}

/** null: there is none. */
export async function readSlotStatus(
  session: Session,
  { identity, isNeeded, maxRetainedWal }: SlotQuestion,
): Promise<SlotStatus | null> {
  const [found] = await readSlots(session, isSlotOfSql('s.slot_name::text', '$1'), identity);
  if (found === undefined) return null;
  const { max } = slotLimits(await readWalBounds(session), { maxRetainedWal });
  const { isOfThisDatabase: _, ...slot } = found;
  return { ...slot, concern: slotConcern(found, { max, isNeeded }) };
}
