/** Maintenance of the shadow. Nobody else sees it yet, so nothing here can make anybody wait. */
import { qualified } from '../sql/quote.js';
import type { QualifiedName } from '../model/name.js';

/**
 * After the purge and before the indexes: the rows that the purge left dead go while there is no index to clean, and
 * the visibility map and frozen tuples are in place, so that neither index-only scans nor a later
 * anti-wraparound vacuum pay for the rewrite.
 */
export function vacuumFreezeStatement(shadow: QualifiedName): string {
  return `vacuum (freeze, truncate off) ${qualified(shadow)}`;
}

/** After catch-up: only the pages that it touched are left to do, and the statistics (expression indexes included). */
export function vacuumAnalyzeStatements(shadow: QualifiedName): string[] {
  return [`vacuum (freeze, analyze, truncate off) ${qualified(shadow)}`];
}

/** For a copy that begins again. */
export function emptyShadowStatement(shadow: QualifiedName): string {
  return `truncate ${qualified(shadow)}`;
}
