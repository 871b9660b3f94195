/** The plan of a migration as it is stored: facts only, parsed when somebody needs them. */
import { defaultCaptureMode, type CaptureMode } from '../model/capture-mode.js';
import type { Phase } from '../model/phase.js';
import type { CopyPlan } from '../model/plan.js';
import type { TableShape } from '../model/table-shape.js';
import { fromFormerVersion, isOfFormerVersion } from './former-plan.js';
import { planCapture, storedPlan, type StoredPlan } from './parse/plan.js';
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

/** Of each of its tables, what follows a swap goes by. @throws FailedError `state-unreadable` */
export function swappedTables(
  record: PlanRecord<StoredTable & { readonly shadowOid: number | null }>,
): { readonly plan: CopyPlan; readonly newTable: number | null }[] {
  return record.tables.map((table) => ({ plan: planOf(record, table), newTable: table.shadowOid }));
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
