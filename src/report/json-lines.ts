/** Events as JSON lines: the machine-readable output of `run --json` (a contract; docs/cli.md). */
import type { MigrationEvent } from '../model/event.js';
import { displayName } from '../sql/quote.js';
import { withoutBrief } from './brief.js';
import { describeWarnings } from './plan/warnings.js';

/** What an error line holds besides `event`, `id` and `at`. */
export interface FailureFields {
  readonly code: string;
  readonly message: string;
  /** What PostgreSQL or the system said, where the message is ours. */
  readonly cause: string | null;
  readonly state: string | null;
  readonly hint: string | null;
  readonly exitCode: number;
  readonly details?: unknown;
  readonly reasons?: unknown;
}

/** One line, without its newline. */
export function eventLine(event: MigrationEvent): string {
  const { event: name, id, at, ...payload } = event;
  const told = event.event === 'plan:ready' ? planSummary(event) : payload;
  return JSON.stringify({ event: name, id, ...rounded(told), at: at.toISOString() });
}

/** The last line of a run that failed. */
export function failureLine(failure: FailureFields, id: number | null, at: Date): string {
  const { code, message, cause, state, hint, exitCode, details, reasons } = failure;
  return JSON.stringify({
    event: 'error',
    id,
    code,
    message,
    ...(cause === null ? {} : { cause }),
    state,
    hint,
    exitCode,
    ...(details === undefined ? {} : { details }),
    ...(reasons === undefined ? {} : { reasons }),
    at: at.toISOString(),
  });
}

/** The whole plan is for `pg-ghost plan --json`; a run only tells what was decided. */
function planSummary({ plan }: Extract<MigrationEvent, { event: 'plan:ready' }>): Record<string, unknown> {
  return {
    table: displayName(plan.table),
    verdict: plan.verdict,
    reasons: plan.reasons,
    warnings: withoutBrief(describeWarnings(plan.warnings)),
  };
}

/** Measurements with 15 digits say nothing more: below 100 three digits, from there on whole numbers. */
function rounded(payload: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(payload).map(([key, value]: [string, unknown]) => [
      key,
      typeof value !== 'number' || Number.isInteger(value)
        ? value
        : Math.abs(value) < 100
          ? Number(value.toPrecision(3))
          : Math.round(value),
    ]),
  );
}
