/**
 * A later turn of a migration, as a plan: back to the table from before the change, or forward to the new one again. Both are there
 * whole, so nothing is tried and nothing is built: what comes onto the table is what was on it before. Pure.
 */
import {
  fromBefore,
  type Definitions,
  type ForeignKey,
  type TargetDefinitions,
  type View,
} from '../model/definitions.js';
import type { SerialFate } from '../model/column-mapping.js';
import type { Direction } from '../model/direction.js';
import type { PlannedDependent } from '../model/dependent.js';
import type { CopyPlan } from '../model/plan.js';
import type { TableShape } from '../model/table-shape.js';
import { displayName } from '../sql/quote.js';
import { waysOf, type Way } from '../stream/way.js';
import { lockSet } from './inventory/lock-set.js';

export interface TurnFacts {
  readonly direction: Direction;
  /** The change. */
  readonly plan: CopyPlan;
  /** The new table, as it was built. */
  readonly target: TableShape;
  /** The table that is in use, and what hangs on it, as it is now. */
  readonly inUse: {
    readonly shape: TableShape;
    readonly definitions: Definitions;
    readonly dependents: readonly PlannedDependent[];
  };
  /** The one that comes into use. */
  readonly kept: TableShape;
}

/** null where rows cannot go that way. */
export function turnPlan(facts: TurnFacts): CopyPlan | null {
  const { direction, plan, target, inUse, kept } = facts;
  const way = waysOf(plan, target)[direction];
  if (way === null) return null;
  const becomes = presentOids(
    direction === 'back' ? fromBefore(plan.definitions) : plan.definitions.target,
    facts,
  );
  const { shape, definitions, dependents } = inUse;
  return {
    ...plan,
    reasons: [],
    statements: [],
    dependents,
    source: shape,
    target: kept,
    ...rowsOf(way, direction),
    key: { ...way.key, needsHelperIndex: false },
    definitions: { source: definitions, target: becomes },
    back: null,
    serials: direction === 'back' ? plan.serials.map(undone) : plan.serials,
    lateChecks: [],
    checkedForeignKeys: [],
    // What is written after a swap is collected by triggers.
    capture: 'triggers',
    lockSet: lockSet(
      { oid: shape.oid, name: shape.name },
      {
        ...becomes,
        foreignKeysIn: [...becomes.foreignKeysIn, ...definitions.foreignKeysIn],
        foreignKeysOut: [...becomes.foreignKeysOut, ...definitions.foreignKeysOut],
      },
    ),
  };
}

/**
 * How rows get there. Forward once more a column that was added with a default, or filled with values that are others each time, has
 * values of its own by now: they are kept where the row is there, and given only to rows that are new.
 */
function rowsOf(
  { columns, projection, kept = [], canonical = [], to }: Way,
  direction: Direction,
): Pick<CopyPlan, 'columns' | 'projection' | 'kept' | 'canonical'> {
  if (direction === 'back') return { columns, projection, kept, canonical };
  const added = new Map(
    columns.flatMap(({ how, source, target, expression }) =>
      how === 'default' && source === null && target !== null ? [[target, expression] as const] : [],
    ),
  );
  const isPlain = ({ name }: { readonly name: string }): boolean => !added.has(name);
  return {
    columns,
    projection: {
      ...projection,
      layers: projection.layers.map((layer, index) =>
        index === projection.layers.length - 1 ? layer.filter(isPlain) : layer,
      ),
    },
    kept: to.columns.flatMap(({ name, generated }) => {
      if (generated !== 'none') return [];
      const isVolatile = columns.some(
        ({ target, source, volatile }) => target === name && source === null && volatile === true,
      );
      return added.has(name) || isVolatile ? [{ name, otherwise: added.get(name) ?? null }] : [];
    }),
  };
}

/** Views may have been made anew since, and each of the two tables has the name in its turn. */
function presentOids(definitions: TargetDefinitions, { inUse, kept }: TurnFacts): TargetDefinitions {
  const views = new Map(inUse.definitions.views.map((view) => [displayName(view.name), view.oid]));
  const viewOid = ({ name, oid }: View): number => views.get(displayName(name)) ?? oid;
  const tableOid = (oid: number): number => (oid === kept.oid ? inUse.shape.oid : oid);
  const ofKey = (key: ForeignKey): ForeignKey => ({
    ...key,
    tableOid: tableOid(key.tableOid),
    referencesOid: tableOid(key.referencesOid),
  });
  return {
    ...definitions,
    views: definitions.views.map((view) => ({ ...view, oid: viewOid(view) })),
    foreignKeysIn: definitions.foreignKeysIn.map(ofKey),
    foreignKeysOut: definitions.foreignKeysOut.map(ofKey),
  };
}

/** It stays the same object: as it was, and its column's again. */
function undone({ sequence, type, persistence }: SerialFate): SerialFate {
  return {
    sequence,
    column: sequence.column,
    type: type === null ? null : sequence.type,
    persistence: persistence === null ? null : sequence.unlogged === true ? 'unlogged' : 'logged',
  };
}
