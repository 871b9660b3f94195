import type { OwnedSequence } from './table-shape.js';

/** How one column of the new table gets its value. */
export interface ColumnMapping {
  /** Name in the new table; null for a dropped column. */
  readonly target: string | null;
  readonly targetType: string | null;
  /** Name in the source; null for an added column. */
  readonly source: string | null;
  readonly sourceType: string | null;
  readonly how: 'copied' | 'converted' | 'computed' | 'default' | 'generated' | 'dropped';
  /** USING or --set, as SQL over the source row; for an added column the value that all existing rows get. */
  readonly expression: string | null;
  /** The expression may give another value each time (`random()`, `now()`): the tables cannot be compared by it. */
  readonly volatile?: boolean;
  /** A generated column that the source has as well, with the same expression: ALTER TABLE keeps its stored values. */
  readonly keepsValues?: boolean;
}

/** What becomes of a sequence that a column owns without being an identity column (`serial`), and that lives on. */
export interface SerialFate {
  readonly sequence: OwnedSequence;
  /** The column of the new table that owns it from the swap on. */
  readonly column: string;
  /** The type it grows to; null when it stays. */
  readonly type: string | null;
  /** SET LOGGED and SET UNLOGGED take it along; null when it stays. */
  readonly persistence: 'logged' | 'unlogged' | null;
}
