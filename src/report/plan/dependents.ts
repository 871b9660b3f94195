/** What becomes of everything that hangs on the table or belongs to it, for people. */
import {
  describeDependent,
  publishes,
  type CarriedHow,
  type DependentFate,
  type PlannedDependent,
  type RecreatedHow,
} from '../../model/dependent.js';

export interface PlanDependent {
  readonly kind: string;
  readonly name: string;
  /** Which row of the catalog it is, whatever language its name is told in; not for parts of the table itself. */
  readonly object?: { readonly catalog: string; readonly oid: number };
  /** `dropped`: goes with a column that the change drops, as it does natively. */
  readonly treatment: DependentFate['treatment'];
  readonly why: string;
}

/** @param withObjects of a copy, in which objects are made anew */
export function describeDependents(
  dependents: readonly PlannedDependent[],
  withObjects: boolean,
): PlanDependent[] {
  return dependents.map((dependent) => {
    const { kind, catalog, oid, fate } = dependent;
    return {
      kind,
      name: describeDependent(dependent),
      ...(withObjects ? { object: { catalog, oid } } : {}),
      treatment: fate.treatment,
      why: whyText(fate),
    };
  });
}

function whyText(fate: DependentFate): string {
  switch (fate.treatment) {
    case 'carried':
      return carried[fate.how];
    case 'recreated':
      return recreated[fate.how];
    case 'dropped':
      return fate.how === 'by-the-change'
        ? 'the change drops it, or a column of it'
        : 'goes with a column that the change drops';
    case 'refused':
      return fate.why ?? 'nothing was tried, since the change is refused';
  }
}

const carried: Readonly<Record<CarriedHow, string>> = {
  'sequence-stays': 'the sequence stays the same',
  'view-stays': 'its view keeps its columns and stays the same object',
  'with-its-view': 'with its view',
  'row-security': 'switched on in the swap; nobody can reach the new table before',
  statistics: 'on the new table before the swap, and analyzed there',
  'extension-mark': 'the new index has the mark as ALTER leaves it',
  'publishes-all-tables': `allowed: ${publishes['publishes-all-tables']}`,
  'publishes-schema': `allowed: ${publishes['publishes-schema']}`,
  untouched: 'the table stays the same, and the change was tried with it',
  'untouched-untried': 'the table stays the same; PostgreSQL checks it when the change runs',
};

const recreated: Readonly<Record<RecreatedHow, string>> = {
  made: 'made on the new table in the swap',
  'made-with-firing': 'made on the new table in the swap, firing or not as it was',
  'rule-replaced': 'replaced in the swap, so that it uses the new table',
  'view-replaced': 'its query is replaced in the swap; owner, grants and all else stay',
  'view-recreated': 'dropped and made again in the swap, with owner, grants and all that hangs on it',
  'materialized-view':
    'dropped and made again empty in the swap, and refreshed after it: not readable in between',
  'policy-altered': 'altered in the swap, so that it reads the new table',
  'function-replaced': 'replaced in the swap, with the same OID, owner and grants',
  'function-recreated':
    'dropped and made again in the swap, with owner, grants and comment; its OID is another one',
  'default-set': 'set again in the swap, so that it means the new table',
  publication: 'in the swap the new table takes the place of the old one, with its columns and filter',
  'foreign-key-validated': 'added NOT VALID in the swap, validated after it',
  'foreign-key-as-it-was': 'added in the swap as it was, not validated',
  'security-label': 'set on the new table in the swap',
  'around-the-change': 'taken off before the change and put back after it, in the same transaction',
};
