/** What depends on the table stays with the old one in a swap: until each kind is carried, it is refused by name. */
import type { Dependent, DependentKind } from '../../catalog/types.js';
import type { Refusal } from '../../errors.js';
import type { PlannedDependent } from '../types.js';

const later = 'not supported in this release';

/** Why, for people. Kinds that `checkRelationKind` names already are not repeated as refusals. */
const why: Readonly<Record<DependentKind, string>> = {
  'foreign-key-in': 'it would still reference the old table after the swap',
  'foreign-key-out': 'the new table would not have it',
  'foreign-key-self': 'it would tie the new table to the old one',
  trigger: 'it would stay on the old table',
  'constraint-trigger': 'it would stay on the old table',
  'trigger-elsewhere': 'it would go on naming the old table',
  rule: 'it would stay on the old table',
  'rule-elsewhere': 'it would go on using the old table',
  view: 'it would go on reading the old table',
  'materialized-view': 'it would go on reading the old table',
  'view-trigger': 'its view would go on reading the old table',
  'view-rule': 'its view would go on reading the old table',
  'row-level-security': 'the new table would show every row to everybody',
  policy: 'it would stay on the old table',
  'policy-elsewhere': 'it would go on using the old table',
  'function-body': 'it would go on using the old table',
  'function-row-type': "it is bound to the old table's row type",
  'row-type-column': "it is bound to the old table's row type",
  'row-type': "it is bound to the old table's row type",
  'default-elsewhere': 'it uses a sequence that goes away with the old table',
  'extended-statistics': 'it would stay on the old table',
  publication: 'its subscribers would go on following the old table',
  'publication-schema': 'it would send the new table to its subscribers in the middle of the migration',
  'publication-all-tables': 'it would send the new table to its subscribers while it is built',
  subscription: 'it would go on writing into the old table',
  'inheritance-parent': 'the new table would not belong to it',
  'inheritance-child': 'it would go on inheriting from the old table',
  'partition-of': 'the new table would not be a partition of it',
  partition: 'it would stay with the old table',
  'partitioned-table': 'a partitioned table has no rows of its own to copy',
  'typed-table': 'its columns are those of its type',
  'extension-member': 'the new table would not belong to it',
  'depends-on-extension': 'the mark would be lost',
  'security-label': 'it would stay on the old table',
  other: 'nobody has taught pg-ghost what becomes of it',
};

const namedElsewhere: ReadonlySet<DependentKind> = new Set([
  'partitioned-table',
  'partition',
  'partition-of',
]);

export function checkDependents(dependents: readonly Dependent[]): Refusal[] {
  return dependents
    .filter(({ kind }) => !namedElsewhere.has(kind))
    .map((dependent) => ({
      code: dependent.kind,
      message: `${describe(dependent)}: ${why[dependent.kind]}; ${later}`,
      hint: 'drop it before and create it again after the migration, if the application can do without it meanwhile',
    }));
}

function describe({ name, via, extension }: Dependent): string {
  const path = via === null ? '' : ` (through ${via})`;
  return `${name}${path}${extension === null ? '' : ` (of extension ${extension})`}`;
}

/** For the inventory; a native change leaves them where they are. */
export function plannedDependents(
  dependents: readonly Dependent[],
  verdict: 'native' | 'copy',
): PlannedDependent[] {
  return dependents.map((dependent) => ({
    kind: dependent.kind,
    name: describe(dependent),
    treatment: verdict === 'native' ? 'carried' : 'refused',
    why:
      verdict === 'native'
        ? 'the table stays the same; PostgreSQL checks it when the change runs'
        : why[dependent.kind],
  }));
}
