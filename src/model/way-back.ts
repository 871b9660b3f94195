/**
 * How rows that are written after the swap can come into the old table, as `plan` works it out before anything starts. Facts only:
 * plain data, stored with the plan.
 */
import type { ColumnMapping } from './column-mapping.js';
import type { IdRoom } from './id-room.js';
import type { ProjectedColumn, Projection } from './projection.js';

export type BackVerdict =
  /** Every write fits, or is named where it does not. */
  | 'keeps'
  /** Rows come back, but not all that was in them: `loses`. */
  | 'loses'
  /** It can be said with `--reverse`, and was not: `needs`. */
  | 'needs-reverse'
  /** `against`. */
  | 'impossible'
  /** Nobody wants it (`--no-rollback-window`). */
  | 'declined';

export interface WayBack {
  readonly verdict: BackVerdict;
  /** From the new table to the old one; null where rows cannot go that way, or are not to. */
  readonly way: Inverse | null;
  readonly loses: readonly Loss[];
  readonly needs: readonly NeededReverse[];
  readonly against: readonly BackObstacle[];
  /** Columns of the old table of which no more is known than that the rows that were looked at are the same there and back. */
  readonly sampled: readonly string[];
  /** Whether rows were looked at; it may take too long, or not be allowed. */
  readonly isTried: boolean;
  /** Columns that ids are drawn for, and that hold more of them in the new table. */
  readonly ids: readonly IdRoom[];
  /** What the new shape allows and the old one does not: rows that make use of it are not brought back until they are corrected. */
  readonly narrower: readonly Narrower[];
}

/** What cannot be read off the way there. */
export interface Inverse {
  /** From a row of the new table to a row of the old one. */
  readonly projection: Projection;
  /** How each column of the old table gets its value; those that are `kept` count as `default`. */
  readonly columns: readonly ColumnMapping[];
  /** From rows that have the new table's key columns to the old one's. NULL: the old table has no room for such a key. */
  readonly keyProjection: Projection;
  /** The unique index of the new table over its key. */
  readonly keyIndex: string;
  /** For all that is known two keys of the new table may lead back to one of the old one. */
  readonly mayCollide?: boolean;
  /** Columns that only the old table has; none where it is left out. */
  readonly kept?: readonly KeptColumn[];
  /**
   * Columns whose values the change may not keep: over a row of the old table, what they are there and back. To be compared with
   * in place of the column, since nobody has brought back the rows that were not written.
   */
  readonly canonical?: readonly ProjectedColumn[];
}

/** It keeps its value in rows that the old table has already, by their key, and is not in the projection. */
export interface KeptColumn {
  readonly name: string;
  /** For rows that it does not have: SQL without columns; null: the column's own default. */
  readonly otherwise: string | null;
}

/** What a rollback does not bring back. */
export interface Loss {
  readonly what:
    /** A column that only the new table has: its values go. */
    | 'added'
    /** A column that only the old table has: rows that are new, or whose key is, get its default. */
    | 'dropped'
    /** The old table generates it, the new one does not. */
    | 'recomputed'
    /** The change itself does not keep each value, as was seen: rows that are written come back as it left them. */
    | 'converted';
  readonly column: string;
}

/** A column of the old table. */
export interface NeededReverse {
  readonly column: string;
  readonly why:
    /** USING or --set gave the new value. */
    | 'computed'
    /** PostgreSQL has no cast back. */
    | 'no-cast'
    /** It is dropped, NOT NULL, and has no default for new rows. */
    | 'no-default';
}

export type BackObstacle =
  /** No key finds the rows, and nothing is copied at all. */
  | { readonly what: 'no-key' }
  /** The new table has no unique index over these, by which rows would be found. */
  | { readonly what: 'no-index'; readonly columns: readonly string[] }
  /** A column of the new table's key that can be NULL. */
  | { readonly what: 'key-nullable'; readonly column: string }
  /** A key column of the old table, whose --reverse is made of more than the key, or is another value each time. */
  | { readonly what: 'key-reverse'; readonly column: string }
  /** PostgreSQL's message for a row that was tried. */
  | { readonly what: 'fails'; readonly message: string };

export type Narrower =
  | { readonly what: 'type'; readonly column: string; readonly type: string; readonly newType: string }
  | { readonly what: 'not null'; readonly column: string }
  /** A constraint or unique index of the old table. */
  | { readonly what: 'check' | 'unique' | 'exclusion' | 'foreign key'; readonly name: string };
