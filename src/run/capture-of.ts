/** The captures of a migration, as its record says. */
import type { OwnOnTable } from '../catalog/fingerprint.js';
import type { Capture } from '../capture/capture.js';
import { openCapture } from '../capture/open-capture.js';
import { captureTriggerNames } from '../capture/triggers/trigger-sql.js';
import type { Direction } from '../model/direction.js';
import type { CopyPlan } from '../model/plan.js';
import { findTableRecord, type MigrationRecord } from '../state/migrations.js';
import { activeSegmentSql, type TableRecord } from '../state/tables.js';
import { nameSuffix } from '../state/schema-sql.js';

export function captureOf(
  record: MigrationRecord,
  { no, activeSegment }: TableRecord,
  { table, key, capture: mode }: Pick<CopyPlan, 'table' | 'key' | 'capture'>,
  { direction, collects }: { readonly direction: Direction; readonly collects: boolean },
): Capture {
  const { id, identity } = record;
  return openCapture(mode, {
    id,
    identity,
    suffix: nameSuffix({ id, no }, direction),
    direction,
    collects,
    table,
    key,
    active: {
      now: activeSegment,
      read: async (session) => (await findTableRecord(session, { id, no }))?.activeSegment ?? null,
      storeStatement: (segment) => activeSegmentSql({ id, no }, segment),
    },
  });
}

/** What such a capture has on the table in use after a swap, which is always by triggers. */
export function captureOnTable(table: TableRecord, direction: Direction): OwnOnTable {
  return { triggers: Object.values(captureTriggerNames(nameSuffix(table, direction))), publications: [] };
}
