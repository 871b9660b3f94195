/**
 * Rows of `ghost.windows`: the tables of a migration that can go back (or forward again) with everything that was written since, as
 * of the last swap. There is none for a table whose writes nobody collects.
 */
import type { Session } from '../db/session.js';
import { sql } from '../sql/quote.js';
import { hasTable, stateVersion } from './layout.js';
import { windowDrawn, windowTables } from './parse/window.js';
import type { TableKey } from './schema-sql.js';
import type { DrawnId, WindowTables } from './stored-json.js';
import type { SourceMark } from './tables.js';
import { readStoredIfAny } from './unreadable.js';

export interface RollbackWindow {
  /** ISO 8601. */
  readonly since: string;
  /** null until they were looked at, right behind the swap. @throws FailedError `state-unreadable` */
  readonly tables: WindowTables | null;
  /** Of them, what can be told without reading all; empty where nothing is. */
  readonly drawn: readonly DrawnId[];
}

/** @param layout of the state, for whoever reads one of an earlier version */
export async function findWindow(
  session: Session,
  { id, no }: TableKey,
  layout: number = stateVersion,
): Promise<RollbackWindow | null> {
  if (!hasTable(layout, 'windows')) return null;
  const [row] = await session.rows<{ since: Date; tables: unknown }>({
    text: `select since, tables from ghost.windows where migration_id = $1 and table_no = $2`,
    values: [id, no],
  });
  if (row === undefined) return null;
  return {
    since: new Date(row.since).toISOString(),
    drawn: windowDrawn.safeParse(row.tables).data?.drawn ?? [],
    get tables() {
      return readStoredIfAny({ id }, 'tables', windowTables, row.tables);
    },
  };
}

/** With what the source of a migration has in `ghost.tables`: by that the writers' table is checked from now on. */
export async function setWindowTables(
  session: Session,
  { id, no }: TableKey,
  mark: SourceMark,
  tables: WindowTables,
): Promise<void> {
  await session.execute({
    text: sql`
      with seen as (
        update ghost.windows set tables = $3 where migration_id = $1 and table_no = $2
      )
      update ghost.tables set fingerprint = $4, filenode = $5, capture = $6 where migration_id = $1 and no = $2`,
    values: [id, no, JSON.stringify(tables), mark.fingerprint, mark.filenode, mark.capture],
  });
}

/** Of all tables: nothing is collected any more. */
export async function forgetWindows(session: Session, id: number): Promise<void> {
  await session.execute({ text: `delete from ghost.windows where migration_id = $1`, values: [id] });
}
