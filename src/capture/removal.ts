/**
 * What takes the capture of a migration away, of whatever mode: by what the marks say is there (state/own-objects.ts), since a
 * run may have died at any point of making it, and whoever removes it may know nothing else of the migration.
 */
import type { LockMode } from '../model/lock-mode.js';
import {
  dropCaptureStatements,
  dropTriggerStatements,
  type OwnObjects,
  type Relation,
} from '../state/own-objects.js';

/** Capture on a table, under the name that it has now. */
export interface CaptureOn {
  readonly table: Relation;
  /** What switches it off, under `lock`. */
  readonly statements: readonly string[];
}

/** For `CaptureOn.statements`. */
export const switchOffLock: LockMode = 'ACCESS EXCLUSIVE';

/** Usually on the source; wherever it is, the log cannot go before it is off. */
export function capturesOn({ triggers }: OwnObjects): CaptureOn[] {
  const tables = new Map(triggers.map(({ table }) => [table.oid, table]));
  return [...tables.values()].map((table) => ({
    table,
    statements: dropTriggerStatements(triggers.filter((trigger) => trigger.table.oid === table.oid)),
  }));
}

/** Once it is off: the log, and what wrote to it. */
export function removeCaptureStatements(own: OwnObjects): string[] {
  return dropCaptureStatements(own);
}
