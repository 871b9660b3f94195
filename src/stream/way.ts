/** One direction of a change, as the plan has it: all of a stream but where its tables and its log are. Plain data. */
import type { Key } from '../model/key.js';
import type { ColumnMapping } from '../model/column-mapping.js';
import type { PinnedSettings } from '../model/plan.js';
import type { ProjectedColumn, Projection } from '../model/projection.js';
import type { TableShape } from '../model/table-shape.js';
import type { Inverse, KeptColumn, WayBack } from '../model/way-back.js';

export interface Way {
  /** The shape of the table whose rows are read. */
  readonly from: TableShape;
  /** The shape of the table that follows it. */
  readonly to: TableShape;
  /** Its `name`s are of `from`, its `targetName`s of `to`. */
  readonly key: Key;
  /** From a row of `from` to a row of `to`. */
  readonly projection: Projection;
  /** How each column of `to` gets its value. */
  readonly columns: readonly ColumnMapping[];
  /** Under which all of its expressions are evaluated (invariant 13). */
  readonly settings: PinnedSettings;
  /** Columns of `to` that keep their value in rows that it has already; none where it is left out. */
  readonly kept?: readonly KeptColumn[];
  /** See `Inverse`. */
  readonly canonical?: readonly ProjectedColumn[];
}

/** What a plan to copy has to say of them. */
export interface Ways {
  /** From the source to the new table. */
  readonly forward: Way;
  /** From the new table to the old one, once they are swapped; null where there is none. */
  readonly back: Way | null;
}

export interface Planned extends Pick<Way, 'key' | 'projection' | 'columns' | 'settings'> {
  readonly source: TableShape;
  readonly kept?: readonly KeptColumn[];
  readonly canonical?: readonly ProjectedColumn[];
  /** null, or left out: no way back was planned. */
  readonly back?: WayBack | null;
}

/** @param target the shape of the new table, as it was built */
export function waysOf({ source, back, kept, canonical, ...planned }: Planned, target: TableShape): Ways {
  const { key, projection, columns, settings } = planned;
  const forward = {
    from: source,
    to: target,
    key,
    projection,
    columns,
    settings,
    ...(kept === undefined ? {} : { kept }),
    ...(canonical === undefined ? {} : { canonical }),
  };
  const way = back?.way ?? null;
  return { forward, back: way === null ? null : inverse(forward, way) };
}

/** The way back: the ends exchanged, their key with them. */
export function inverse(
  way: Way,
  { projection, columns, keyProjection, keyIndex, mayCollide, kept, canonical }: Inverse,
): Way {
  const collationOf = (name: string): string | null =>
    way.to.columns.find((column) => column.name === name)?.collation ?? null;
  return {
    from: way.to,
    to: way.from,
    key: {
      index: keyIndex,
      columns: way.key.columns.map(({ name, type, targetName, targetType }) => ({
        name: targetName,
        type: targetType,
        collation: collationOf(targetName),
        targetName: name,
        targetType: type,
      })),
      projection: keyProjection,
      // The index that found the rows of `from` finds them still.
      needsHelperIndex: false,
      ...(mayCollide === true ? { mayCollide } : {}),
    },
    projection,
    columns,
    settings: way.settings,
    ...(kept === undefined ? {} : { kept }),
    ...(canonical === undefined ? {} : { canonical }),
  };
}
