import type { Projection } from './projection.js';

export interface KeyColumn {
  /** In the source and in the change log. */
  readonly name: string;
  readonly type: string;
  readonly collation: string | null;
  /** In the shadow. */
  readonly targetName: string;
  readonly targetType: string;
  /** How the new type is compared where no unique index of the new shape says so, and it is not as usual (citext). */
  readonly equality?: { readonly operator: string; readonly collation: string | null };
}

/** The row identity: a unique, complete, NOT NULL key of the source. */
export interface Key {
  readonly index: string;
  readonly columns: readonly KeyColumn[];
  /** From rows that have the source's key columns to the shadow's; output columns are the `targetName`s. */
  readonly projection: Projection;
  /** The shadow has no index that finds rows by this key, so one of our own is needed until the swap. */
  readonly needsHelperIndex: boolean;
  /** For all that is known two keys of the source may become one: it is to be found when they do. */
  readonly mayCollide?: boolean;
}

/** `id=7, region=eu`. */
export function keyText(names: readonly string[], values: readonly (string | null)[]): string {
  return names.map((name, index) => `${name}=${values[index] ?? ''}`).join(', ');
}
