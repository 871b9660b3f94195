/** How large a table is. */
import type { Session } from '../db/session.js';
import { literal, qualified } from '../sql/quote.js';
import type { QualifiedName } from '../model/name.js';
import { frozen } from './freeze.js';

export interface TableSizes {
  /** Main fork of the heap, without its maps. */
  readonly heapBytes: number;
  readonly blocks: number;
  readonly indexBytes: number;
  /** The TOAST table with its index. */
  readonly toastBytes: number;
  /** The planner's estimate; null when the table was never vacuumed or analyzed. */
  readonly rows: number | null;
}

/** Takes ACCESS SHARE on the table for a moment: waits behind ACCESS EXCLUSIVE. */
export async function readSizes(session: Session, oid: number): Promise<TableSizes> {
  return frozen(
    await session.row<TableSizes>({
      text: `
        select
          pg_relation_size(c.oid) as "heapBytes",
          pg_relation_size(c.oid) / current_setting('block_size')::int8 as blocks,
          pg_indexes_size(c.oid) as "indexBytes",
          case when c.reltoastrelid = 0 then 0 else pg_total_relation_size(c.reltoastrelid) end as "toastBytes",
          case when c.reltuples >= 0 then c.reltuples::int8 end as rows
        from pg_class as c
        where c.oid = $1`,
      values: [oid],
    }),
  );
}

/** Blocks of the heap now, as an expression. */
export function blocksSql(relation: string): string {
  return `pg_catalog.pg_relation_size(${relation}::regclass) / current_setting('block_size')::bigint`;
}

/** Blocks of the heap now. */
export async function readBlocks(session: Session, oid: number): Promise<number> {
  const { blocks } = await session.row<{ blocks: number }>({
    text: `select ${blocksSql('$1::oid')} as blocks`,
    values: [oid],
  });
  return blocks;
}

/** The same for a table by its name. */
export async function readBlocksOf(session: Session, table: QualifiedName): Promise<number> {
  const { blocks } = await session.row<{ blocks: number }>(
    `select ${blocksSql(literal(qualified(table)))} as blocks`,
  );
  return blocks;
}
