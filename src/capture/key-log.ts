/**
 * The change log of one migration: which keys were written (invariant 3: keys, not rows), and whether the source was
 * truncated. All of its tables live in the schema `ghost` and carry the migration's id, so that two migrations never meet.
 *
 * Capture appends to one of two segments. When that has grown it goes on with the other one, and the first is emptied:
 * applied, or moved into `pending`, which has each key once, and truncated. So the log is bounded by the number of different
 * keys, and gives its disk back at once: TRUNCATE does not care for old snapshots, VACUUM would.
 */
import type { Key } from '../model/key.js';
import type { KeyLog } from '../model/key-log.js';
import { ident, literal, qualified, sql, type SqlQuery } from '../sql/quote.js';
import type { QualifiedName } from '../model/name.js';

export const captureSchema = 'ghost';

/** The log with its two segments, which nobody else needs to know. */
export interface SegmentedLog extends KeyLog {
  /** Capture writes to one of them. */
  readonly segments: readonly [QualifiedName, QualifiedName];
}

export function changeLog(id: number, key: Key): SegmentedLog {
  return {
    ...logTables(id),
    columns: key.columns.map((_, index) => `k${index + 1}`),
    step: key.mayCollide === true ? 'step' : null,
  };
}

/** The tables alone, for when nothing is known of the key (status, abort). */
export function logTables(id: number): Omit<SegmentedLog, 'columns' | 'step'> {
  const table = (name: string): QualifiedName => ({ schema: captureSchema, name: `${name}_${id}` });
  const segments = [table('log'), table('log_b')] as const;
  const pending = table('pending');
  return { segments, pending, truncations: table('truncations'), parts: [pending, ...segments] };
}

export function keyType(id: number): QualifiedName {
  return { schema: captureSchema, name: `key_${id}` };
}

/**
 * Creates the tables. The key columns have the source's types and collations, so that comparing with the source
 * needs no conversion, and the segments no index: every index would be paid for by the application's writes.
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
  const tables = [...log.parts, log.truncations].map(qualified).join(', ');
  const withStep = log.step === null ? columns : [...columns, `${ident(log.step)} smallint not null`];
  return [
    ...log.parts.map(
      (part) => sql`
        create table ${qualified(part)} (${(part === log.pending ? columns : withStep).join(', ')})
        with (autovacuum_enabled = off, vacuum_truncate = off)`,
    ),
    // By their bytes: keys that are equal but look different may be two different keys after the change.
    `create type ${qualified(keyType(id))} as (${columns.join(', ')})`,
    sql`
      create unique index ${ident(`pending_${id}_key`)}
      on ${qualified(log.pending)} ((row(${log.columns.map(ident).join(', ')})::${qualified(keyType(id))}) record_image_ops)`,
    `create table ${qualified(log.truncations)} (at timestamptz not null default pg_catalog.clock_timestamp())`,
    // PUBLIC has no rights on tables unless default privileges gave them.
    `revoke all on ${tables} from public`,
  ];
}

export function dropLogStatements(id: number): string[] {
  const log = logTables(id);
  return [
    `drop table if exists ${[...log.parts, log.truncations].map(qualified).join(', ')}`,
    `drop type if exists ${qualified(keyType(id))}`,
  ];
}

/**
 * Entries not applied yet. Counted while a table of the log is small (8 MB are read in a few milliseconds), else what the
 * server's statistics say, which lag by a second and forget rolled back entries late: for people and throttles, not for
 * decisions.
 */
export function backlogSql(id: number): SqlQuery {
  const parts = logTables(id).parts.map(qualified);
  const counts = parts.map(
    (part) => sql`
      (select case
        when pg_catalog.pg_relation_size(${literal(part)}::regclass) <= 8388608 then (select count(*) from only ${part})
        else greatest(pg_catalog.pg_stat_get_live_tuples(${literal(part)}::regclass), 0)
      end)`,
  );
  return { text: `select (${counts.join(' + ')})::bigint as backlog` };
}

/**
 * Forgets the truncations seen so far. For a restarted copy, in the transaction that empties the shadow: the chunks that
 * follow see the source as it was left by them.
 */
export function forgetTruncationsSql(id: number): SqlQuery {
  return { text: `delete from only ${qualified(logTables(id).truncations)}` };
}

/**
 * Moves what is in an idle segment into `pending`, each key once, and gives the segment's disk back: for one transaction
 * that has the segment for itself.
 */
export function compactStatements(log: SegmentedLog, segment: QualifiedName): string[] {
  const columns = log.columns.map(ident).join(', ');
  return [
    sql`
      insert into ${qualified(log.pending)} (${columns})
      select ${columns}
      from only ${qualified(segment)}
      on conflict do nothing`,
    `truncate only ${qualified(segment)}`,
  ];
}
