/** Rows of `ghost.tables`: what is known of each table of a migration. They are read with the migration's own row. */
import type { Session } from '../db/session.js';
import type { QualifiedName } from '../model/name.js';
import type { CopyPlan } from '../model/plan.js';
import { phaseStoredBy, type Phase } from '../model/phase.js';
import type { TableShape } from '../model/table-shape.js';
import { literal, sql } from '../sql/quote.js';
import { hasTable } from './layout.js';
import { storedVerification } from './parse/migration.js';
import type { TableKey } from './schema-sql.js';
import type { StoredVerification } from './stored-json.js';
import { storedForm } from './stored-plan.js';
import { readStoredIfAny } from './unreadable.js';
import { oidsOfFormerLayoutSql } from './upgrades.js';

/** What the source looked like when capture began, and must still look like (invariant 12). */
export interface SourceMark {
  readonly fingerprint: string;
  readonly filenode: number;
  readonly capture: string;
}

export interface TableRecord extends TableKey {
  /** Its name when the migration began; what it is called now, `whereabouts` knows. */
  readonly table: QualifiedName;
  readonly sourceOid: number;
  /** null until the shadow is made. The new table after the swap. */
  readonly shadowOid: number | null;
  /** OIDs of our two schemas, as far as they are known. */
  readonly schemaOids: { readonly shadow: number | null; readonly old: number | null };
  /** To be read by `planOf` and `targetOf`, when they are needed: what is stored may be of another version. */
  readonly stored: { readonly plan: unknown; readonly target: unknown };
  readonly mark: SourceMark | null;
  readonly blocksTotal: number | null;
  readonly rowsCopied: number;
  /** The segment of the change log that capture writes to. */
  readonly activeSegment: number;
  readonly verification: StoredVerification | null;
}

export interface TableRow {
  readonly no: number;
  readonly schema_name: string;
  readonly table_name: string;
  readonly source_oid: string;
  readonly plan: unknown;
  readonly target: unknown;
  readonly fingerprint: string | null;
  readonly filenode: string | null;
  readonly capture: string | null;
  readonly blocks_total: number | null;
  readonly rows_copied: number;
  readonly active_segment?: number;
  readonly verification?: unknown;
  readonly shadow_oid?: string | null;
  readonly shadow_schema_oid?: string | null;
  readonly old_schema_oid?: string | null;
}

/** A former layout has the one table of a migration in its row. */
export function tablesSql(layout: number): string {
  if (hasTable(layout, 'tables')) {
    return sql`(
      select jsonb_agg(to_jsonb(t) order by t.no) from ghost.tables as t where t.migration_id = m.id
    )`;
  }
  return `jsonb_build_array(json || '{"no": 1}' || ${layout < 3 ? oidsOfFormerLayoutSql : `'{}'`})`;
}

export function fromTableRow(
  migration: { readonly id: number; readonly phase: Phase },
  row: TableRow,
): TableRecord {
  const { fingerprint, capture } = row;
  const filenode = oidOf(row.filenode);
  return {
    id: migration.id,
    no: row.no,
    table: { schema: row.schema_name, name: row.table_name },
    sourceOid: Number(row.source_oid),
    shadowOid: oidOf(row.shadow_oid),
    schemaOids: { shadow: oidOf(row.shadow_schema_oid), old: oidOf(row.old_schema_oid) },
    stored: { plan: row.plan, target: row.target },
    mark:
      fingerprint === null || filenode === null || capture === null
        ? null
        : { fingerprint, filenode, capture },
    blocksTotal: row.blocks_total,
    rowsCopied: row.rows_copied,
    activeSegment: row.active_segment ?? 0,
    get verification() {
      return readStoredIfAny(migration, 'verification', storedVerification, row.verification);
    },
  };
}

function oidOf(text: string | null | undefined): number | null {
  return text === null || text === undefined ? null : Number(text);
}

/** Of all its tables, in the transaction that removes them: as if nothing had been prepared yet. */
export async function forgetShadows(session: Session, id: number): Promise<void> {
  await session.execute({
    text: sql`
      update ghost.tables
      set target = null, shadow_oid = null, shadow_schema_oid = null, old_schema_oid = null,
        fingerprint = null, filenode = null, capture = null
      where migration_id = $1`,
    values: [id],
  });
}

/** In the transaction that makes them. */
export async function setShadow(
  session: Session,
  { id, no }: TableKey,
  oids: { readonly shadow: number; readonly shadowSchema: number; readonly oldSchema: number },
): Promise<void> {
  await session.execute({
    text: touching(sql`
      update ghost.tables
      set shadow_oid = $3, shadow_schema_oid = $4, old_schema_oid = $5
      where migration_id = $1 and no = $2`),
    values: [id, no, oids.shadow, oids.shadowSchema, oids.oldSchema],
  });
}

/**
 * With what is written of a table of the migration `$1`. In all statements alike its own row comes first, and then those of its tables
 * (what stands in a CTE is done after the rest): two of them never wait for each other.
 */
function touching(update: string): string {
  return sql`
    with written as (
      ${update}
    )
    update ghost.migrations set updated_at = clock_timestamp() where id = $1`;
}

export async function setVerification(
  session: Session,
  { id, no }: TableKey,
  verification: Omit<StoredVerification, 'at'>,
): Promise<void> {
  await session.execute({
    text: touching(sql`
      update ghost.tables
      set verification = $3::jsonb || jsonb_build_object('at', to_json(clock_timestamp()))
      where migration_id = $1 and no = $2`),
    values: [id, no, JSON.stringify(verification)],
  });
}

/** The shadow is built, and with it a log whose first segment is the active one. */
export async function setTarget(session: Session, { id, no }: TableKey, target: TableShape): Promise<void> {
  await session.execute({
    text: touching(sql`
      update ghost.tables set target = $3, active_segment = 0 where migration_id = $1 and no = $2`),
    values: [id, no, JSON.stringify(target)],
  });
}

/**
 * The beginning of a table's copy: what the source looks like, and how many blocks it has. Forgets earlier chunks. The migration is in
 * that phase when capture is on for all of its tables; until then all that was prepared is undone and done again.
 */
export async function setCopyStart(
  session: Session,
  { id, no }: TableKey,
  mark: SourceMark,
  blocksTotal: number,
): Promise<void> {
  await session.execute({
    text: `delete from ghost.chunks where migration_id = $1 and table_no = $2`,
    values: [id, no],
  });
  await session.execute({
    text: sql`
      with begun as (
        update ghost.tables
        set fingerprint = $3, filenode = $4, capture = $5, blocks_total = $6, rows_copied = 0
        where migration_id = $1 and no = $2
      )
      update ghost.migrations
      set updated_at = clock_timestamp(), phase = case
        when exists (select from ghost.tables where migration_id = $1 and no <> $2 and capture is null) then phase
        else ${literal(phaseStoredBy('copy start'))}
      end
      where id = $1`,
    values: [id, no, mark.fingerprint, mark.filenode, mark.capture, blocksTotal],
  });
}

/** Part of the transaction that makes capture write to it. */
export function activeSegmentSql({ id, no }: TableKey, segment: number): string {
  return `update ghost.tables set active_segment = ${segment} where migration_id = ${id} and no = ${no}`;
}

/** After a change of the catalog that left the definition as it was (a REINDEX, say). */
export async function setFingerprint(
  session: Session,
  { id, no }: TableKey,
  fingerprint: string,
): Promise<void> {
  await session.execute({
    text: `update ghost.tables set fingerprint = $3 where migration_id = $1 and no = $2`,
    values: [id, no, fingerprint],
  });
}

/** The source was altered and the shadow follows: what was decided anew, in the transaction that changes the shadow. */
export async function setFollowed(
  session: Session,
  { id, no }: TableKey,
  { plan, target, fingerprint }: { plan: CopyPlan; target: TableShape | null; fingerprint: string | null },
): Promise<void> {
  await session.execute({
    text: touching(sql`
      update ghost.tables
      set plan = $3, target = coalesce($4, target), fingerprint = coalesce($5, fingerprint)
      where migration_id = $1 and no = $2`),
    values: [
      id,
      no,
      JSON.stringify(storedForm(plan)),
      target === null ? null : JSON.stringify(target),
      fingerprint,
    ],
  });
}
