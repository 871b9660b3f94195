/**
 * What hangs on a table, as data: everything of it that stays behind in a swap and has to be made anew on the new
 * table. Plain JSON, kept in the state and compared, like `TableShape`.
 *
 * All SQL texts were produced by PostgreSQL under the deparse settings: every name in them is qualified, so that they
 * mean the new table as soon as it has the old one's name.
 */
import type { QualifiedName } from './name.js';
import type { CatalogObject } from './dependent.js';
import type { Grant, Index } from './table-shape.js';

/** An object or a part of one (`part`: a column's number; 0 for the whole); its name is only shown, in whatever language. */
export interface NamedObject extends CatalogObject {
  readonly part: number;
  readonly name: string;
}

/** `pg_trigger.tgenabled`, `pg_rewrite.ev_enabled`. */
export type FiringState = 'origin' | 'always' | 'replica' | 'disabled';

export interface Trigger {
  readonly oid: number;
  readonly name: string;
  /** The table or view that it is on. */
  readonly table: QualifiedName;
  /** `pg_get_triggerdef`: CREATE [CONSTRAINT] TRIGGER. */
  readonly definition: string;
  readonly enabled: FiringState;
  readonly comment: string | null;
}

export interface Rule {
  readonly oid: number;
  readonly name: string;
  readonly tableOid: number;
  readonly table: QualifiedName;
  /** `pg_get_ruledef`: CREATE RULE, without the semicolon. */
  readonly definition: string;
  readonly enabled: FiringState;
  readonly comment: string | null;
}

export interface Policy {
  readonly oid: number;
  readonly name: string;
  readonly tableOid: number;
  readonly table: QualifiedName;
  readonly permissive: boolean;
  readonly command: 'all' | 'select' | 'insert' | 'update' | 'delete';
  /** null = PUBLIC. */
  readonly roles: readonly (string | null)[];
  /** Expressions as SQL. */
  readonly using: string | null;
  readonly check: string | null;
  readonly comment: string | null;
}

export interface RowSecurity {
  readonly enabled: boolean;
  readonly forced: boolean;
}

export interface PublicationMember {
  readonly oid: number;
  readonly publication: string;
  readonly owner: string;
  /** null = all. */
  readonly columns: readonly string[] | null;
  /** Row filter as SQL. */
  readonly filter: string | null;
}

type ForeignKeyAction = 'no action' | 'restrict' | 'cascade' | 'set null' | 'set default';

export interface ForeignKey {
  readonly oid: number;
  readonly name: string;
  /** The referencing table; its own OID tells whether it is this one. */
  readonly tableOid: number;
  readonly table: QualifiedName;
  readonly tableOwner: string;
  /** The referencing table is partitioned. */
  readonly partitioned: boolean;
  readonly columns: readonly string[];
  /** `format_type` of the referencing columns. */
  readonly columnTypes: readonly string[];
  /** Qualified and quoted; null where it is the type's own, or the type has none. */
  readonly columnCollations: readonly (string | null)[];
  readonly tableUnlogged: boolean;
  readonly referencesOid: number;
  readonly references: QualifiedName;
  /** The referenced table is partitioned. */
  readonly referencesPartitioned: boolean;
  readonly referencedColumns: readonly string[];
  readonly referencedTypes: readonly string[];
  readonly referencedCollations: readonly (string | null)[];
  readonly referencesUnlogged: boolean;
  /** 18: the last column is a PERIOD. */
  readonly period: boolean;
  readonly match: 'simple' | 'full';
  readonly onUpdate: ForeignKeyAction;
  readonly onDelete: ForeignKeyAction;
  /** ON DELETE SET NULL (columns), 15+; empty = all. */
  readonly setColumns: readonly string[];
  readonly deferrable: boolean;
  readonly initiallyDeferred: boolean;
  readonly validated: boolean;
  readonly enforced: boolean;
  readonly comment: string | null;
  /** Its internal triggers were disabled (ALTER TABLE ... DISABLE TRIGGER ALL): no statement brings that back. */
  readonly disabled: boolean;
}

export interface ViewColumn {
  readonly name: string;
  readonly type: string;
  /** Qualified and quoted; null where it is the type's own. */
  readonly collation: string | null;
  readonly default: string | null;
  readonly comment: string | null;
  readonly grants: readonly Grant[];
  /** Materialized views only; null when not set. */
  readonly statisticsTarget: number | null;
}

export interface View {
  readonly oid: number;
  readonly name: QualifiedName;
  readonly materialized: boolean;
  /** In the pg_temp of some session. */
  readonly temporary: boolean;
  /** The query: `pg_get_viewdef`, without the semicolon. */
  readonly definition: string;
  readonly owner: string;
  /** `security_barrier=true`, `check_option=local`; of a materialized view its storage parameters. */
  readonly options: readonly string[];
  readonly grants: readonly Grant[];
  readonly comment: string | null;
  readonly columns: readonly ViewColumn[];
  readonly triggers: readonly Trigger[];
  readonly rules: readonly Rule[];
  /** OIDs of those of the other views here that its query reads. */
  readonly reads: readonly number[];
  /** Whatever else depends on it, and what of it no statement brings back; such a view can be replaced, but not dropped. */
  readonly users: readonly NamedObject[];
  /** Materialized views: false after WITH NO DATA. */
  readonly populated: boolean;
  readonly accessMethod: string | null;
  readonly tablespace: string | null;
  readonly indexes: readonly Index[];
}

/** A function or procedure with an SQL-standard body. */
export interface SqlFunction {
  readonly oid: number;
  readonly name: QualifiedName;
  readonly kind: 'function' | 'procedure';
  /** `name(argument types)` with schema, for people and for ALTER. */
  readonly signature: string;
  readonly owner: string;
  /** `pg_get_functiondef`: CREATE OR REPLACE. */
  readonly definition: string;
}

/** A function or procedure, in whatever language, with the table's row type in its signature: bound to it, so it is made anew. */
export interface RowTypeFunction extends SqlFunction {
  readonly hasSqlBody: boolean;
  /** The row type is among its arguments, so that it can stand beside one for another type. */
  readonly takesRow: boolean;
  /** null: what a new function has by default. */
  readonly grants: readonly Grant[] | null;
  readonly comment: string | null;
  /** Names of the extensions without which it would go. */
  readonly extensions: readonly string[];
  readonly labels: readonly { readonly provider: string; readonly label: string }[];
  /** Views over the table that call it. */
  readonly views: readonly number[];
  /** Parts of the table's own definition (CHECKs, defaults, indexes) that call it, or an operator of it. */
  readonly ownParts: readonly NamedObject[];
  /** What else depends on it, and would have to be made again with it. */
  readonly users: readonly NamedObject[];
}

/** A column default of another table that holds this one, or a part of it, as a constant. */
export interface DefaultElsewhere {
  readonly oid: number;
  /** The column. */
  readonly name: string;
  readonly tableOid: number;
  readonly table: QualifiedName;
  readonly expression: string;
}

export interface SecurityLabel {
  readonly provider: string;
  /** null = the table itself. */
  readonly column: string | null;
  readonly label: string;
}

export interface Definitions {
  readonly triggers: readonly Trigger[];
  readonly rules: readonly Rule[];
  readonly rowSecurity: RowSecurity;
  readonly policies: readonly Policy[];
  readonly publications: readonly PublicationMember[];
  /** Of this table: to others and to itself. */
  readonly foreignKeysOut: readonly ForeignKey[];
  /** Of other tables to this one. */
  readonly foreignKeysIn: readonly ForeignKey[];
  /** Directly or through others; each after those that it reads. */
  readonly views: readonly View[];
  readonly functions: readonly SqlFunction[];
  /** Those that others of them call come first. */
  readonly rowTypeFunctions: readonly RowTypeFunction[];
  /** Policies and rules of other tables that read this one. */
  readonly policiesElsewhere: readonly Policy[];
  readonly rulesElsewhere: readonly Rule[];
  readonly defaultsElsewhere: readonly DefaultElsewhere[];
  readonly securityLabels: readonly SecurityLabel[];
}

/** For comparing: what PostgreSQL calls other objects is in the language of the session. */
export function withoutNames(definitions: Definitions): Definitions {
  const nameless = (objects: readonly NamedObject[]): NamedObject[] =>
    objects.map((object) => ({ ...object, name: '' }));
  return {
    ...definitions,
    views: definitions.views.map((view) => ({ ...view, users: nameless(view.users) })),
    rowTypeFunctions: definitions.rowTypeFunctions.map((fn) => ({
      ...fn,
      ownParts: nameless(fn.ownParts),
      users: nameless(fn.users),
    })),
  };
}

/** Foreign keys that were valid: the swap adds them NOT VALID, and they are validated after it. */
export function toValidate({
  foreignKeysOut,
  foreignKeysIn,
}: Pick<Definitions, 'foreignKeysOut' | 'foreignKeysIn'>): ForeignKey[] {
  return [...foreignKeysOut, ...foreignKeysIn].filter(({ validated, enforced }) => validated && enforced);
}

/** What the swap has to make. */
export interface TargetDefinitions extends Omit<Definitions, 'views'> {
  readonly views: readonly TargetView[];
}

/** What was on the table before the change, as what is to come onto it. What was replaced there is replaced back. */
export function fromBefore({
  source,
  target,
}: {
  readonly source: Definitions;
  readonly target: TargetDefinitions;
}): TargetDefinitions {
  const how = new Map(target.views.map((view) => [view.oid, view.how]));
  return {
    ...source,
    views: source.views.map((view): TargetView => ({ ...view, how: how.get(view.oid) ?? 'recreate' })),
  };
}

export interface TargetView extends View {
  /**
   * `replace`: its output is the same, so CREATE OR REPLACE keeps the object and all that hangs on it. `recreate`: it is
   * dropped and made anew with all of that.
   */
  readonly how: 'replace' | 'recreate';
}

/** Only what is to be taken off a table so that a column of it can change in place. */
export interface TakenOff {
  /** As it is. */
  readonly source: Definitions;
  /** As it is made again, which is the same but for renamed columns. */
  readonly target: TargetDefinitions;
}
