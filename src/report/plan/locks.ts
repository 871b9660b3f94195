/** Every lock that a change takes on a user's table, for people: why, for how long, and what it means for the application. */
import { captureModes } from '../../model/capture-mode.js';
import { toValidate } from '../../model/definitions.js';
import { blockedBy, type Blocked, type LockMode } from '../../model/lock-mode.js';
import type { LockReason, LockRole, LockTarget } from '../../model/lock-set.js';
import type { QualifiedName } from '../../model/name.js';
import type { CopyFacts, NativeFacts } from '../../model/plan.js';
import { foreignKeyName } from '../../sql/definition-names.js';
import { displayName } from '../../sql/quote.js';
import { nativePhase } from './steps.js';

export interface PlanLock {
  readonly phase: string;
  readonly table: string;
  readonly role: LockRole;
  readonly mode: LockMode;
  readonly why: string;
  /** What it means for the application. */
  readonly blocks: Blocked;
  readonly duration: string;
}

type Lock = Omit<PlanLock, 'blocks' | 'table'> & { readonly table: QualifiedName };

function lock({ phase, table, role, mode, why, duration }: Lock): PlanLock {
  return { phase, table: displayName(table), role, mode, why, blocks: blockedBy(mode), duration };
}

export function nativeLocks(
  table: QualifiedName,
  { statementLocks, lockSet }: Pick<NativeFacts, 'statementLocks' | 'lockSet'>,
): PlanLock[] {
  return [
    ...statementLocks.map(({ mode, actions }) =>
      lock({
        phase: nativePhase,
        table,
        role: 'table',
        mode,
        why: actions.join(', '),
        duration: 'a moment: only the catalog changes',
      }),
    ),
    ...lockSet
      .filter(({ role }) => role !== 'table')
      .map((target) =>
        ofSet(nativePhase, target, {
          ...reasons,
          'referencing-key': (name) => `PostgreSQL drops its foreign key ${name} or makes it again`,
        }),
      ),
  ];
}

export function copyLocks(
  table: QualifiedName,
  {
    source,
    lockSet,
    definitions,
    capture,
    holdMs,
  }: Pick<CopyFacts, 'source' | 'lockSet' | 'definitions' | 'capture'> & { readonly holdMs: number | null },
): PlanLock[] {
  const { lock: begin } = captureModes[capture];
  const own = lockSet.findIndex(({ role }) => role === 'table');
  const onTable = (phase: string, mode: LockMode, why: string, duration: string): PlanLock =>
    lock({ phase, table, role: 'table', mode, why, duration });
  const other = (target: LockTarget): PlanLock => ofSet('cutover', target, reasons);
  const brief = 'a moment, with a short lock_timeout and retries';
  return [
    onTable('prepare', begin.mode, begin.why, brief),
    onTable('copy', 'ACCESS SHARE', 'read the rows', 'one chunk at a time'),
    onTable('catch-up', 'ACCESS SHARE', 'read the rows that changed', 'one batch at a time'),
    onTable('verify', 'ACCESS SHARE', 'read the rows', 'one piece at a time'),
    ...lockSet.slice(0, Math.max(own, 0)).map(other),
    onTable(
      'cutover',
      'ACCESS EXCLUSIVE',
      reasons.table(''),
      `${howLong(holdMs)}, at most --max-hold; ${brief}`,
    ),
    // An INSERT takes them behind the table's.
    ...source.sequences.map((sequence) =>
      lock({
        phase: 'cutover',
        table: sequence.name,
        role: 'sequence',
        mode: 'ACCESS EXCLUSIVE',
        why: 'goes on with the new table',
        duration: 'in the same transaction',
      }),
    ),
    ...lockSet.slice(own + 1).map(other),
    ...toValidate(definitions.target).flatMap((key) => {
      const validate = { phase: 'validate', why: `validate foreign key ${foreignKeyName(key)}` } as const;
      const isOut = key.tableOid === source.oid;
      const isIn = key.referencesOid === source.oid;
      return [
        lock({
          ...validate,
          table: key.table,
          role: isOut ? 'table' : 'referencing table',
          mode: 'SHARE UPDATE EXCLUSIVE',
          duration: 'one scan',
        }),
        lock({
          ...validate,
          table: key.references,
          role: isIn ? 'table' : 'referenced table',
          mode: 'ROW SHARE',
          duration: 'one scan',
        }),
      ];
    }),
  ];
}

/** By what is locked for; `name` is that of the policy, rule, column or foreign key. */
const reasons: Readonly<Record<LockReason['because'], (name: string) => string>> = {
  table: () => 'apply the rest and swap the tables',
  'view-replaced': () => 'its query is replaced',
  'view-recreated': () => 'it is dropped and made again',
  policy: (name) => `its policy ${name} reads the table`,
  rule: (name) => `its rule ${name} uses the table`,
  default: (name) => `the default of ${name} means the table`,
  'referencing-key': (name) => `its foreign key ${name} moves to the new table`,
  'referenced-key': (name) => `foreign key ${name} references it`,
};

function ofSet(phase: string, { name, role, mode, reason }: LockTarget, texts: typeof reasons): PlanLock {
  const why = texts[reason.because]('name' in reason ? reason.name : '');
  return lock({ phase, table: name, role, mode, why, duration: 'in the same transaction' });
}

/** Below this it is not worth a number. */
const shortMs = 20;

function howLong(holdMs: number | null): string {
  return holdMs === null || holdMs < shortMs
    ? 'milliseconds'
    : `about ${holdMs} ms by what hangs on the table`;
}
