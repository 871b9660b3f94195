/**
 * The lock that each action takes on the table when PostgreSQL runs it itself. The trial cannot show it: the
 * transaction that created the clone holds ACCESS EXCLUSIVE on it already. A test compares with the server.
 *
 * https://www.postgresql.org/docs/current/sql-altertable.html and `AlterTableGetLockLevel` in tablecmds.c
 */
import { strongestOf, type LockMode } from '../../model/lock-mode.js';
import type { Action, ActionKind, ChangeStatement } from '../change/types.js';

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
const strongOptions: ReadonlySet<string> = new Set(['user_catalog_table']);

/** An ALTER TABLE takes the strongest lock of its actions from the start. */
export function strongestLock({ actions }: ChangeStatement): LockMode {
  return strongestOf(['SHARE UPDATE EXCLUSIVE', ...actions.map(lockOf)]);
}

function lockOf({ kind, options = [] }: Action): LockMode {
  if (kind === 'options' && !options.some((option) => strongOptions.has(option)))
    return 'SHARE UPDATE EXCLUSIVE';
  return weaker[kind] ?? 'ACCESS EXCLUSIVE';
}
