/** Rows of `ghost.migrations`: what is known of each migration, and the only place that changes it. */
import type { TableShape } from '../catalog/types.js';
import type { Session } from '../db/session.js';
import type { ChangeRequest, Plan } from '../plan/types.js';
import type { Phase } from '../report/events.js';
import type { ServerIdentity } from './server-identity.js';
import type { QualifiedName, SqlQuery } from '../sql/quote.js';
import { literal, sql } from '../sql/quote.js';

export interface StoredError {
  readonly code: string;
  readonly message: string;
  readonly hint: string | null;
}

/** What the source looked like when capture began, and must still look like (invariant 12). */
export interface SourceMark {
  readonly fingerprint: string;
  readonly filenode: number;
  readonly capture: string;
}

export interface MigrationRecord {
  readonly id: number;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly table: QualifiedName;
  readonly sourceOid: number;
  readonly phase: Phase;
  readonly request: ChangeRequest;
  readonly plan: Plan;
  /** The expected shape of the shadow; null until prepared. */
  readonly target: TableShape | null;
  readonly mark: SourceMark | null;
  readonly blocksTotal: number | null;
  readonly rowsCopied: number;
  readonly holdMs: number | null;
  readonly error: StoredError | null;
  /** How many runs there were: a run whose number is another one is not the runner any more (invariant 8). */
  readonly runNo: number;
  /** The server that the migration lives on; null until a run has begun. */
  readonly server: ServerIdentity | null;
  /** The segment of the change log that capture writes to. */
  readonly activeSegment: number;
  readonly verification: StoredVerification | null;
  /** Of the swap's transaction, and those that were under way at its commit; null before it. */
  readonly swap: { readonly xid: string; readonly inProgress: readonly string[] } | null;
}

/** The last verification that came to its end. */
export interface StoredVerification {
  readonly mode: 'full' | 'sample' | 'off';
  readonly rows: number;
  readonly differences: number;
  readonly at: string;
}

interface MigrationRow {
  id: number;
  created_at: string;
  updated_at: string;
  schema_name: string;
  table_name: string;
  source_oid: number;
  phase: Phase;
  request: ChangeRequest;
  plan: Plan;
  target: TableShape | null;
  fingerprint: string | null;
  filenode: number | null;
  capture: string | null;
  blocks_total: number | null;
  rows_copied: number;
  hold_ms: number | null;
  error: StoredError | null;
  run_no: number;
  server: ServerIdentity | null;
  active_segment: number;
  verification: StoredVerification | null;
  swap_xid: string | null;
  swap_open: string[];
}

const columns = sql`
  id, to_char(created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as created_at,
  to_char(updated_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as updated_at,
  schema_name, table_name, source_oid, phase, request, plan, target, fingerprint, filenode, capture,
  blocks_total, rows_copied, hold_ms, error, run_no, server, active_segment, verification, swap_xid,
  array(
    select open::xid::text
    from pg_snapshot_xip(swap_snapshot::pg_snapshot) as open
    where swap_snapshot is not null and open::xid::text <> swap_xid
  ) as swap_open`;

function fromRow(row: MigrationRow): MigrationRecord {
  const { fingerprint, filenode, capture } = row;
  return {
    id: row.id,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    table: { schema: row.schema_name, name: row.table_name },
    sourceOid: row.source_oid,
    phase: row.phase,
    request: row.request,
    plan: row.plan,
    target: row.target,
    mark:
      fingerprint === null || filenode === null || capture === null
        ? null
        : { fingerprint, filenode, capture },
    blocksTotal: row.blocks_total,
    rowsCopied: row.rows_copied,
    holdMs: row.hold_ms,
    error: row.error,
    runNo: row.run_no,
    server: row.server,
    activeSegment: row.active_segment,
    verification: row.verification,
    swap: row.swap_xid === null ? null : { xid: row.swap_xid, inProgress: row.swap_open },
  };
}

export async function listMigrations(session: Session): Promise<MigrationRecord[]> {
  const rows = await session.rows<MigrationRow>(`select ${columns} from ghost.migrations order by id`);
  return rows.map(fromRow);
}

export async function findMigration(session: Session, id: number): Promise<MigrationRecord | null> {
  const [row] = await session.rows<MigrationRow>({
    text: `select ${columns} from ghost.migrations where id = $1`,
    values: [id],
  });
  return row === undefined ? null : fromRow(row);
}

/** The migration that this table is in now, if any. */
export async function findActiveMigration(
  session: Session,
  sourceOid: number,
): Promise<MigrationRecord | null> {
  const [row] = await session.rows<MigrationRow>({
    text: sql`
      select ${columns}
      from ghost.migrations
      where source_oid = $1
        and phase not in ('swapped', 'finalized', 'aborted')`,
    values: [sourceOid],
  });
  return row === undefined ? null : fromRow(row);
}

/** The table's last migration that has swapped and still keeps the old table, if any. */
export async function findSwappedMigration(
  session: Session,
  table: QualifiedName,
): Promise<MigrationRecord | null> {
  const [row] = await session.rows<MigrationRow>({
    text: sql`
      select ${columns}
      from ghost.migrations
      where schema_name = $1
        and table_name = $2
        and phase = 'swapped'
      order by id desc
      limit 1`,
    values: [table.schema, table.name],
  });
  return row === undefined ? null : fromRow(row);
}

/** A new migration in phase `prepare`. A table that is in one already fails with 23505. */
export async function insertMigration(
  session: Session,
  plan: Plan,
  sourceOid: number,
): Promise<MigrationRecord> {
  const row = await session.row<MigrationRow>({
    text: sql`
      insert into ghost.migrations (schema_name, table_name, source_oid, phase, request, plan)
      values ($1, $2, $3, 'prepare', $4, $5)
      returning ${columns}`,
    values: [
      plan.table.schema,
      plan.table.name,
      sourceOid,
      JSON.stringify(plan.request),
      JSON.stringify(plan),
    ],
  });
  return fromRow(row);
}

export async function setPhase(session: Session, id: number, phase: Phase): Promise<void> {
  await session.execute({
    text: sql`
      update ghost.migrations
      set phase = $2, error = null, updated_at = clock_timestamp()
      where id = $1`,
    values: [id, phase],
  });
}

/** Part of the swap's own batch, so that the state and the catalog change in one commit (invariant 11). */
export function swappedSql(id: number): string {
  return sql`
    update ghost.migrations
    set phase = ${literal('swapped')}, error = null, swap_xid = pg_current_xact_id()::xid::text,
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

export async function setVerification(
  session: Session,
  id: number,
  verification: Omit<StoredVerification, 'at'>,
): Promise<void> {
  await session.execute({
    text: sql`
      update ghost.migrations
      set verification = $2::jsonb || jsonb_build_object('at', to_json(clock_timestamp())), updated_at = clock_timestamp()
      where id = $1`,
    values: [id, JSON.stringify(verification)],
  });
}

export async function setHold(session: Session, id: number, holdMs: number): Promise<void> {
  await session.execute({
    text: `update ghost.migrations set hold_ms = $2 where id = $1`,
    values: [id, holdMs],
  });
}

/** The shadow is built, and with it a log whose first segment is the active one. */
export async function setTarget(session: Session, id: number, target: TableShape): Promise<void> {
  await session.execute({
    text: `update ghost.migrations set target = $2, active_segment = 0, updated_at = clock_timestamp() where id = $1`,
    values: [id, JSON.stringify(target)],
  });
}

/** The beginning of a copy: what the source looks like, and how many blocks it has. Forgets earlier chunks. */
export async function setCopyStart(
  session: Session,
  id: number,
  mark: SourceMark,
  blocksTotal: number,
): Promise<void> {
  await session.execute({ text: `delete from ghost.chunks where migration_id = $1`, values: [id] });
  await session.execute({
    text: sql`
      update ghost.migrations
      set phase = 'copy', fingerprint = $2, filenode = $3, capture = $4, blocks_total = $5, rows_copied = 0,
          updated_at = clock_timestamp()
      where id = $1`,
    values: [id, mark.fingerprint, mark.filenode, mark.capture, blocksTotal],
  });
}

/** Part of the transaction that makes capture write to it. */
export function activeSegmentSql(id: number, segment: number): string {
  return `update ghost.migrations set active_segment = ${segment} where id = ${id}`;
}

/** After a change of the catalog that left the definition as it was (a REINDEX, say). */
export async function setFingerprint(session: Session, id: number, fingerprint: string): Promise<void> {
  await session.execute({
    text: `update ghost.migrations set fingerprint = $2 where id = $1`,
    values: [id, fingerprint],
  });
}

export async function setError(session: Session, id: number, error: StoredError): Promise<void> {
  await session.execute({
    text: `update ghost.migrations set error = $2, updated_at = clock_timestamp() where id = $1`,
    values: [id, JSON.stringify(error)],
  });
}

/** For a migration that ended before anything of it was left: as if it had never been. */
export async function deleteMigration(session: Session, id: number): Promise<void> {
  await session.execute({ text: `delete from ghost.migrations where id = $1`, values: [id] });
}

/** The copy is over: its chunks are not needed any more, their sum is. */
export async function settleChunks(session: Session, id: number): Promise<number> {
  const { rows } = await session.row<{ rows: number }>({
    text: sql`
      with gone as (delete from ghost.chunks where migration_id = $1 returning rows)
      update ghost.migrations
      set rows_copied = rows_copied + (select coalesce(sum(rows), 0) from gone)
      where id = $1
      returning rows_copied as rows`,
    values: [id],
  });
  return rows;
}

/** One copied chunk; runs in the chunk's own transaction (invariant 7). */
export function chunkDoneSql(id: number, fromBlock: number, toBlock: number, rows: number): SqlQuery {
  return {
    text: `insert into ghost.chunks (migration_id, from_block, to_block, rows) values ($1, $2, $3, $4)`,
    values: [id, fromBlock, toBlock, rows],
  };
}

export interface ChunkRecord {
  readonly from: number;
  readonly to: number;
  readonly rows: number;
}

export async function readChunks(session: Session, id: number): Promise<ChunkRecord[]> {
  return session.rows<ChunkRecord>({
    text: sql`
      select from_block as "from", to_block as "to", rows
      from ghost.chunks
      where migration_id = $1
      order by from_block`,
    values: [id],
  });
}
