/** What a user should know before a change, though it does not stand in its way: a code, and the facts for its text. */
import type { DependentName } from './dependent.js';
import type { LateCheck } from './late-check.js';
import type { QualifiedName } from './name.js';
import type { Narrower } from './way-back.js';

export interface PlanWarningFacts {
  /** The swap may hold its locks longer than its budget allows, which was given or is the default. */
  'long-hold': {
    readonly holdMs: number;
    readonly maxHoldMs: number;
    readonly isGiven: boolean;
    readonly advisedMaxHoldMs: number;
  };
  /** The columns change: prepared `SELECT *` fail once. */
  'cached-plans': Record<never, never>;
  /** The role does not see the sessions of others. */
  'activity-hidden': { readonly role: string };
  'never-analyzed': Record<never, never>;
  /** What event triggers add to each new table, and is taken off again. */
  'event-trigger': { readonly takenOff: readonly string[] };
  /** Different keys may become equal by the change; `columns` are those of another type than before. */
  'keys-may-collide': {
    readonly index: string;
    readonly columns: readonly {
      readonly name: string;
      readonly type: string;
      readonly targetType: string;
    }[];
  };
  /** Columns of other tables that reference this one keep their type, which is not the new one. */
  'referencing-types': {
    readonly columns: readonly {
      readonly table: QualifiedName;
      readonly column: string;
      readonly type: string;
      readonly references: string;
    }[];
  };
  /** What the new shape allows and the old one does not. */
  'old-shape-narrower': { readonly narrower: readonly Narrower[] };
  /** Values that the change does not keep: as they are, and as they would come back. */
  'lost-there-and-back': {
    readonly column: string;
    readonly examples: readonly { readonly before: string | null; readonly after: string | null }[];
  };
  /** Until the old table has no room for a new id; numbers as text. */
  'ids-remaining': {
    readonly column: string;
    readonly limit: string;
    readonly last: string;
    readonly remaining: string;
    /** Four fifths are used. */
    readonly isNear: boolean;
  };
  'late-check': LateCheck;
  /** Stored generated columns by functions that may have been replaced since their values were stored. */
  'generated-sampled': { readonly columns: readonly string[] };
  /** Columns of a `reg...` type: a row may hold the OID of the table itself. */
  'oids-sampled': { readonly columns: readonly string[] };
  'materialized-views': { readonly views: readonly QualifiedName[] };
  'partitions-not-marked': {
    readonly foreignKeys: readonly { readonly name: string; readonly table: QualifiedName }[];
  };
  'publication-all': Record<never, never>;
  /** Their expressions give another value each time. */
  'volatile-expression': { readonly columns: readonly (string | null)[] };
  'index-only': Record<never, never>;
  identity: { readonly columns: readonly string[] };
  'synchronous-commit': Record<never, never>;
  /** Capture from the WAL was wanted where it can be had. */
  'capture-by-triggers': { readonly why: readonly string[] };
  /** It may be lost in a busy minute. */
  'slot-limit': { readonly keepBytes: number };
  /** The server raises it by itself as soon as there is a slot. */
  'wal-level-rises': { readonly walLevel: string };
  /** A native change was tried without these. */
  'dependents-untried': { readonly table: QualifiedName; readonly dependents: readonly DependentName[] };
}

export type PlanWarningCode = keyof PlanWarningFacts;

export type PlanWarning = {
  [Code in PlanWarningCode]: { readonly code: Code; readonly facts: PlanWarningFacts[Code] };
}[PlanWarningCode];
