/**
 * Every relation that the swap locks, in the one order in which it does: as the application locks them, so that the two do
 * not wait for each other. A query locks a view before what the view reads; a row of a referencing table is written before its
 * foreign key looks at the referenced one. Two migrations at once keep the same order.
 */
import type { ForeignKey, TargetDefinitions } from '../../model/definitions.js';
import type { NativeTrial } from '../trial/definitions/try-native.js';
import { displayName } from '../../sql/quote.js';
import type { QualifiedName } from '../../model/name.js';
import type { LockReason, LockTarget } from '../../model/lock-set.js';

export function lockSet(
  source: { readonly oid: number; readonly name: QualifiedName },
  target: Pick<
    TargetDefinitions,
    | 'views'
    | 'policiesElsewhere'
    | 'rulesElsewhere'
    | 'defaultsElsewhere'
    | 'foreignKeysIn'
    | 'foreignKeysOut'
  >,
): LockTarget[] {
  const mode = 'ACCESS EXCLUSIVE';
  const table = (
    role: LockTarget['role'],
    oid: number,
    name: QualifiedName,
    reason: LockReason,
  ): LockTarget => ({ oid, name, kind: 'table', role, mode, reason });
  const elsewhere = [
    ...target.policiesElsewhere.map((each) =>
      table('reading table', each.tableOid, each.table, { because: 'policy', name: each.name }),
    ),
    ...target.rulesElsewhere.map((each) =>
      table('reading table', each.tableOid, each.table, { because: 'rule', name: each.name }),
    ),
    ...target.defaultsElsewhere.map((each) =>
      table('reading table', each.tableOid, each.table, { because: 'default', name: each.name }),
    ),
  ];
  const referencing = target.foreignKeysIn.map((key) =>
    table('referencing table', key.tableOid, key.table, { because: 'referencing-key', name: key.name }),
  );
  const referenced = target.foreignKeysOut.map((key: ForeignKey) =>
    table('referenced table', key.referencesOid, key.references, {
      because: 'referenced-key',
      name: key.name,
    }),
  );
  const all = [
    ...target.views.toReversed().map(({ oid, name, how }): LockTarget => ({
      oid,
      name,
      kind: 'view',
      role: 'view',
      mode,
      reason: { because: how === 'replace' ? 'view-replaced' : 'view-recreated' },
    })),
    ...byName(elsewhere),
    ...byName(referencing),
    table('table', source.oid, source.name, { because: 'table' }),
    ...byName(referenced),
  ];
  const seen = new Set<number>();
  return all.filter(({ oid, role }) => {
    // The table itself has its place, whatever references it.
    if (seen.has(oid) || (oid === source.oid && role !== 'table')) return false;
    seen.add(oid);
    return true;
  });
}

/** A native change locks what is taken off for it, and the other end of foreign keys that PostgreSQL makes again. */
export function nativeLockSet(
  source: { readonly oid: number; readonly name: QualifiedName },
  native: NativeTrial | null,
): LockTarget[] {
  if (native === null) return [];
  const { around, foreignKeys } = native;
  const isOut = ({ tableOid }: ForeignKey): boolean => tableOid === source.oid;
  return lockSet(source, {
    views: around?.target.views ?? [],
    policiesElsewhere: around?.target.policiesElsewhere ?? [],
    rulesElsewhere: around?.target.rulesElsewhere ?? [],
    defaultsElsewhere: [],
    foreignKeysIn: foreignKeys.filter((key) => !isOut(key)),
    foreignKeysOut: foreignKeys.filter(isOut),
  });
}

function byName(targets: readonly LockTarget[]): LockTarget[] {
  return targets.toSorted((a, b) => (displayName(a.name) < displayName(b.name) ? -1 : 1));
}
