/**
 * What takes the capture of a migration away, of whatever mode: by what the marks say is there (state/own-objects.ts), since a
 * run may have died at any point of making it, and whoever removes it may know nothing else of the migration.
 */
import type { LockMode } from '../model/lock-mode.js';
import { ident, qualified } from '../sql/quote.js';
import type { OwnObjects, Relation } from '../state/own-objects.js';

/** Capture on a table, under the name that it has now. */
export interface CaptureOn {
  readonly table: Relation;
  /** What switches it off, and the lock that takes. */
  readonly statements: readonly string[];
  readonly lock: LockMode;
}

/** Usually on the source; wherever it is, the log cannot go before it is off. */
export function capturesOn({ triggers }: OwnObjects): CaptureOn[] {
  const tables = new Map(triggers.map(({ table }) => [table.oid, table]));
  return [...tables.values()].map((table) => ({
    table,
    statements: triggers
      .filter((trigger) => trigger.table.oid === table.oid)
      .map((trigger) => `drop trigger ${ident(trigger.name)} on ${qualified(table)}`),
    lock: 'ACCESS EXCLUSIVE',
  }));
}

/** Once it is off: the log, and what wrote to it. */
export function removeCaptureStatements({ functions, tables, types, publications }: OwnObjects): string[] {
  return [
    // Locks no table.
    ...new Set(publications.map(({ name }) => `drop publication ${ident(name)}`)),
    ...functions.map((name) => `drop function ${qualified(name)}()`),
    ...tables.map((name) => `drop table ${qualified(name)}`),
    ...types.map((name) => `drop type ${qualified(name)}`),
  ];
}
