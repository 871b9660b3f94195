/**
 * Two tables of which one follows the other: what is written in `from` is to be in `to`. Apply, verification and the drain work
 * on a stream, and do not know which of the two the application uses. Pure.
 */
import type { Key } from '../model/key.js';
import type { KeyLog } from '../model/key-log.js';
import type { QualifiedName } from '../model/name.js';
import type { PinnedSettings } from '../model/plan.js';
import type { Projection } from '../model/projection.js';
import { keyMatches, type KeyMatch } from './key-match.js';
import type { Way } from './way.js';

export interface Stream {
  /** Migration id, for messages. */
  readonly id: number;
  /** Where rows are written. */
  readonly from: QualifiedName;
  /** Where they are brought to. */
  readonly to: QualifiedName;
  /** From a row of `from` to a row of `to`. */
  readonly projection: Projection;
  readonly key: Key;
  /** Under which projections and keys are evaluated (invariant 13). */
  readonly settings: PinnedSettings;
  /** How each key column is compared in either table, in the order of `Key.columns`. */
  readonly match: readonly KeyMatch[];
  /** Which keys were written in `from`, and are not applied in `to` yet; null where nobody keeps it (any more). */
  readonly log: KeyLog | null;
  readonly told: Told;
}

/** What people call its ends. */
export interface Told {
  /** `the new table`. */
  readonly to: string;
  /** Of that. */
  readonly shape: string;
  /** What is well when rows cannot be applied. */
  readonly untouched: string;
  /** What state things are in when rows cannot be compared. */
  readonly uncompared: string;
}

export const toldForward: Told = {
  to: 'the new table',
  shape: 'the new shape',
  untouched: 'source untouched',
  uncompared: 'nothing was swapped; the source is untouched, and the migration keeps its state',
};

/** From the new table to the one from before it. */
export const toldBack: Told = {
  to: 'the table from before',
  shape: 'the shape from before',
  untouched: 'the new table is untouched',
  uncompared: 'nothing was exchanged, and the new table stays in use',
};

/** The same way, once the tables are swapped. */
export const toldAfterSwap: Told = {
  ...toldForward,
  uncompared: 'the tables are swapped, and nothing was changed now',
};

export interface StreamFacts {
  readonly id: number;
  readonly way: Way;
  /** Under the names that they have now. */
  readonly from: QualifiedName;
  readonly to: QualifiedName;
  readonly log: KeyLog | null;
  /** The forward way's, if not given. */
  readonly told?: Told;
}

export function streamOf({ id, way, from, to, log, told = toldForward }: StreamFacts): Stream {
  const { key, projection, settings } = way;
  return {
    id,
    from,
    to,
    projection,
    key,
    settings,
    match: keyMatches(key, way.from, way.to),
    log,
    told,
  };
}
