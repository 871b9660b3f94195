/**
 * The change log of one migration: which keys were written (invariant 3: keys, not rows), and whether the source was
 * truncated. Both tables live in the schema `ghost` and carry the migration's id, so that two migrations never meet.
 */
import type { Key } from '../plan/types.js';
import { ident, qualified, sql, type QualifiedName, type SqlQuery } from '../sql/quote.js';

export const captureSchema = 'ghost';

export interface ChangeLog {
  /** One row per written key, columns `k1` ... `kn` in the order of `Key.columns`. */
  readonly entries: QualifiedName;
  /**
   * One row per TRUNCATE of the source. A table of its own: "was it truncated?" is then answered from an empty table,
   * and the application's writes keep no index for it.
   */
  readonly truncations: QualifiedName;
  /** `k1` ... `kn`: never the source's own names, which could be anything. */
  readonly columns: readonly string[];
}

export function changeLog(id: number, key: Key): ChangeLog {
  return { ...logTables(id), columns: key.columns.map((_, index) => `k${index + 1}`) };
}

/** The tables alone, for when nothing is known of the key (status, abort). */
export function logTables(id: number): Pick<ChangeLog, 'entries' | 'truncations'> {
  return {
    entries: { schema: captureSchema, name: `log_${id}` },
    truncations: { schema: captureSchema, name: `truncations_${id}` },
  };
}

/**
 * Creates both tables. The key columns have the source's types and collations, so that comparing with the source
 * needs no conversion, and no index: every index would be paid for by the application's writes.
 *
 * Autovacuum stays off because apply vacuums the log when it knows that there is something to gain. `vacuum_truncate`
 * is off so that no VACUUM but the one that asks for it takes ACCESS EXCLUSIVE on a table that every write needs.
 */
export function createLogStatements(id: number, key: Key): string[] {
  const log = changeLog(id, key);
  const columns = key.columns.map((column, index) => {
    const collation = column.collation === null ? '' : ` collate ${column.collation}`;
    return `${ident(log.columns[index] ?? '')} ${column.type}${collation}`;
  });
  return [
    sql`
      create table ${qualified(log.entries)} (${columns.join(', ')})
      with (autovacuum_enabled = off, vacuum_truncate = off)`,
    `create table ${qualified(log.truncations)} (at timestamptz not null default pg_catalog.clock_timestamp())`,
    // PUBLIC has no rights on tables unless default privileges gave them.
    `revoke all on ${qualified(log.entries)}, ${qualified(log.truncations)} from public`,
  ];
}

export function dropLogStatements(id: number): string[] {
  const log = logTables(id);
  return [`drop table if exists ${qualified(log.entries)}, ${qualified(log.truncations)}`];
}

/**
 * Entries not applied yet. Counted while the log is small (8 MB are read in a few milliseconds), else what the server's
 * statistics say, which lag by a second and forget rolled back entries late: for people and throttles, not for decisions.
 */
export function backlogSql(id: number): SqlQuery {
  const entries = qualified(logTables(id).entries);
  return {
    text: sql`
      select case
        when pg_catalog.pg_relation_size(log.oid) <= 8388608 then (select count(*) from only ${entries})
        else greatest(pg_catalog.pg_stat_get_live_tuples(log.oid), 0)
      end as backlog
      from (select $1::regclass::oid as oid) as log`,
    values: [entries],
  };
}

/**
 * Forgets the truncations seen so far. For a restarted copy, in the transaction that empties the shadow: the chunks that
 * follow see the source as it was left by them.
 */
export function forgetTruncationsSql(id: number): SqlQuery {
  return { text: `delete from only ${qualified(logTables(id).truncations)}` };
}
