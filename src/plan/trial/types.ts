/** What the trial on the empty clone has shown. */
import type { TableShape } from '../../model/table-shape.js';
import type { TriedDefinitions } from './definitions/try-definitions.js';
import type { NativeTrial } from './definitions/try-native.js';
import type { Refusal } from '../../errors.js';
import type { CheckedForeignKey, LateCheck } from '../../model/late-check.js';

/** A column at one moment of the trial. */
export interface TrialColumn {
  /** Identity: a rename or a retype keeps it. */
  readonly attnum: number;
  readonly name: string;
  readonly typeOid: number;
  readonly typmod: number;
  /** `format_type`. */
  readonly type: string;
}

/** The clone after one statement. */
export interface TrialStep {
  readonly columns: readonly TrialColumn[];
  /** The heap's file; another one means that PostgreSQL wrote the table anew. */
  readonly filenode: number;
  /** One for each index, with its file. */
  readonly indexes: readonly { readonly name: string; readonly filenode: number }[];
  /** How often this statement read the whole table; null when the server does not count (`track_counts` off). */
  readonly scans: number | null;
}

/** What the rows that exist get in a column that the change adds. */
export type AddedValue =
  /** The same for every row, as PostgreSQL evaluated it once; null = NULL. */
  | { readonly kind: 'constant'; readonly value: string | null; readonly type: string }
  /** Another for every row (`random()`, a sequence): the column's default evaluates it. */
  | { readonly kind: 'volatile' };

export interface Trial {
  /** The clone as it was built: what the source is. */
  readonly before: TableShape;
  readonly start: TrialStep;
  /** One for each statement of the change. */
  readonly steps: readonly TrialStep[];
  /** With its copies of serials' sequences. */
  readonly changed: TableShape;
  /** The shadow that it becomes: it shares these with the source. */
  readonly after: TableShape;
  /** By attnum. */
  readonly added: ReadonlyMap<number, AddedValue>;
  /** Columns (attnum) of another type than before, which has a cast back to that. */
  readonly castsBack: ReadonlySet<number>;
  /** What event triggers added to the clone, and was taken off again. */
  readonly takenOff: readonly string[];
  /** What event triggers do not let a run make, move or drop. */
  readonly forbidden: readonly Refusal[];
  readonly lateChecks: readonly LateCheck[];
  readonly checkedForeignKeys: readonly CheckedForeignKey[];
  readonly definitions: TriedDefinitions;
  /** null where the change needs a copy anyway. */
  readonly native: NativeTrial | null;
}
