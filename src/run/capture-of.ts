/** The capture of a migration, as its record says. */
import type { Capture } from '../capture/capture.js';
import { openCapture } from '../capture/open-capture.js';
import { findTableRecord, type MigrationRecord } from '../state/migrations.js';
import { activeSegmentSql, type TableRecord } from '../state/tables.js';
import { nameSuffix } from '../state/schema-sql.js';
import type { CopyPlan } from '../model/plan.js';

export function captureOf(
  record: MigrationRecord,
  { no, activeSegment }: TableRecord,
  { table, key, capture: mode }: CopyPlan,
): Capture {
  const { id, identity } = record;
  return openCapture(mode, {
    id,
    identity,
    suffix: nameSuffix({ id, no }),
    table,
    key,
    active: {
      now: activeSegment,
      read: async (session) => (await findTableRecord(session, { id, no }))?.activeSegment ?? null,
      storeStatement: (segment) => activeSegmentSql({ id, no }, segment),
    },
  });
}
