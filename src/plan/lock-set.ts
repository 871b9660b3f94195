/**
 * Every relation that the swap locks, in the one order in which it does: as the application locks them, so that the two do
 * not wait for each other. A query locks a view before what the view reads; a row of a referencing table is written before its
 * foreign key looks at the referenced one. Two migrations at once keep the same order.
 */
import type { ForeignKey, TargetDefinitions } from '../catalog/definitions.js';
import { displayName, type QualifiedName } from '../sql/quote.js';
import type { LockTarget } from './types.js';

export function lockSet(
  source: { readonly oid: number; readonly name: QualifiedName },
  target: TargetDefinitions,
): LockTarget[] {
  const mode = 'ACCESS EXCLUSIVE';
  const table = (oid: number, name: QualifiedName, why: string): LockTarget => ({
    oid,
    name,
    kind: 'table',
    mode,
    why,
  });
  const elsewhere = [
    ...target.policiesElsewhere.map((each) =>
      table(each.tableOid, each.table, `its policy ${each.name} reads the table`),
    ),
    ...target.rulesElsewhere.map((each) =>
      table(each.tableOid, each.table, `its rule ${each.name} uses the table`),
    ),
  ];
  const referencing = target.foreignKeysIn.map((key) =>
    table(key.tableOid, key.table, `its foreign key ${key.name} moves to the new table`),
  );
  const referenced = target.foreignKeysOut.map((key: ForeignKey) =>
    table(key.referencesOid, key.references, `foreign key ${key.name} references it`),
  );
  const all = [
    ...target.views.toReversed().map(({ oid, name, how }): LockTarget => ({
      oid,
      name,
      kind: 'view',
      mode,
      why: how === 'replace' ? 'its query is replaced' : 'it is dropped and made again',
    })),
    ...byName(elsewhere),
    ...byName(referencing),
    table(source.oid, source.name, 'apply the rest and swap the tables'),
    ...byName(referenced),
  ];
  // The table itself has its place, whatever references it.
  const others = all.filter(
    ({ oid, why }) => oid !== source.oid || why === 'apply the rest and swap the tables',
  );
  return others.filter(({ oid }, index) => others.findIndex((each) => each.oid === oid) === index);
}

function byName(targets: readonly LockTarget[]): LockTarget[] {
  return targets.toSorted((a, b) => (displayName(a.name) < displayName(b.name) ? -1 : 1));
}
