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
