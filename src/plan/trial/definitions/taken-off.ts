/** What has to be taken off a table so that a column can change its type in place. Pure. */
import type { Definitions, TakenOff, TargetDefinitions, TargetView } from '../../../model/definitions.js';
import { namedObjects } from '../../../sql/definition-names.js';

export interface Choice {
  /** OIDs of what uses a column that gets another type. */
  readonly objects: ReadonlySet<number>;
  readonly views: ReadonlySet<number>;
  /** Views with other output columns after the change. */
  readonly changed: ReadonlySet<number>;
}

/** Views that use the column; those are dropped whose output changes, and then those that read them. */
export function takenViews(
  views: TargetDefinitions['views'],
  { views: direct, changed }: Pick<Choice, 'views' | 'changed'>,
): TargetView[] {
  const dropped = new Set<number>();
  return views.flatMap((view): TargetView[] => {
    const readsDropped = view.reads.some((oid) => dropped.has(oid));
    if (!readsDropped && !direct.has(view.oid)) return [];
    const recreate = readsDropped || view.materialized || changed.has(view.oid);
    if (recreate) dropped.add(view.oid);
    return [{ ...view, how: recreate ? 'recreate' : 'replace' }];
  });
}

export function takenOff(
  source: Definitions,
  target: TargetDefinitions,
  objects: ReadonlySet<number>,
  views: readonly TargetView[],
): TakenOff {
  const taken = new Set(views.map(({ oid }) => oid));
  return {
    source: { ...only(source, objects), views: source.views.filter(({ oid }) => taken.has(oid)) },
    target: { ...only(target, objects), views },
  };
}

/** For comparing: the same objects, as they are now. */
export function sameObjects(now: Definitions, { source }: Pick<TakenOff, 'source'>): Definitions {
  const oids = new Set(namedObjects(source).map(({ oid }) => oid));
  return { ...only(now, oids), views: now.views.filter(({ oid }) => oids.has(oid)) };
}

function only<D extends Definitions | TargetDefinitions>(definitions: D, oids: ReadonlySet<number>): D {
  const chosen = <T extends { readonly oid: number }>(list: readonly T[]): T[] =>
    list.filter(({ oid }) => oids.has(oid));
  return {
    ...definitions,
    triggers: chosen(definitions.triggers),
    rules: chosen(definitions.rules),
    rowSecurity: { enabled: false, forced: false },
    policies: chosen(definitions.policies),
    publications: chosen(definitions.publications),
    functions: chosen(definitions.functions),
    policiesElsewhere: chosen(definitions.policiesElsewhere),
    rulesElsewhere: chosen(definitions.rulesElsewhere),
    // They use no column.
    defaultsElsewhere: [],
    foreignKeysIn: [],
    foreignKeysOut: [],
    securityLabels: [],
  };
}
