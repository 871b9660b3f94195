/** Rows of `ghost.chunks`: which blocks of which heap were copied, in the transactions that copied them. */
import type { Session } from '../db/session.js';
import { sql, type SqlQuery } from '../sql/quote.js';
import { hasTable, stateVersion } from './layout.js';
import type { TableKey } from './schema-sql.js';

/** The copy of a table is over: its chunks are not needed any more, their sum is. */
export async function settleChunks(session: Session, { id, no }: TableKey): Promise<number> {
  const { rows } = await session.row<{ rows: number }>({
    text: sql`
      with gone as (delete from ghost.chunks where migration_id = $1 and table_no = $2 returning rows)
      update ghost.tables
      set rows_copied = rows_copied + (select coalesce(sum(rows), 0) from gone)
      where migration_id = $1 and no = $2
      returning rows_copied as rows`,
    values: [id, no],
  });
  return rows;
}

/** Of all tables, wherever their copies are. */
export async function settleAllChunks(session: Session, id: number): Promise<void> {
  await session.execute({
    text: sql`
      with gone as (delete from ghost.chunks where migration_id = $1 returning table_no, rows)
      update ghost.tables as t
      set rows_copied = rows_copied + (select coalesce(sum(rows), 0) from gone where table_no = t.no)
      where migration_id = $1`,
    values: [id],
  });
}

/** A heap that is copied, as chunks are told apart. */
export interface UnitKey extends TableKey {
  /** 1, 2, ...; a plain table is the one, 1. */
  readonly unit: number;
}

/** One copied chunk; runs in the chunk's own transaction (invariant 7). */
export function chunkDoneSql(
  { id, no, unit }: UnitKey,
  fromBlock: number,
  toBlock: number,
  rows: number,
): SqlQuery {
  return {
    text: sql`
      insert into ghost.chunks (migration_id, table_no, unit, from_block, to_block, rows)
      values ($1, $2, $3, $4, $5, $6)`,
    values: [id, no, unit, fromBlock, toBlock, rows],
  };
}

export interface ChunkRecord {
  readonly unit: number;
  readonly from: number;
  readonly to: number;
  readonly rows: number;
}

/** Of all its units. @param layout of the state, for whoever reads one of an earlier version */
export async function readChunks(
  session: Session,
  { id, no }: TableKey,
  layout: number = stateVersion,
): Promise<ChunkRecord[]> {
  // A former layout knows of one table with one heap.
  if (!hasTable(layout, 'tables')) {
    return session.rows<ChunkRecord>({
      text: sql`
        select 1 as unit, from_block as "from", to_block as "to", rows
        from ghost.chunks
        where migration_id = $1
        order by from_block`,
      values: [id],
    });
  }
  return session.rows<ChunkRecord>({
    text: sql`
      select unit, from_block as "from", to_block as "to", rows
      from ghost.chunks
      where migration_id = $1 and table_no = $2
      order by unit, from_block`,
    values: [id, no],
  });
}
