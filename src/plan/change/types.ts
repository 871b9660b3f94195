/** The request as data, as far as syntax alone says what it is. */
import type { Refusal } from '../../errors.js';
import type { References } from '../../sql/column-references.js';
import type { RelationReference } from '../../sql/retarget.js';

/** Actions of ALTER TABLE and ALTER INDEX, then the statements that are an action by themselves. */
export type ActionKind =
  | 'add column'
  | 'drop column'
  | 'alter type'
  | 'default'
  | 'set not null'
  | 'drop not null'
  | 'set expression'
  | 'drop expression'
  | 'identity'
  | 'statistics'
  | 'column options'
  | 'storage'
  | 'compression'
  | 'add constraint'
  | 'drop constraint'
  | 'alter constraint'
  | 'validate constraint'
  | 'options'
  | 'tablespace'
  | 'persistence'
  | 'access method'
  | 'cluster'
  | 'replica identity'
  | 'rename column'
  | 'rename constraint'
  | 'create index'
  | 'drop index'
  | 'rename index'
  | 'comment';

export interface Action {
  readonly kind: ActionKind;
  /** As the user wrote it, on one line. */
  readonly label: string;
  readonly column: string | null;
  readonly constraint: string | null;
  /** ALTER COLUMN ... TYPE ... USING. */
  readonly using: UserExpression | null;
  /** ADD COLUMN ... DEFAULT. */
  readonly default: UserExpression | null;
  /** The tables that foreign keys reference which it adds. */
  readonly references?: readonly RelationReference[];
  /** Names of the storage parameters that it sets or resets, as PostgreSQL reads them. */
  readonly options?: readonly string[];
  /** Sequences of identity columns that it adds, where their names are given with a schema. */
  readonly sequences?: readonly Required<RelationReference>[];
}

export interface ChangeStatement {
  /** As the user wrote it; for `--alter` with the ALTER TABLE before it. Runs in a transaction. */
  readonly text: string;
  readonly actions: readonly Action[];
  /** The table it is about; null for statements that name only indexes. */
  readonly table: RelationReference | null;
  /** The indexes it names as its objects. */
  readonly indexes: readonly IndexReference[];
}

export interface IndexReference extends RelationReference {
  readonly ifExists: boolean;
}

export interface SetExpression {
  readonly column: string;
  readonly expression: UserExpression;
}

/** An expression of the user's, over the columns of its moment. */
export interface UserExpression {
  readonly text: string;
  readonly references: References;
}

export interface Change {
  /** As given; the server says which table it is. */
  readonly table: RelationReference;
  readonly statements: readonly ChangeStatement[];
  readonly set: readonly SetExpression[];
  /** Of columns of the table as it is, over the new row. */
  readonly reverse: readonly SetExpression[];
  readonly rewrite: boolean;
  readonly refusals: readonly Refusal[];
}
