import type { QualifiedName } from './name.js';

/** Which keys of a table were written (invariant 3: keys, not rows), and whether it was truncated; whoever feeds it. */
export interface KeyLog {
  /** Every table that may hold a key, in the columns `columns`; what is applied first comes first. */
  readonly parts: readonly QualifiedName[];
  /** The one of them that has each key once. Nobody writes to it but us. */
  readonly pending: QualifiedName;
  /** One row for each TRUNCATE of the table. */
  readonly truncations: QualifiedName;
  /** `k1` ... `kn`, in the order of `Key.columns`: never the table's own names, which could be anything. */
  readonly columns: readonly string[];
  /**
   * Where keys may collide: the column that says how many rows more there are since that write, -1, 0 or 1. Not in `pending`,
   * whose keys count as 0.
   */
  readonly step: string | null;
  /** Keys come some time after the commit of the write, and not with it. */
  readonly lags: boolean;
}
