/** The capture of a migration, as its record says. */
import type { Capture } from '../capture/capture.js';
import { openCapture } from '../capture/open-capture.js';
import { defaultCaptureMode, type CaptureMode } from '../model/capture-mode.js';
import { activeSegmentSql, findMigration, type MigrationRecord } from '../state/migrations.js';
import type { CopyPlan } from '../model/plan.js';

/** Of the names of its objects. */
export function captureSuffix({ id }: Pick<MigrationRecord, 'id'>): string {
  return String(id);
}

/** There is no other yet. */
export function captureMode(_record: Pick<MigrationRecord, 'id'>): CaptureMode {
  return defaultCaptureMode;
}

export function captureOf(record: MigrationRecord, { table, key }: CopyPlan): Capture {
  const { id, identity, activeSegment } = record;
  return openCapture(captureMode(record), {
    id,
    identity,
    suffix: captureSuffix(record),
    table,
    key,
    active: {
      now: activeSegment,
      read: async (session) => (await findMigration(session, id))?.activeSegment ?? null,
      storeStatement: (segment) => activeSegmentSql(id, segment),
    },
  });
}
