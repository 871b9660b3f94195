/** What would happen, in order, with the locks it takes. */
import type { ForeignKey } from '../../model/definitions.js';
import type { OwnedSequence } from '../../model/table-shape.js';
import { displayIdent, displayName } from '../../sql/quote.js';
import type { QualifiedName } from '../../model/name.js';
import type { ChangeStatement } from '../change/types.js';
import { withNames } from '../../sql/few-names.js';
import { strongestLock } from './native-locks.js';
import type { LockRole, LockTarget, PlannedLock, PlannedStep } from '../../model/plan.js';
import type { Key } from '../../model/key.js';

const nativePhase = 'native';

/** @param around the names of what is taken off before the statements and put back after them */
export function nativeSteps(statements: readonly string[], around: readonly string[] = []): PlannedStep[] {
  const phase = nativePhase;
  const own = statements.map((statement) => ({ phase, what: statement }));
  if (around.length === 0) return own;
  return [
    { phase, ...told(around, (listed) => `take off ${listed}`) },
    ...own,
    { phase, what: 'put that back as it was' },
  ];
}

export function nativeLocks(
  table: QualifiedName,
  statements: readonly ChangeStatement[],
  lockSet: readonly LockTarget[] = [],
): PlannedLock[] {
  const others = lockSet
    .filter(({ role }) => role !== 'table')
    .map(({ name, role, mode, why }) => ({
      phase: nativePhase,
      table: displayName(name),
      role,
      mode,
      why,
      blocks: blockedBy(mode),
      duration: 'in the same transaction',
    }));
  return [...ownLocks(table, statements), ...others];
}

function ownLocks(table: QualifiedName, statements: readonly ChangeStatement[]): PlannedLock[] {
  return statements.map((statement) => ({
    phase: nativePhase,
    table: displayName(table),
    role: 'table',
    mode: strongestLock(statement),
    why: statement.actions.map(({ label }) => label).join(', '),
    blocks: blockedBy(strongestLock(statement)),
    duration: 'a moment: only the catalog changes',
  }));
}

export function copySteps(
  table: QualifiedName,
  indexes: readonly string[],
  key: Key,
  afterwards: readonly Omit<PlannedStep, 'phase'>[] = [],
): PlannedStep[] {
  const name = displayName(table);
  const many = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 'es'}`;
  return [
    {
      phase: 'prepare',
      what: `record the migration; build the empty new table; log the keys (${key.columns.map((column) => column.name).join(', ')}) of every write to ${name} by trigger`,
    },
    { phase: 'copy', what: `copy ${name} block by block into the new table, which has no index yet` },
    { phase: 'purge', what: 'delete from the new table what was written to meanwhile, as the log says' },
    {
      phase: 'index',
      ...told(indexes, (listed) =>
        [`build ${many(indexes.length, 'index')} on the new table`, listed].filter(Boolean).join(': '),
      ),
    },
    {
      phase: 'catch-up',
      what: `apply the logged keys until little is left${key.needsHelperIndex ? ', by an index of our own on the key' : ''}`,
    },
    { phase: 'settle', what: 'vacuum and analyze the new table' },
    {
      phase: 'verify',
      what: `compare every row of the new table with ${name}, as the change maps it; the log goes on being applied (--verify)`,
    },
    {
      phase: 'cutover',
      what: `under one short lock: apply the rest, move ${name} to ghost_old_<id>, and the new table to its place, with all that hangs on it`,
    },
    ...afterwards.map((step) => ({ phase: 'validate', ...step })),
  ];
}

/** What is left to do when the tables are swapped. */
export function stepsAfterSwap(
  validated: readonly ForeignKey[],
  refreshed: readonly QualifiedName[],
): Omit<PlannedStep, 'phase'>[] {
  const keys = validated.map(foreignKeyName);
  const views = refreshed.map(displayName);
  const what = keys.length === 1 ? 'the foreign key' : `${keys.length} foreign keys:`;
  return [
    ...(keys.length === 0 ? [] : [told(keys, (listed) => `validate ${what} ${listed}`)]),
    ...(views.length === 0 ? [] : [told(views, (listed) => `refresh ${listed}`)]),
  ];
}

function foreignKeyName({ name, table }: ForeignKey): string {
  return `${displayIdent(name)} of ${displayName(table)}`;
}

function told(names: readonly string[], say: (listed: string) => string): Omit<PlannedStep, 'phase'> {
  const { full, ...brief } = withNames(names, say);
  return { what: full, ...brief };
}

export interface SwapLocks {
  readonly lockSet: readonly LockTarget[];
  /** Foreign keys that are validated after the swap. */
  readonly validated: readonly ForeignKey[];
  /** The estimate of the hold. */
  readonly holdMs?: number | null;
}

export function copyLocks(
  table: QualifiedName,
  sequences: readonly Pick<OwnedSequence, 'name'>[],
  { lockSet, validated, holdMs = null }: SwapLocks = { lockSet: [], validated: [] },
): PlannedLock[] {
  const own = lockSet.findIndex((target) => displayName(target.name) === displayName(table));
  const name = displayName(table);
  const lock = (
    phase: string,
    mode: string,
    why: string,
    duration: string,
    of = name,
    role: LockRole = 'table',
  ): PlannedLock => ({
    phase,
    table: of,
    role,
    mode,
    why,
    blocks: blockedBy(mode),
    duration,
  });
  const other = ({ name: of, mode, why, role }: LockTarget): PlannedLock =>
    lock('cutover', mode, why, 'in the same transaction', displayName(of), role);
  const brief = 'a moment, with a short lock_timeout and retries';
  return [
    lock('prepare', 'SHARE ROW EXCLUSIVE', 'create the trigger that logs keys', brief),
    lock('copy', 'ACCESS SHARE', 'read the rows', 'one chunk at a time'),
    lock('catch-up', 'ACCESS SHARE', 'read the rows that changed', 'one batch at a time'),
    lock('verify', 'ACCESS SHARE', 'read the rows', 'one piece at a time'),
    ...lockSet.slice(0, Math.max(own, 0)).map(other),
    lock(
      'cutover',
      'ACCESS EXCLUSIVE',
      'apply the rest and swap the tables',
      `${howLong(holdMs)}, at most --max-hold; ${brief}`,
    ),
    // An INSERT takes them behind the table's.
    ...sequences.map(({ name: sequence }) =>
      lock(
        'cutover',
        'ACCESS EXCLUSIVE',
        'goes on with the new table',
        'in the same transaction',
        displayName(sequence),
        'sequence',
      ),
    ),
    ...lockSet.slice(own + 1).map(other),
    ...validated.flatMap((key) => [
      lock(
        'validate',
        'SHARE UPDATE EXCLUSIVE',
        `validate foreign key ${foreignKeyName(key)}`,
        'one scan',
        displayName(key.table),
        displayName(key.table) === name ? 'table' : 'referencing table',
      ),
      lock(
        'validate',
        'ROW SHARE',
        `validate foreign key ${foreignKeyName(key)}`,
        'one scan',
        displayName(key.references),
        displayName(key.references) === name ? 'table' : 'referenced table',
      ),
    ]),
  ];
}

/** Below this it is not worth a number. */
const shortMs = 20;

function howLong(holdMs: number | null): string {
  return holdMs === null || holdMs < shortMs
    ? 'milliseconds'
    : `about ${holdMs} ms by what hangs on the table`;
}

/** https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES */
function blockedBy(mode: string): PlannedLock['blocks'] {
  switch (mode) {
    case 'ACCESS EXCLUSIVE':
      return 'reads and writes';
    case 'SHARE':
    case 'SHARE ROW EXCLUSIVE':
    case 'EXCLUSIVE':
      return 'writes';
    case 'SHARE UPDATE EXCLUSIVE':
      return 'ddl';
    default:
      return 'nothing';
  }
}
