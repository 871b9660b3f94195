/** What the user asked for, as they wrote it. Kept in the state: a later `run` must ask for the same. */
export interface ChangeRequest {
  /** `[SCHEMA.]NAME` as given; quoted parts allowed, as in SQL. */
  readonly table: string;
  /** Each is what follows `ALTER TABLE name`. */
  readonly alter: readonly string[];
  /** Whole statements (the contents of `--file`). */
  readonly statements: readonly string[];
  /** `--set COLUMN=EXPRESSION`: computed from the source row. */
  readonly set: readonly { readonly column: string; readonly expression: string }[];
  /** `--reverse COLUMN=EXPRESSION`: a column of the old table, computed from the new row; left out where there is none. */
  readonly reverse?: readonly { readonly column: string; readonly expression: string }[];
  /** Rebuild even when nothing else asks for it. */
  readonly rewrite: boolean;
  /** `recreate`: drop materialized views in the swap, make them again empty, refresh them afterwards. */
  readonly matviews?: 'refuse' | 'recreate';
  /** Go on though a publication of all tables, or of the schema, publishes the shadow and the new table by itself. */
  readonly allowPublicationAll?: boolean;
}
