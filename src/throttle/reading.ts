/** What a signal gives. */
import type { SignalName } from './limits.js';

export interface Reading {
  readonly signal: SignalName;
  /** In the unit of its limit; of a switch, above 0 is on. null: it cannot be read now. */
  readonly value: number | null;
  /** Which replica, slot, table: readings of one signal with different subjects are judged apart. */
  readonly subject?: string;
  /** Why it cannot be read, or the value as people should see it. */
  readonly detail?: string;
  /** Where those that people set do not say all of it. */
  readonly limits?: { readonly max: OwnLimit | null; readonly critical: OwnLimit | null };
}

/** Of one reading. */
export interface OwnLimit {
  /** In the reading's unit. */
  readonly value: number;
  /** Ends the sentence "retained WAL ... is above". */
  readonly text: string;
}
