/** WAL that the server keeps for the slots of the migration itself: read whether or not a limit is given (slot-rule.ts). */
import { readSlotsNamed, readWalBounds, type SlotFacts } from '../../catalog/slots.js';
import type { Signal } from '../signal.js';
import { slotLimits, slotPressure, type SlotPressure } from '../slot-rule.js';

export interface SlotWalOptions {
  /** None where capture has none. One that is not there yet, or is lost, has no reading: whoever reads it will know. */
  readonly slots: readonly string[];
  readonly onRead?: (slot: SlotFacts) => void;
  readonly now?: () => number;
}

/** Bytes, one reading a slot, with limits of its own. */
export function slotWal({ slots, onRead, now = () => performance.now() }: SlotWalOptions): Signal {
  const pressures = new Map<string, SlotPressure>();
  return {
    names: ['slot-wal'],
    async read(session, limits) {
      if (slots.length === 0) return [];
      const found = await readSlotsNamed(session, slots);
      const { max, critical } = slotLimits(await readWalBounds(session), limits);
      return found.flatMap((slot) => {
        const { name, retainedBytes } = slot;
        onRead?.(slot);
        if (retainedBytes === null) return [];
        const before = pressures.get(name) ?? null;
        const { pressure, isStuck } = slotPressure(slot, critical, before, now());
        if (pressure === null) pressures.delete(name);
        else pressures.set(name, pressure);
        return [
          {
            signal: 'slot-wal' as const,
            subject: `slot ${name}`,
            value: retainedBytes,
            limits: { max, critical: isStuck ? critical : null },
          },
        ];
      });
    },
  };
}
