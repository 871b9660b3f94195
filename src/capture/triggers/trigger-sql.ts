/**
 * Capture by trigger (invariant 2): every write to the source leaves its key in the log, in the same transaction.
 *
 * The functions run inside the application's own statements, so they must never fail there: they belong to us
 * (SECURITY DEFINER: the application has no rights on our schema), have names of their own (two captures never share
 * one), look nothing up on the caller's `search_path`, and use no operator of the key's types.
 */
import type { Direction } from '../../model/direction.js';
import type { Key } from '../../model/key.js';
import { ident, literal, qualified, sql } from '../../sql/quote.js';
import type { QualifiedName } from '../../model/name.js';
import { captureRole, commentStatement, markOf, type MigrationIdentity } from '../../sql/marks.js';
import {
  captureSchema,
  segmentedLog,
  createLogStatements,
  dropLogStatements,
  keyType,
  logTables,
  type SegmentedLog,
} from '../key-log.js';

export interface TriggerFacts {
  /** Of the names of all that is ours; see key-log.ts. */
  readonly suffix: string;
  readonly table: QualifiedName;
  readonly key: Key;
}

/** Names of what capture leaves on the source; for checks that tell our objects from the user's. */
export function captureTriggerNames(suffix: string): { readonly rows: string; readonly truncate: string } {
  return { rows: `ghost_capture_${suffix}`, truncate: `ghost_capture_truncate_${suffix}` };
}

/** Log, functions and triggers, for one transaction. Only the triggers, which come last, lock the source. */
export function captureStatements(facts: TriggerFacts): string[] {
  return [...captureObjectStatements(facts), ...captureTriggerStatements(facts)];
}

/** The part that touches nothing of the user's: log and functions. */
export function captureObjectStatements(facts: TriggerFacts, looksSince: string | null = null): string[] {
  const { suffix, key } = facts;
  return [
    ...createLogStatements(suffix, key),
    ...(looksSince === null ? [] : keyIndexStatements(segmentedLog(suffix, key), suffix)),
    ...captureFunctionStatements(facts, looksSince),
  ];
}

/** By which a write finds that its key is in the log already. */
function keyIndexStatements({ segments, columns }: SegmentedLog, suffix: string): string[] {
  return segments.map(
    (segment) => sql`
      create index ${ident(`${segment.name}_key`)}
      on ${qualified(segment)} ((row(${columns.map(ident).join(', ')})::${qualified(keyType(suffix))}) record_image_ops)`,
  );
}

/** `table`: where the trigger is now; after a swap that is the old table's name. Locks it ACCESS EXCLUSIVE. */
export function dropCaptureStatements(facts: Pick<TriggerFacts, 'suffix' | 'table'>): string[] {
  return [...dropCaptureTriggerStatements(facts), ...dropCaptureObjectStatements(facts.suffix)];
}

/** Locks the table ACCESS EXCLUSIVE. */
export function dropCaptureTriggerStatements({
  suffix,
  table,
}: Pick<TriggerFacts, 'suffix' | 'table'>): string[] {
  const names = captureTriggerNames(suffix);
  return [
    `drop trigger if exists ${ident(names.rows)} on ${qualified(table)}`,
    `drop trigger if exists ${ident(names.truncate)} on ${qualified(table)}`,
  ];
}

/** When the triggers are gone. */
export function dropCaptureObjectStatements(suffix: string): string[] {
  const functions = captureFunctionNames(suffix);
  return [
    `drop function if exists ${qualified(functions.rows)}(), ${qualified(functions.truncate)}()`,
    ...dropLogStatements(suffix),
  ];
}

/**
 * The marks by which all of it is recognised as this migration's; a trigger is by the function that it runs, so that the
 * user's table carries nothing but the triggers.
 */
export function markCaptureStatements(
  migration: MigrationIdentity & { readonly direction: Direction },
  suffix: string,
): string[] {
  const { parts, truncations } = logTables(suffix);
  const functions = captureFunctionNames(suffix);
  const log = markOf(migration, captureRole('change log', migration.direction));
  const capture = markOf(migration, captureRole('capture', migration.direction));
  return [
    ...[...parts, truncations].map((name) => commentStatement(`table ${qualified(name)}`, log)),
    commentStatement(`type ${qualified(keyType(suffix))}`, log),
    ...[functions.rows, functions.truncate].map((name) =>
      commentStatement(`function ${qualified(name)}()`, capture),
    ),
  ];
}

export function captureFunctionNames(suffix: string): {
  readonly rows: QualifiedName;
  readonly truncate: QualifiedName;
} {
  return {
    rows: { schema: captureSchema, name: `capture_${suffix}` },
    truncate: { schema: captureSchema, name: `capture_truncate_${suffix}` },
  };
}

/**
 * Capture goes on in another segment of the log. Each session takes the new text at its next call; one that is in the middle
 * of a transaction may go on with the old one until the transaction's end.
 */
export function switchSegmentStatements(
  { suffix, key }: Pick<TriggerFacts, 'suffix' | 'key'>,
  segment: number,
  looksSince: string | null = null,
): string[] {
  const body = rowFunctionBody({ log: segmentedLog(suffix, key), key, segment, suffix, looksSince });
  return [triggerFunction(captureFunctionNames(suffix).rows, body, 'create or replace')];
}

function captureFunctionStatements({ suffix, key }: TriggerFacts, looksSince: string | null): string[] {
  const log = segmentedLog(suffix, key);
  const functions = captureFunctionNames(suffix);
  return [
    triggerFunction(functions.rows, rowFunctionBody({ log, key, segment: 0, suffix, looksSince })),
    triggerFunction(
      functions.truncate,
      sql`
        begin
          insert into ${qualified(log.truncations)} default values;
          return null;
        end`,
    ),
    // Creating a trigger needs EXECUTE, firing it does not: nobody else can put our function on a table of theirs.
    `revoke all on function ${qualified(functions.rows)}(), ${qualified(functions.truncate)}() from public`,
  ];
}

/**
 * Without `set search_path`, which would be more than a quarter of what capture costs a single-row transaction (5 of 19
 * microseconds of the backend's CPU, PostgreSQL 14 and 18). A SECURITY DEFINER function may go without only where nothing
 * is looked up on a path that its caller can choose: every table, operator and type in the body is written with its schema,
 * and nothing else is in there. https://www.postgresql.org/docs/current/sql-createfunction.html (Writing SECURITY DEFINER Functions Safely)
 */
function triggerFunction(name: QualifiedName, body: string, create = 'create'): string {
  return sql`
    ${create} function ${qualified(name)}() returns trigger
    language plpgsql security definer
    as ${literal(`\n${body}\n`)}`;
}

/**
 * An update logs the old key too when its bytes differ. Bytes, not `=`: the type's equality may live in a schema that is not
 * on the caller's path (citext, ltree), and keys that are equal but look different (`1.0` and `1.00`, `a` and `A` in a
 * case-insensitive collation) may be two different keys after the change.
 */
interface RowFunction {
  readonly log: SegmentedLog;
  readonly key: Key;
  readonly segment: number;
  readonly suffix: string;
  /**
   * A key that this transaction sees in the log is not written once more; of another one that is under way nobody waits. The id of a
   * transaction that began when the last entry had been taken out: a snapshot from before may still show that entry, and whoever
   * keeps one for the whole transaction does not look. null: nobody looks.
   */
  readonly looksSince: string | null;
}

function rowFunctionBody({ log, key, segment, suffix, looksSince }: RowFunction): string {
  const entries = log.segments[segment === 0 ? 0 : 1];
  const image = (row: 'old' | 'new'): string =>
    key.columns.map((column) => `${row}.${ident(column.name)}`).join(', ');
  const record = (row: 'old' | 'new'): string => `row(${image(row)})::pg_catalog.record`;
  const columns = [...log.columns, ...(log.step === null ? [] : [log.step])].map(ident).join(', ');
  // An update is a step of 0 in all: one row before it, one after it.
  const insert = (row: 'old' | 'new', step: number): string => {
    const write = `insert into ${qualified(entries)} (${columns}) values (${image(row)}${log.step === null ? '' : `, ${step}`});`;
    if (looksSince === null) return write;
    const type = qualified(keyType(suffix));
    return (
      `if not exists (select from only ${qualified(entries)} where row(${log.columns.map(ident).join(', ')})::${type} ` +
      `operator(pg_catalog.*=) row(${image(row)})::${type} ` +
      `and (pg_catalog.current_setting('transaction_isolation') operator(pg_catalog.~~) 'read %' ` +
      `or pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot()) operator(pg_catalog.>) ${literal(looksSince)}::pg_catalog.xid8)) then ${write} end if;`
    );
  };
  return sql`
    begin
      if tg_op operator(pg_catalog.=) 'UPDATE' then
        ${insert('new', 0)}
        if ${record('old')} operator(pg_catalog.*<>) ${record('new')} then
          ${insert('old', 0)}
        end if;
      elsif tg_op operator(pg_catalog.=) 'INSERT' then
        ${insert('new', 1)}
      else
        ${insert('old', -1)}
      end if;
      return null;
    end`;
}

/**
 * Locks the table SHARE ROW EXCLUSIVE: waits for writers, so its commit separates the writes before it from those
 * after it.
 */
export function captureTriggerStatements({
  suffix,
  table,
}: Pick<TriggerFacts, 'suffix' | 'table'>): string[] {
  const names = captureTriggerNames(suffix);
  const functions = captureFunctionNames(suffix);
  return [
    sql`
      create trigger ${ident(names.rows)}
      after insert or update or delete on ${qualified(table)}
      for each row execute function ${qualified(functions.rows)}()`,
    sql`
      create trigger ${ident(names.truncate)}
      after truncate on ${qualified(table)}
      for each statement execute function ${qualified(functions.truncate)}()`,
    // ALWAYS: session_replication_role = replica, as subscriptions and some loaders have it, must not slip past.
    `alter table ${qualified(table)} enable always trigger ${ident(names.rows)}, enable always trigger ${ident(names.truncate)}`,
  ];
}
