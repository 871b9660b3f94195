/** The plan of a migration as it is stored: facts only, parsed when somebody needs them. */
import type { z } from 'zod';
import { advice, toDo } from '../advice.js';
import { FailedError } from '../errors.js';
import { isOver, isSwapped, type Phase } from '../model/phase.js';
import type { CopyPlan } from '../model/plan.js';
import type { TableShape } from '../model/table-shape.js';
import { fromFormerVersion, isOfFormerVersion } from './former-plan.js';
import { storedPlan, type StoredPlan } from './parse/plan.js';
import { tableShape } from './parse/table-shape.js';

/** As far as a record is looked at here. */
export interface PlanRecord {
  readonly id: number;
  readonly phase: Phase;
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
export function planOf(record: PlanRecord): CopyPlan {
  const { plan } = record.stored;
  // Its texts are not what this version runs by; what follows a swap needs less of it.
  const facts = isOfFormerVersion(plan) && wasSwapped(record.phase) ? fromFormerVersion(plan) : plan;
  return { ...parsed(record, 'plan', storedPlan, facts), obstacles: [], warnings: [] };
}

/**
 * The expected shape of the shadow; null until it is prepared.
 *
 * @throws FailedError `state-unreadable`
 */
export function targetOf(record: PlanRecord): TableShape | null {
  const { target } = record.stored;
  return target === null ? null : parsed(record, 'target', tableShape, target);
}

function wasSwapped(phase: Phase): boolean {
  return isSwapped(phase) || isOver(phase);
}

/** More of them say nothing more. */
const mostIssues = 5;

function parsed<T>({ id, phase }: PlanRecord, what: string, schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issues = result.error.issues
    .slice(0, mostIssues)
    .map(({ path, message }) => `${[what, ...path].map(String).join('.')}: ${message}`);
  throw new FailedError(
    'state-unreadable',
    `what is stored of migration ${id} is not what this version of pg-ghost writes: ${issues.join('; ')}`,
    {
      details: { migration: id, issues },
      state: wasSwapped(phase)
        ? 'the tables are swapped, and the new one is in use'
        : 'the source is untouched, and nothing was changed',
      hint: wasSwapped(phase)
        ? `go on with the version of pg-ghost that began migration ${id}`
        : advice`go on with the version of pg-ghost that began migration ${id}, or ${toDo('abort', id)} and begin anew`,
    },
  );
}
