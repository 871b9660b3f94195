/**
 * What a table is, as data: read from the catalog of any table (source, clone, shadow), and compared to prove
 * that nothing was lost. Plain JSON, so that it can be kept in the state and printed.
 *
 * All SQL texts (types, defaults, definitions) were produced by PostgreSQL itself with an empty `search_path`,
 * so every name in them is qualified and they mean the same in any session.
 */
import type { QualifiedName } from './name.js';

/** One granted privilege (an exploded `aclitem`). */
export interface Grant {
  readonly grantor: string;
  /** Role name, or null for PUBLIC. */
  readonly grantee: string | null;
  /** SELECT, INSERT, ... */
  readonly privilege: string;
  readonly grantable: boolean;
}

export interface Column {
  /** Identity of the column within its table; a rename keeps it. */
  readonly attnum: number;
  readonly name: string;
  /** `format_type`, qualified, with its modifier: `numeric(10,2)`, `app.status`. */
  readonly type: string;
  /** The type's OID and typmod, for comparing without text. */
  readonly typeOid: number;
  readonly typmod: number;
  /** Qualified and quoted, e.g. `pg_catalog."C"`; null where it is the type's own default. */
  readonly collation: string | null;
  readonly notNull: boolean;
  /** Default or generation expression as SQL; null when none. Identity columns have none. */
  readonly default: string | null;
  readonly generated: 'none' | 'stored' | 'virtual';
  readonly identity: 'none' | 'always' | 'by default';
  /** PLAIN, EXTERNAL, EXTENDED, MAIN. */
  readonly storage: string;
  /** pglz, lz4, or null for the default. */
  readonly compression: string | null;
  /** `SET STATISTICS`; null when not set. */
  readonly statisticsTarget: number | null;
  /** Known attoptions only: `n_distinct=...`, `n_distinct_inherited=...`. */
  readonly options: readonly string[];
  readonly grants: readonly Grant[];
  readonly comment: string | null;
}

export interface Constraint {
  readonly oid: number;
  readonly name: string;
  readonly type: 'check' | 'not null' | 'primary key' | 'unique' | 'exclusion' | 'foreign key' | 'trigger';
  /** `pg_get_constraintdef`: `CHECK ((total > 0)) NOT VALID`. */
  readonly definition: string;
  readonly columns: readonly string[];
  /** False after NOT VALID: existing rows were not looked at. Also false when not enforced. */
  readonly validated: boolean;
  /** False for NOT ENFORCED (18): no row is ever looked at. */
  readonly enforced: boolean;
  readonly deferrable: boolean;
  readonly initiallyDeferred: boolean;
  /** The index behind a primary key, unique or exclusion constraint. */
  readonly index: string | null;
  readonly comment: string | null;
}

/** One key column of an index, with what it takes to ask "which other row has the same value?". */
export interface IndexKey {
  /** The column's name, or null for an expression. */
  readonly column: string | null;
  /** `pg_get_indexdef(index, n, false)`: a column name or a parenthesised expression, as SQL. */
  readonly expression: string;
  /** Qualified and quoted; null when the type has no collation. */
  readonly collation: string | null;
  /**
   * The operator by which two rows conflict, as `OPERATOR(schema.op)`: the equality of the btree operator class
   * for a unique index, `conexclop` for an exclusion constraint. Null for a plain index.
   */
  readonly conflictOperator: string | null;
  /** `ALTER INDEX ... ALTER COLUMN n SET STATISTICS`; null when not set. */
  readonly statisticsTarget: number | null;
}

export interface Index {
  readonly oid: number;
  readonly name: string;
  /** `pg_get_indexdef`, naming the table it is on. Has no TABLESPACE: see `tablespace`. */
  readonly definition: string;
  readonly unique: boolean;
  readonly primary: boolean;
  readonly exclusion: boolean;
  /** False for deferrable constraints. */
  readonly immediate: boolean;
  readonly nullsNotDistinct: boolean;
  readonly valid: boolean;
  /** Partial index condition as SQL. */
  readonly predicate: string | null;
  readonly keys: readonly IndexKey[];
  /** INCLUDE columns. */
  readonly included: readonly string[];
  /** The constraint that owns it. */
  readonly constraint: string | null;
  /** `fillfactor=70`; also part of the definition. */
  readonly options: readonly string[];
  /** null = the database's default. */
  readonly tablespace: string | null;
  readonly clustered: boolean;
  readonly replicaIdentity: boolean;
  readonly comment: string | null;
  /** Marked DEPENDS ON EXTENSION. */
  readonly extensions: readonly string[];
  /** `pg_relation_filenode`; moves when the index is rebuilt. */
  readonly filenode: number | null;
}

/** An index that is being built (`REINDEX CONCURRENTLY`), or whose build failed, is nobody's yet. */
export function withValidIndexes(shape: TableShape): TableShape {
  return { ...shape, indexes: shape.indexes.filter(({ valid }) => valid) };
}

/** A sequence that a column of the table owns: serial (`auto`) or identity (`internal`). */
export interface OwnedSequence {
  readonly oid: number;
  readonly name: QualifiedName;
  readonly column: string;
  readonly identity: boolean;
  /** smallint, integer, bigint. */
  readonly type: string;
  /** As text: bigint. */
  readonly start: string;
  readonly increment: string;
  readonly min: string;
  readonly max: string;
  readonly cache: string;
  readonly cycle: boolean;
  readonly owner: string;
  readonly grants: readonly Grant[];
  readonly comment: string | null;
  /** null before 15, where a sequence could not be. */
  readonly unlogged: boolean | null;
  /** Where the change sets an identity sequence: its next value. Without it, it goes on where the source's stands. */
  readonly startsAt?: string;
}

/** CREATE STATISTICS. */
export interface ExtendedStatistics {
  readonly oid: number;
  readonly name: QualifiedName;
  /** `pg_get_statisticsobjdef`. */
  readonly definition: string;
  readonly owner: string;
  /** `ALTER STATISTICS ... SET STATISTICS`; null when not set. */
  readonly target: number | null;
  readonly comment: string | null;
}

export interface TableShape {
  readonly oid: number;
  readonly name: QualifiedName;
  readonly owner: string;
  readonly unlogged: boolean;
  readonly accessMethod: string;
  /** null = the database's default. */
  readonly tablespace: string | null;
  /** `fillfactor=70`; the TOAST table's with the prefix `toast.`. */
  readonly options: readonly string[];
  readonly replicaIdentity: 'default' | 'nothing' | 'full' | 'index';
  readonly grants: readonly Grant[];
  readonly comment: string | null;
  /** In attnum order, dropped ones left out. */
  readonly columns: readonly Column[];
  readonly constraints: readonly Constraint[];
  readonly indexes: readonly Index[];
  readonly sequences: readonly OwnedSequence[];
  readonly statistics: readonly ExtendedStatistics[];
  /** `pg_relation_filenode` of the heap; moves when the table is rewritten. */
  readonly filenode: number | null;
}
