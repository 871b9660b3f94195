/**
 * The lock that each action takes on the table when PostgreSQL runs it itself. The trial cannot show it: the
 * transaction that created the clone holds ACCESS EXCLUSIVE on it already. A test compares with the server.
 *
 * https://www.postgresql.org/docs/current/sql-altertable.html and `AlterTableGetLockLevel` in tablecmds.c
 */
import type { ActionKind, ChangeStatement } from '../change/types.js';

export type LockMode = 'SHARE UPDATE EXCLUSIVE' | 'SHARE' | 'SHARE ROW EXCLUSIVE' | 'ACCESS EXCLUSIVE';

const weaker: Partial<Record<ActionKind, LockMode>> = {
  statistics: 'SHARE UPDATE EXCLUSIVE',
  'column options': 'SHARE UPDATE EXCLUSIVE',
  'validate constraint': 'SHARE UPDATE EXCLUSIVE',
  cluster: 'SHARE UPDATE EXCLUSIVE',
  comment: 'SHARE UPDATE EXCLUSIVE',
  'rename index': 'SHARE UPDATE EXCLUSIVE',
  'create index': 'SHARE',
};

/** Storage parameters that change how every row is read. */
const strongOptions = /\b(user_catalog_table)\b/i;
const strength: readonly LockMode[] = [
  'SHARE UPDATE EXCLUSIVE',
  'SHARE',
  'SHARE ROW EXCLUSIVE',
  'ACCESS EXCLUSIVE',
];

/** An ALTER TABLE takes the strongest lock of its actions from the start. */
export function strongestLock({ actions }: ChangeStatement): LockMode {
  return actions.reduce<LockMode>((strongest, { kind, label }) => {
    const own =
      kind === 'options' && !strongOptions.test(label)
        ? 'SHARE UPDATE EXCLUSIVE'
        : (weaker[kind] ?? 'ACCESS EXCLUSIVE');
    return strength.indexOf(own) > strength.indexOf(strongest) ? own : strongest;
  }, 'SHARE UPDATE EXCLUSIVE');
}
