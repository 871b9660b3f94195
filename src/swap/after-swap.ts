/**
 * What follows the swap and needs no strong lock on the table: foreign keys are validated, materialized views refreshed. What
 * is left to do is read from the catalog, so it can be called again at any time.
 */
import type { Session } from '../db/session.js';
import { SqlState, isServerError, sqlState, type ServerError } from '../db/sqlstate.js';
import { toValidate, type ForeignKey } from '../model/definitions.js';
import { validateForeignKey } from '../ddl/foreign-key-sql.js';
import { refreshView } from '../ddl/view-sql.js';
import { FailedError } from '../errors.js';
import { lockNotObtained, tellMisses } from '../locks/describe-miss.js';
import type { LedgerEntry } from '../locks/ledger.js';
import { lockThenRun } from '../locks/lock-then-run.js';
import type { LockStep } from '../locks/lock-request.js';
import type { CopyPlan } from '../model/plan.js';
import type { Emit } from '../model/event.js';
import { displayName, ident, qualified, sql } from '../sql/quote.js';
import type { QualifiedName } from '../model/name.js';
import { findRelationNamed, type Relation } from '../state/own-objects.js';
import { defaultRunSettings } from '../settings/table.js';

/** One of the tables that were swapped. */
interface CompletedTable {
  readonly plan: Pick<CopyPlan, 'table' | 'settings' | 'definitions' | 'lateChecks'>;
  /** Its OID, where it is known. */
  readonly newTable: number | null;
}

export interface AfterSwapWork {
  readonly session: Session;
  readonly tables: readonly CompletedTable[];
  readonly lockTimeoutMs: number;
  readonly deadlineMs: number;
  readonly watcher?: Session;
  readonly onLock?: (entry: LedgerEntry) => void;
  readonly emit: Emit;
  readonly signal?: AbortSignal;
}

/**
 * @throws FailedError `foreign-key-violated` when rows violate a foreign key that was valid by the catalog: it stays NOT
 *   VALID; `lock-not-obtained` after the deadline
 */
export async function completeSwap(work: AfterSwapWork): Promise<void> {
  for (const table of work.tables) await completeTable(work, table);
}

async function completeTable(work: AfterSwapWork, table: CompletedTable): Promise<void> {
  const { session } = work;
  for (const each of await pending(session, table)) {
    try {
      await runLocked(work, table, each);
    } catch (error) {
      if (!isServerError(error)) throw notObtained(error, each);
      if (each.check !== undefined && sqlState(error) === SqlState.checkViolation) {
        work.emit('warning', staysNotValid(each.check, error));
        continue;
      }
      throw notCompleted(error, each);
    }
    if (each.refresh !== null) await session.execute(`analyze ${each.refresh}`);
  }
}

interface Pending {
  readonly what: string;
  /** What the statement locks, in order. */
  readonly locks: readonly LockStep[];
  readonly statement: string;
  /** The materialized view, quoted. */
  readonly refresh: string | null;
  /** The name of the CHECK that is validated: that a row does not hold any more is no error. */
  readonly check?: string;
}

async function pending(session: Session, { plan, newTable }: CompletedTable): Promise<Pending[]> {
  const { target } = plan.definitions;
  const result: Pending[] = await lateChecks(session, plan, newTable);
  for (const planned of toValidate(target)) {
    const found = await findUnvalidated(session, planned, newTable);
    if (found === null) continue;
    const { table, references } = found;
    const what = `validating foreign key ${planned.name} of ${displayName(table)}`;
    const locks: LockStep[] = [
      { kind: 'table', oid: found.tableOid, table: qualified(table), mode: 'SHARE UPDATE EXCLUSIVE' },
      {
        kind: found.lockable ? 'table' : 'implicit',
        oid: found.referencesOid,
        table: qualified(references),
        mode: 'ROW SHARE',
      },
    ];
    result.push({ what, locks, statement: validateForeignKey({ ...planned, table }), refresh: null });
  }
  for (const view of target.views.filter(({ materialized, populated }) => materialized && populated)) {
    const found = await findUnpopulated(session, view.name, newTable);
    if (found === null) continue;
    const name = qualified(found);
    const what = `refreshing materialized view ${displayName(found)}`;
    const locks: LockStep[] = [{ kind: 'implicit', oid: found.oid, table: name, mode: 'ACCESS EXCLUSIVE' }];
    result.push({ what, locks, statement: refreshView({ ...view, name: found }), refresh: name });
  }
  return result;
}

async function lateChecks(
  session: Session,
  plan: CompletedTable['plan'],
  newTable: number | null,
): Promise<Pending[]> {
  const names = plan.lateChecks.map(({ name }) => name);
  if (names.length === 0) return [];
  const oid = newTable ?? (await findRelationNamed(session, plan.table))?.oid ?? null;
  const rows = await session.rows<{ oid: number; table: QualifiedName; name: string }>({
    text: sql`
      select t.oid, json_build_object('schema', n.nspname, 'name', t.relname) as table, con.conname::text as name
      from pg_constraint as con
      join pg_class as t on t.oid = con.conrelid
      join pg_namespace as n on n.oid = t.relnamespace
      where con.conrelid = $1::bigint
        and con.contype = 'c'
        and not con.convalidated
        and con.conname = any ($2)
      order by con.conname`,
    values: [oid, names],
  });
  return rows.map(({ oid: tableOid, table, name }) => ({
    what: `validating CHECK ${name} of ${displayName(table)}`,
    locks: [
      { kind: 'table', oid: tableOid, table: qualified(table), mode: 'SHARE UPDATE EXCLUSIVE' } as const,
    ],
    statement: `alter table ${qualified(table)} validate constraint ${ident(name)}`,
    refresh: null,
    check: name,
  }));
}

function staysNotValid(name: string, error: ServerError): { code: string; message: string } {
  return {
    code: 'check-not-valid',
    message: `CHECK ${name} stays NOT VALID: it checks every write, but a row that was written under it does not hold any more (${error.message})`,
  };
}

interface Unvalidated {
  readonly tableOid: number;
  readonly table: QualifiedName;
  readonly referencesOid: number;
  readonly references: QualifiedName;
  readonly lockable: boolean;
}

/** By the new table's OID, and under the names that the tables have now: they may have been renamed since. */
async function findUnvalidated(
  session: Session,
  { name, table, references }: ForeignKey,
  newTable: number | null,
): Promise<Unvalidated | null> {
  const [found] = await session.rows<Unvalidated>({
    text: sql`
      select
        con.conrelid as "tableOid",
        json_build_object('schema', tn.nspname, 'name', t.relname) as table,
        con.confrelid as "referencesOid",
        json_build_object('schema', rn.nspname, 'name', r.relname) as references,
        has_table_privilege(con.confrelid, 'update, delete, truncate') as lockable
      from pg_constraint as con
      join pg_class as t on t.oid = con.conrelid
      join pg_namespace as tn on tn.oid = t.relnamespace
      join pg_class as r on r.oid = con.confrelid
      join pg_namespace as rn on rn.oid = r.relnamespace
      where con.conname = $1
        and con.contype = 'f'
        and not con.convalidated
        and $2::bigint in (con.conrelid, con.confrelid)
        -- Names of constraints are the table's own: the other end tells those of two tables apart.
        and (t.relname = $3 or r.relname = $4)
      order by (t.relname = $3)::int + (r.relname = $4)::int desc
      limit 1`,
    values: [
      name,
      newTable ?? (await findRelationNamed(session, table))?.oid ?? null,
      table.name,
      references.name,
    ],
  });
  return found ?? null;
}

/** By its name; or, when its schema has another name by now, among what reads the new table. */
async function findUnpopulated(
  session: Session,
  { schema, name }: QualifiedName,
  newTable: number | null,
): Promise<Relation | null> {
  const [found] = await session.rows<Relation>({
    text: sql`
      with recursive reader (oid) as (
        select $3::bigint::oid
        union
        select r.ev_class
        from reader
        join pg_depend as d
          on d.refclassid = 'pg_class'::regclass
          and d.refobjid = reader.oid
          and d.classid = 'pg_rewrite'::regclass
        join pg_rewrite as r on r.oid = d.objid and r.rulename = '_RETURN'
      )
      select c.oid, n.nspname::text as schema, c.relname::text as name
      from pg_class as c
      join pg_namespace as n on n.oid = c.relnamespace
      where c.relkind = 'm'
        and not c.relispopulated
        and c.relname = $2::name
        and (n.nspname = $1::name or c.oid in (select oid from reader))
      order by n.nspname <> $1::name
      limit 1`,
    values: [schema, name, newTable],
  });
  return found ?? null;
}

/** The locks keep out no reader and no writer, but whoever waits for one makes others wait behind. */
async function runLocked(
  work: AfterSwapWork,
  { plan }: CompletedTable,
  { what, statement, locks }: Pending,
): Promise<void> {
  const { session, watcher, lockTimeoutMs, deadlineMs, signal, emit, onLock } = work;
  const { harmPerTryMs, harmPerRunMs } = defaultRunSettings;
  await lockThenRun({
    session,
    what,
    locks,
    limits: { lockTimeoutMs, deadlineMs, harmPerTryMs, harmPerRunMs },
    run: () => session.under(plan.settings, () => session.execute(statement)),
    onMiss: tellMisses(emit, what),
    ...(watcher === undefined ? {} : { watcher }),
    ...(onLock === undefined ? {} : { onLock }),
    ...(signal === undefined ? {} : { signal }),
  });
}

function notObtained(error: unknown, { what, statement }: Pending): unknown {
  return lockNotObtained(error, {
    what,
    state: 'the tables are swapped and the new one is in use; this part of the work is left to do',
    hint: `run the same command again, or by hand: ${statement}`,
    details: { statement },
  });
}

function notCompleted(error: ServerError, { what, statement }: Pending): FailedError {
  const violated = sqlState(error) === SqlState.foreignKeyViolation;
  return new FailedError(
    violated ? 'foreign-key-violated' : 'swap-not-completed',
    violated
      ? `${what} could not be validated: rows violate it, and did before the migration: ${error.message}`
      : `${what}: ${error.message}`,
    {
      state: 'the tables are swapped and the new one is in use; this part of the work is left to do',
      hint: violated
        ? `new rows are checked; correct the old ones, then run the same command again, or: ${statement}`
        : `run the same command again, or by hand: ${statement}`,
      details: { statement },
      cause: error,
    },
  );
}
