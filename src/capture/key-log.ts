/**
 * The change log of one table: which keys were written (invariant 3: keys, not rows), and whether it was truncated. All of its
 * tables live in the schema `ghost` and end in the migration's id (`suffix`; a migration that has several logs adds what tells
 * them apart), so that no two ever meet.
 *
 * Capture appends to one of two segments. When that has grown it goes on with the other one, and the first is emptied:
 * applied, or moved into `pending`, which has each key once, and truncated. So the log is bounded by the number of different
 * keys, and gives its disk back at once: TRUNCATE does not care for old snapshots, VACUUM would.
 */
import type { Key } from '../model/key.js';
import type { KeyLog } from '../model/key-log.js';
import type { CopyPlan } from '../model/plan.js';
import { ident, qualified, sql } from '../sql/quote.js';
import type { QualifiedName } from '../model/name.js';

export const captureSchema = 'ghost';

/** The log with its two segments, which nobody else needs to know. */
export interface SegmentedLog extends KeyLog {
  /** Capture writes to one of them. */
  readonly segments: readonly [QualifiedName, QualifiedName];
}

export function segmentedLog(suffix: string, key: Key, lags = false): SegmentedLog {
  return {
    ...logTables(suffix),
    columns: key.columns.map((_, index) => `k${index + 1}`),
    step: key.mayCollide === true ? 'step' : null,
    lags,
  };
}

/** The log as everybody else knows it. */
export function keyLogOf(suffix: string, { key, capture }: Pick<CopyPlan, 'key' | 'capture'>): KeyLog {
  return segmentedLog(suffix, key, capture === 'logical');
}

/** Names of the columns of any of its tables. */
export function columnsOf({ columns, step }: KeyLog): string[] {
  return [...columns, ...(step === null ? [] : [step]), 'at'];
}

/** The tables alone, for when nothing is known of the key. */
export function logTables(suffix: string): Omit<SegmentedLog, 'columns' | 'step' | 'lags'> {
  const table = (name: string): QualifiedName => ({ schema: captureSchema, name: `${name}_${suffix}` });
  const segments = [table('log'), table('log_b')] as const;
  const pending = table('pending');
  return { segments, pending, truncations: table('truncations'), parts: [pending, ...segments] };
}

/** Beside the log: what apply takes out of rows that it writes anew. */
export function holdingTable(suffix: string): QualifiedName {
  return { schema: captureSchema, name: `kept_${suffix}` };
}

export function keyType(suffix: string): QualifiedName {
  return { schema: captureSchema, name: `key_${suffix}` };
}

/**
 * Creates the tables. The key columns have the table's types and collations, so that comparing with the table
 * needs no conversion, and the segments no index: every index would be paid for by the application's writes.
 *
 * Autovacuum stays off because apply vacuums the log when it knows that there is something to gain. `vacuum_truncate`
 * is off so that no VACUUM but the one that asks for it takes ACCESS EXCLUSIVE on a table that every write needs.
 */
export function createLogStatements(suffix: string, key: Key): string[] {
  const log = segmentedLog(suffix, key);
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
    `create type ${qualified(keyType(suffix))} as (${columns.join(', ')})`,
    sql`
      create unique index ${ident(`pending_${suffix}_key`)}
      on ${qualified(log.pending)} ((row(${log.columns.map(ident).join(', ')})::${qualified(keyType(suffix))}) record_image_ops)`,
    `create table ${qualified(log.truncations)} (at timestamptz not null default pg_catalog.clock_timestamp())`,
    // PUBLIC has no rights on tables unless default privileges gave them.
    `revoke all on ${tables} from public`,
  ];
}

export function dropLogStatements(suffix: string): string[] {
  const log = logTables(suffix);
  return [
    `drop table if exists ${[...log.parts, log.truncations].map(qualified).join(', ')}`,
    `drop type if exists ${qualified(keyType(suffix))}`,
  ];
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
