/** Rows of `ghost.migrations`, each with those of its tables: what is known of each migration, and the only place that changes it. */
import type { Session } from '../db/session.js';
import type { Direction } from '../model/direction.js';
import type { CopyPlan } from '../model/plan.js';
import type { ChangeRequest } from '../model/change-request.js';
import { isEnded, phaseStoredBy, type Phase } from '../model/phase.js';
import type { MigrationIdentity } from '../sql/marks.js';
import type { ServerIdentity } from './server-identity.js';
import { literal, sql } from '../sql/quote.js';
import { settleAllChunks } from './chunks.js';
import { appendEvents, bounded } from './events.js';
import { fromTableRow, tablesSql, type TableRecord, type TableRow } from './tables.js';
import { stateVersion } from './layout.js';
import { isThereSql } from './phase-sql.js';
import { takenIdsSql, type TableKey } from './schema-sql.js';
import { changeRequest } from './parse/change-request.js';
import { serverIdentity, storedError } from './parse/migration.js';
import type { StoredError } from './stored-json.js';
import { storedForm } from './stored-plan.js';
import { readStored, readStoredIfAny, unreadable } from './unreadable.js';

/**
 * What is stored as JSON is parsed when it is asked for, and throws FailedError `state-unreadable` where it does not fit: who does
 * not ask (`abort`) does not need it.
 */
export interface MigrationRecord extends MigrationIdentity {
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly phase: Phase;
  readonly request: ChangeRequest;
  readonly holdMs: number | null;
  /** The last time, in either direction; null before, and where an early version has not said it. */
  readonly swappedAt: string | null;
  readonly error: StoredError | null;
  /** How many runs there were: a run whose number is another one is not the runner any more (invariant 8). */
  readonly runNo: number;
  /** The server that the migration lives on; null for what early versions have begun. */
  readonly server: ServerIdentity | null;
  /** Of the swap's transaction, and those that were under way at its commit; null before it. */
  readonly swap: { readonly xid: string; readonly inProgress: readonly string[] } | null;
  /** By their numbers. */
  readonly tables: readonly [TableRecord, ...TableRecord[]];
}

/** A row as JSON: what a former layout does not have is not in it. OIDs are texts in there. */
interface MigrationRow {
  readonly id: number;
  readonly created_at: string;
  readonly updated_at: string;
  readonly phase: Phase;
  readonly request: unknown;
  readonly hold_ms: number | null;
  readonly swapped_at?: string | null;
  readonly error: unknown;
  readonly run_no?: number;
  readonly server?: unknown;
  readonly swap_xid?: string | null;
  readonly identity?: string;
}

interface FoundRow {
  readonly row: MigrationRow;
  readonly tables: readonly TableRow[] | null;
  readonly swapOpen: readonly string[];
}

/** Of any layout, in the same shape. */
function migrationsSql(layout: number): string {
  return sql`
    select json as row, ${tablesSql(layout)} as tables, array(
      select open::xid::text
      from pg_snapshot_xip((json ->> 'swap_snapshot')::pg_snapshot) as open
      where open::xid::text <> json ->> 'swap_xid'
    ) as "swapOpen"
    from ghost.migrations as m
    cross join lateral to_jsonb(m) as json`;
}

function fromRow({ row, tables, swapOpen }: FoundRow): MigrationRecord {
  const { swap_xid: swapXid = null, swapped_at: swappedAt = null } = row;
  const [first, ...others] = (tables ?? []).map((table) => fromTableRow(row, table));
  if (first === undefined) throw unreadable(row, ['tables: there is none']);
  return {
    id: row.id,
    // Nothing has a mark with none.
    identity: row.identity ?? '',
    createdAt: new Date(row.created_at).toISOString(),
    updatedAt: new Date(row.updated_at).toISOString(),
    phase: row.phase,
    get request() {
      return readStored(row, 'request', changeRequest, row.request);
    },
    holdMs: row.hold_ms,
    swappedAt: swappedAt === null ? null : new Date(swappedAt).toISOString(),
    get error() {
      return readStoredIfAny(row, 'error', storedError, row.error);
    },
    runNo: row.run_no ?? 0,
    get server() {
      return readStoredIfAny(row, 'server', serverIdentity, row.server);
    },
    swap: swapXid === null ? null : { xid: swapXid, inProgress: swapOpen },
    tables: [first, ...others],
  };
}

/** @param layout of the state, for whoever reads one of an earlier version */
export async function listMigrations(
  session: Session,
  layout: number = stateVersion,
): Promise<MigrationRecord[]> {
  const rows = await session.rows<FoundRow>(`${migrationsSql(layout)} order by m.id`);
  return rows.map(fromRow);
}

/** Of the migrations of which something is there; null when this role may not know. Writes nothing, and needs no state. */
export async function readActiveIdentities(session: Session): Promise<string[] | null> {
  const { readable } = await session.row<{ readable: boolean | null }>(sql`
    select case when to_regclass('ghost.migrations') is not null
      then has_schema_privilege('ghost', 'usage') and has_table_privilege('ghost.migrations', 'select')
    end as readable`);
  if (readable !== true) return readable === null ? [] : null;
  const rows = await session.rows<{ identity: string }>(sql`
    select to_jsonb(m) ->> 'identity' as identity
    from ghost.migrations as m
    where ${isThereSql}`);
  return rows.map(({ identity }) => identity);
}

/** @param layout of the state, for whoever reads one of an earlier version */
export async function findMigration(
  session: Session,
  id: number,
  layout: number = stateVersion,
): Promise<MigrationRecord | null> {
  const [row] = await session.rows<FoundRow>({
    text: `${migrationsSql(layout)} where m.id = $1`,
    values: [id],
  });
  return row === undefined ? null : fromRow(row);
}

/** One of its tables. */
export async function findTableRecord(session: Session, { id, no }: TableKey): Promise<TableRecord | null> {
  const record = await findMigration(session, id);
  return record?.tables.find((table) => table.no === no) ?? null;
}

export interface NewMigration {
  readonly request: ChangeRequest;
  /** Of its tables, in their order. */
  readonly plans: readonly [CopyPlan, ...CopyPlan[]];
  readonly server: ServerIdentity;
}

/**
 * A new migration in the first phase, under the next number for which nobody has any of the names that it will need: a user's
 * `ghost_old_1`, or what an earlier migration has left whose state is gone, is none of its business. A table that is in
 * one already fails with 23505.
 */
export async function insertMigration(
  session: Session,
  { request, plans, server }: NewMigration,
): Promise<MigrationRecord> {
  const id = await freeId(session);
  await session.execute({
    text: sql`
      with recorded as (
        insert into ghost.migrations (id, phase, request, server)
        overriding system value values ($1, ${literal(phaseStoredBy('insert'))}, $2, $3)
      )
      insert into ghost.tables (migration_id, no, schema_name, table_name, source_oid, plan)
      select $1, no, item ->> 'schema', item ->> 'name', (item ->> 'oid')::oid, item -> 'plan'
      from jsonb_array_elements($4::jsonb) with ordinality as list (item, no)`,
    values: [
      id,
      JSON.stringify(request),
      JSON.stringify(server),
      JSON.stringify(plans.map((plan) => ({ ...plan.table, oid: plan.source.oid, plan: storedForm(plan) }))),
    ],
  });
  const record = await findMigration(session, id);
  if (record === null) throw new Error(`migration ${id} was not recorded`);
  return record;
}

async function freeId(session: Session): Promise<number> {
  const taken = new Set((await session.rows<{ id: number }>(takenIdsSql)).map(({ id }) => id));
  for (;;) {
    const { id } = await session.row<{ id: number }>(
      `select nextval(pg_get_serial_sequence('ghost.migrations', 'id'))::int as id`,
    );
    if (!taken.has(id)) return id;
  }
}

export async function setPhase(session: Session, id: number, phase: Phase): Promise<void> {
  const update = sql`
    update ghost.migrations
    set phase = $2, error = null, updated_at = clock_timestamp()
    where id = $1`;
  await session.execute({
    text: isEnded(phase)
      ? sql`
        with closed as (
          update ghost.tables set is_open = false where migration_id = $1 and is_open
        )
        ${update}`
      : update,
    values: [id, phase],
  });
}

/**
 * The tables that we mean are where they belong: statements name them, and a schema can be renamed under any lock. NULL in
 * a column that takes none ends the swap if they are not.
 */
function exchangedSql(direction: Direction): string {
  const [kept, room, used] =
    direction === 'forward'
      ? ['source_oid', 'old_schema_oid', 'shadow_oid']
      : ['shadow_oid', 'shadow_schema_oid', 'source_oid'];
  return sql`(
      select count(*) = 2
      from pg_class as c
      join pg_namespace as n on n.oid = c.relnamespace
      where c.oid = ${kept} and n.oid = ${room}
        or c.oid = ${used} and n.nspname = schema_name and c.relname = table_name
    )`;
}

export interface SwapMark {
  readonly direction: Direction;
  /** Numbers of the tables whose writes are collected from now on, so that they can go the other way. */
  readonly windows: readonly number[];
}

/**
 * Part of the swap's own batch, so that the state and the catalog change in one commit (invariant 11). One statement for all tables:
 * it is prepared once.
 */
export function swappedSql(id: number, { direction, windows }: SwapMark): string {
  const phase = phaseStoredBy(direction === 'forward' ? 'swap' : 'swap back');
  const opened =
    windows.length === 0
      ? ''
      : sql`, opened as (
      insert into ghost.windows (migration_id, table_no, since)
      select ${id}, no, clock_timestamp() from unnest(array[${windows.join(', ')}]) as no
      on conflict (migration_id, table_no) do update set since = excluded.since, tables = null
    )`;
  // The log is another one from now on, and so is the table that is written to.
  const another =
    windows.length === 0 ? '' : ', active_segment = 0, fingerprint = null, filenode = null, capture = null';
  return sql`
    with closed as (
      update ghost.tables
      set source_oid = case when ${exchangedSql(direction)} then source_oid end, is_open = false${another}
      where migration_id = ${id}
    )${opened}
    update ghost.migrations
    set phase = ${literal(phase)}, error = null, swap_xid = pg_current_xact_id()::xid::text,
      swap_snapshot = pg_current_snapshot()::text, swapped_at = clock_timestamp(), updated_at = clock_timestamp()
    where id = ${id}`;
}

/** A new run begins, of this process (`owner`). @returns its number */
export async function nextRun(
  session: Session,
  id: number,
  owner: string,
  server: ServerIdentity | null,
): Promise<number> {
  const { run_no: runNo } = await session.row<{ run_no: number }>({
    text: sql`
      update ghost.migrations
      set run_no = run_no + 1, run_owner = $3, server = coalesce($2, server)
      where id = $1
      returning run_no`,
    values: [id, server === null ? null : JSON.stringify(server), owner],
  });
  return runNo;
}

export async function setHold(session: Session, id: number, holdMs: number): Promise<void> {
  await session.execute({
    text: `update ghost.migrations set hold_ms = $2 where id = $1`,
    values: [id, holdMs],
  });
}

/** What has ended a run; among the events too. */
export async function setError(session: Session, id: number, error: StoredError): Promise<void> {
  const { code, message } = error;
  await session.execute({
    text: sql`
      with failed as (
        update ghost.migrations set error = $2, updated_at = clock_timestamp() where id = $1 returning id
      )
      insert into ghost.events (migration_id, event, body) select id, 'run:failed', $3 from failed`,
    values: [id, JSON.stringify(error), JSON.stringify(bounded({ code, message }))],
  });
}

/** It is over, in the transaction that removes the last of it. */
export async function endMigration(
  session: Session,
  id: number,
  phase: Phase,
  told: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  await settleAllChunks(session, id);
  await setPhase(session, id, phase);
  await appendEvents(session, id, [{ at: new Date(), event: `migration:${phase}`, body: told }]);
}

/** For a migration that ended before anything of it was left: as if it had never been. */
export async function deleteMigration(session: Session, id: number): Promise<void> {
  await session.execute({ text: `delete from ghost.migrations where id = $1`, values: [id] });
}
