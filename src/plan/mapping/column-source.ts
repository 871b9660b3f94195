/** Where a column of the target comes from. */
import type { Column } from '../../model/table-shape.js';
import type { Refusal } from '../../errors.js';
import type { UserExpression } from '../change/types.js';
import type { ColumnMapping } from '../../model/column-mapping.js';

type ColumnValue =
  /** The source column as it is. */
  | { readonly kind: 'pass' }
  /** `USING`: over the columns as they were before that statement (its index). */
  | { readonly kind: 'using'; readonly expression: UserExpression; readonly statement: number }
  /** `--set`: over the source row. */
  | { readonly kind: 'set'; readonly expression: UserExpression }
  | { readonly kind: 'constant'; readonly sql: string };

export interface ColumnSource {
  readonly target: Column;
  /** The same column before the change. */
  readonly source: Column | null;
  readonly how: Exclude<ColumnMapping['how'], 'dropped'>;
  /** null: the column is left out of the INSERT, and the table gives the value. */
  readonly value: ColumnValue | null;
  /** Names of the source columns that the value is made of. */
  readonly dependsOn: readonly string[];
  /** Each evaluation may give another value. */
  readonly volatile?: boolean;
  /** See `ColumnMapping`. */
  readonly keepsValues?: boolean;
}

export interface FoundSource {
  readonly source: Omit<ColumnSource, 'target' | 'source'>;
  readonly refusals: readonly Refusal[];
}
