/** What `plan` decides, as data. Plain JSON: it is printed, kept in the state, and handed to every phase. */
import type { ChangeRequest } from './change-request.js';
import type { Projection } from './projection.js';
import type { Key } from './key.js';
import type { Refusal } from '../errors.js';
import type { Definitions, TargetDefinitions } from './definitions.js';
import type { OwnedSequence, TableShape } from './table-shape.js';
import type { QualifiedName } from './name.js';

/** What a relation that is locked has to do with the change. */
export type LockRole =
  | 'table'
  | 'sequence'
  | 'view'
  | 'referencing table'
  | 'referenced table'
  | 'reading table';

/** A relation whose lock the swap takes, in the order of `Plan.lockSet`. */
export interface LockTarget {
  readonly oid: number;
  readonly name: QualifiedName;
  readonly kind: 'table' | 'view';
  readonly role: LockRole;
  readonly mode: 'ACCESS EXCLUSIVE' | 'SHARE ROW EXCLUSIVE';
  readonly why: string;
}

/** How one column of the new table gets its value. */
export interface ColumnMapping {
  /** Name in the new table; null for a dropped column. */
  readonly target: string | null;
  readonly targetType: string | null;
  /** Name in the source; null for an added column. */
  readonly source: string | null;
  readonly sourceType: string | null;
  readonly how: 'copied' | 'converted' | 'computed' | 'default' | 'generated' | 'dropped';
  /** USING or --set, as SQL over the source row; for an added column the value that all existing rows get. */
  readonly expression: string | null;
  /** The expression may give another value each time (`random()`, `now()`): the tables cannot be compared by it. */
  readonly volatile?: boolean;
  /** A generated column that the source has as well, with the same expression: ALTER TABLE keeps its stored values. */
  readonly keepsValues?: boolean;
}

/** What becomes of a sequence that a column owns without being an identity column (`serial`), and that lives on. */
export interface SerialFate {
  readonly sequence: OwnedSequence;
  /** The column of the new table that owns it from the swap on. */
  readonly column: string;
  /** The type it grows to; null when it stays. */
  readonly type: string | null;
  /** SET LOGGED and SET UNLOGGED take it along; null when it stays. */
  readonly persistence: 'logged' | 'unlogged' | null;
}

/** A CHECK that the rows which exist need not satisfy any more, though it is marked as valid. */
export interface LateCheck {
  readonly name: string;
  readonly why: 'not immutable' | 'own function';
}

/** A foreign key that says more of the rows than before the change. */
export interface CheckedForeignKey {
  readonly name: string;
  /** For each column, between the referenced and the referencing one: `operator(pg_catalog.=)`. */
  readonly operators: readonly string[];
}

export interface PlannedLock {
  readonly phase: string;
  readonly table: string;
  readonly role: LockRole;
  /** `ACCESS EXCLUSIVE` ... */
  readonly mode: string;
  readonly why: string;
  /** What it means for the application. */
  readonly blocks: 'nothing' | 'writes' | 'reads and writes' | 'ddl';
  readonly duration: string;
}

export interface PlannedStep {
  readonly phase: string;
  readonly what: string;
  /** The same with fewer names, where there are many. */
  readonly brief?: string;
}

export interface PlannedDependent {
  readonly kind: string;
  readonly name: string;
  /** `dropped`: goes with a column that the change drops, as it does natively. */
  readonly treatment: 'carried' | 'recreated' | 'dropped' | 'refused';
  readonly why: string;
  /** Which row of the catalog it is, whatever language its name is told in; not for parts of the table itself. */
  readonly object?: { readonly catalog: string; readonly oid: number };
}

/** A session that could stand in the way of a lock now. */
export interface Obstacle {
  readonly pid: number | null;
  /** `prepared transaction` for those, which have no pid. */
  readonly backendType: string;
  readonly user: string | null;
  readonly application: string | null;
  readonly state: string | null;
  readonly transactionSeconds: number | null;
  /** Lock modes held on the table; empty for an old transaction that holds none. */
  readonly lockModes: readonly string[];
}

export interface Warning {
  readonly code: string;
  readonly message: string;
  /** The same with fewer names, where there are many. */
  readonly brief?: string;
}

export interface Estimates {
  /** null when the table was never analyzed. */
  readonly rows: number | null;
  readonly tableBytes: number;
  readonly indexBytes: number;
  readonly toastBytes: number;
  /** Extra disk while the migration runs: new table, its indexes, WAL not counted. */
  readonly diskNeededBytes: number;
  /** How long the swap's statements take, by what hangs on the table; null where nothing is swapped. */
  readonly holdMs: number | null;
}

/** What came of a whole swap that was taken back. */
export interface Rehearsal {
  readonly ok: boolean;
  /** How long the statements of the swap took under the lock; null when it failed. */
  readonly holdMs: number | null;
  readonly attempts: number;
  /** What the swap would fail with. */
  readonly error: string | null;
}

/** Settings under which expressions and casts are evaluated, in every session of the migration (invariant 13). */
export type PinnedSettings = Readonly<Record<string, string>>;

export interface Plan {
  readonly table: QualifiedName;
  readonly request: ChangeRequest;
  readonly verdict: 'native' | 'copy' | 'refused';
  /** Why this verdict: for `copy` what would rewrite or scan, for `refused` every reason. */
  readonly reasons: readonly Refusal[];
  /** The statements as they run on the source itself (`native`), qualified. */
  readonly nativeStatements: readonly string[];
  readonly columns: readonly ColumnMapping[];
  readonly key: Key | null;
  readonly projection: Projection | null;
  readonly source: TableShape | null;
  /** The shape after the change, as read from the changed clone; names carry the clone's schema. */
  readonly target: TableShape | null;
  /** The same object before and after the swap; one of a dropped column goes with the old table. */
  readonly serials: readonly SerialFate[];
  /** CHECKs that come in the swap, and are validated after it; plans of earlier versions have none. */
  readonly lateChecks?: readonly LateCheck[];
  /** Looked at before the swap, as ALTER TABLE looks at them; plans of earlier versions have none. */
  readonly checkedForeignKeys?: readonly CheckedForeignKey[];
  /** What hangs on the table: as it is, and as the swap makes it; null when nobody looked. */
  readonly definitions: { readonly source: Definitions; readonly target: TargetDefinitions } | null;
  /** Every relation that the swap locks, in the order in which it does. */
  readonly lockSet: readonly LockTarget[];
  readonly steps: readonly PlannedStep[];
  readonly locks: readonly PlannedLock[];
  readonly dependents: readonly PlannedDependent[];
  readonly obstacles: readonly Obstacle[];
  readonly warnings: readonly Warning[];
  readonly estimates: Estimates | null;
  readonly rollback: readonly string[];
  /** What ends the run when somebody does it meanwhile; other DDL is followed. Empty when nothing is copied. */
  readonly endsTheRun: readonly string[];
  /** Only when it was asked for. */
  readonly rehearsal?: Rehearsal;
  readonly settings: PinnedSettings;
  readonly server: { readonly version: number; readonly inRecovery: boolean };
}
