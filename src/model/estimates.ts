export interface Estimates {
  /** null when the table was never analyzed. */
  readonly rows: number | null;
  readonly tableBytes: number;
  readonly indexBytes: number;
  readonly toastBytes: number;
  /** Extra disk while the migration runs: new table, its indexes, WAL not counted. */
  readonly diskNeededBytes: number;
  /** How long the swap's statements take, by what hangs on the table; null where nothing is swapped. */
  readonly holdMs: number | null;
}

/** What came of a whole swap that was taken back. */
export interface Rehearsal {
  readonly ok: boolean;
  /** How long the statements of the swap took under the lock; null when it failed. */
  readonly holdMs: number | null;
  readonly attempts: number;
  /** What the swap would fail with. */
  readonly error: string | null;
}
