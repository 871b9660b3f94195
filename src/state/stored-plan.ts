/** The plan of a migration as it is stored: facts only, parsed when somebody needs them. */
import { defaultCaptureMode, type CaptureMode } from '../model/capture-mode.js';
import type { IdRoom } from '../model/id-room.js';
import { fromBefore } from '../model/definitions.js';
import { isRolledBack, type Phase } from '../model/phase.js';
import type { CopyPlan } from '../model/plan.js';
import type { TableShape } from '../model/table-shape.js';
import { fromFormerVersion, isOfFormerVersion } from './former-plan.js';
import { planCapture, planIds, storedPlan, type StoredPlan } from './parse/plan.js';
import { tableShape } from './parse/table-shape.js';
import { onlyTable } from './only-table.js';
import { readStored, readStoredIfAny, wasSwapped } from './unreadable.js';

/** As far as a record is looked at here. */
export interface PlanRecord<Table extends StoredTable = StoredTable> {
  readonly id: number;
  readonly phase: Phase;
  readonly tables: readonly [Table, ...Table[]];
}

interface StoredTable {
  readonly stored: { readonly plan: unknown; readonly target: unknown };
}

export function storedForm({
  obstacles: _sessions,
  warnings: _said,
  rehearsal: _done,
  kept: _none,
  canonical: _neither,
  ...plan
}: CopyPlan): StoredPlan {
  return plan;
}

/** @throws FailedError `state-unreadable` */
export function planOf(record: PlanRecord, { stored: { plan } }: StoredTable = onlyTable(record)): CopyPlan {
  // Its texts are not what this version runs by; what follows a swap needs less of it.
  const facts = isOfFormerVersion(plan) && wasSwapped(record.phase) ? fromFormerVersion(plan) : plan;
  return { ...readStored(record, 'plan', storedPlan, facts), obstacles: [], warnings: [] };
}

/** How keys come into its log, as far as it can be told: whoever only looks does not read the whole plan for it. */
export function captureModeOf({ stored: { plan } }: StoredTable): CaptureMode {
  return planCapture.safeParse(plan).data?.capture ?? defaultCaptureMode;
}

/** Columns whose ids the table from before has no room for one day; none where that is not known. */
export function idRoomsOf({ stored: { plan } }: StoredTable): readonly IdRoom[] {
  return planIds.safeParse(plan).data?.back.ids ?? [];
}

/** Of each of its tables, what follows a swap goes by. @throws FailedError `state-unreadable` */
export function swappedTables(
  record: PlanRecord<StoredTable & { readonly sourceOid: number; readonly shadowOid: number | null }>,
): { readonly plan: CopyPlan; readonly newTable: number | null }[] {
  return record.tables.map((table) => {
    const plan = planOf(record, table);
    if (!isRolledBack(record.phase)) return { plan, newTable: table.shadowOid };
    const { definitions } = plan;
    return {
      plan: { ...plan, definitions: { ...definitions, target: fromBefore(definitions) }, lateChecks: [] },
      newTable: table.sourceOid,
    };
  });
}

/**
 * The expected shape of the shadow; null until it is prepared.
 *
 * @throws FailedError `state-unreadable`
 */
export function targetOf(
  record: PlanRecord,
  { stored: { target } }: StoredTable = onlyTable(record),
): TableShape | null {
  return readStoredIfAny(record, 'target', tableShape, target);
}
