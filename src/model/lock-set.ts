import type { LockMode } from './lock-mode.js';
import type { QualifiedName } from './name.js';

/** What a relation that is locked has to do with the change. */
export type LockRole =
  | 'table'
  | 'sequence'
  | 'view'
  | 'referencing table'
  | 'referenced table'
  | 'reading table';

/** Why the swap (or a native change) needs the lock; `name` is the policy's, rule's, column's or foreign key's own. */
export type LockReason =
  | { readonly because: 'table' | 'view-replaced' | 'view-recreated' }
  | {
      readonly because: 'policy' | 'rule' | 'default' | 'referencing-key' | 'referenced-key';
      readonly name: string;
    };

/** A relation whose lock the swap takes, in the order of `TablePlan.lockSet`. */
export interface LockTarget {
  readonly oid: number;
  readonly name: QualifiedName;
  readonly kind: 'table' | 'view';
  readonly role: Exclude<LockRole, 'sequence'>;
  readonly mode: LockMode;
  readonly reason: LockReason;
}

/** As the application locks them; see `plan/inventory/lock-set.ts`. */
const order: readonly LockTarget['role'][] = [
  'view',
  'reading table',
  'referencing table',
  'table',
  'referenced table',
];

/**
 * The lock sets of several tables as one, each relation once. One of the tables that references another one is locked before that,
 * as in the other's own lock set.
 */
export function mergedLockSet(sets: readonly (readonly LockTarget[])[]): readonly LockTarget[] {
  const [only] = sets;
  if (only !== undefined && sets.length === 1) return only;
  const all = sets.flat();
  const own = new Set(all.filter(({ role }) => role === 'table').map(({ oid }) => oid));
  // What an own table is to another one matters for its place, and only that it references it.
  const placed = all.filter(
    ({ oid, role }) => !own.has(oid) || role === 'table' || role === 'referencing table',
  );
  const sorted = placed.toSorted((a, b) => order.indexOf(a.role) - order.indexOf(b.role));
  return sorted.filter((target, index) => sorted.findIndex(({ oid }) => oid === target.oid) === index);
}
