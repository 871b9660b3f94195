/** The plan's lock set as the swap takes it. */
import type { Session } from '../db/session.js';
import type { View } from '../model/definitions.js';
import type { OwnedSequence } from '../model/table-shape.js';
import type { LockStep } from '../locks/lock-request.js';
import { ident, qualified } from '../sql/quote.js';
import { mergedLockSet, type LockTarget } from '../model/lock-set.js';

export interface LockedObjects {
  readonly source: { readonly oid: number };
  readonly lockSet: readonly LockTarget[];
  /** Those that are in the lock set. */
  readonly views: readonly View[];
  /** A native change moves none. */
  readonly sequences: readonly OwnedSequence[];
}

export interface LockSteps {
  readonly before: readonly LockStep[];
  readonly after: readonly LockStep[];
}

/**
 * LOCK TABLE takes a view's tables along, also those that are nobody's business; changing a view's owner to its owner locks
 * the view alone. A role may reference a table that it may not lock: dropping the foreign key locks that one, later in
 * the same transaction and under the same timeout.
 */
export async function lockSteps(session: Session, tables: readonly LockedObjects[]): Promise<LockSteps> {
  const lockSet = mergedLockSet(tables.map((table) => table.lockSet));
  const views = tables.flatMap((table) => table.views);
  const sequences = tables.flatMap((table) => table.sequences);
  const rows = await session.rows<{ oid: number }>({
    text: `select o as oid from unnest($1::oid[]) as o where has_table_privilege(o, 'update, delete, truncate')`,
    values: [lockSet.map(({ oid }) => oid)],
  });
  const lockable = new Set(rows.map(({ oid }) => oid));
  const steps = lockSet.map(({ oid, name, kind, mode }): LockStep[] => {
    if (kind === 'table') {
      return [{ kind: lockable.has(oid) ? 'table' : 'implicit', oid, table: qualified(name), mode }];
    }
    const view = views.find((each) => each.oid === oid);
    const type = view?.materialized === true ? 'materialized view' : 'view';
    const owner = ident(view?.owner ?? '');
    const statement = `alter ${type} ${qualified(name)} owner to ${owner}`;
    return [{ kind: 'statement', oid, statement, table: qualified(name), mode }];
  });
  const own = new Set(tables.map(({ source }) => source.oid));
  const last = lockSet.findLastIndex(({ oid }) => own.has(oid));
  // An INSERT locks the sequence behind its table.
  const all = [
    ...steps.slice(0, last + 1).flat(),
    ...sequences.map(sequenceStep),
    ...steps.slice(last + 1).flat(),
  ];
  // The request speaks of this one by itself.
  const first = all.findIndex(({ oid }) => oid === tables[0]?.source.oid);
  return { before: all.slice(0, Math.max(0, first)), after: all.slice(first + 1) };
}

/**
 * Moving a table or its sequence locks the sequence, and a transaction that has drawn a number from it holds a lock on that to
 * its end. An INSERT takes it behind the table's. LOCK TABLE knows no sequences; changing its owner to its owner locks it.
 */
function sequenceStep({ oid, name, owner }: OwnedSequence): LockStep {
  const sequence = qualified(name);
  return {
    kind: 'statement',
    oid,
    statement: `alter sequence ${sequence} owner to ${ident(owner)}`,
    table: sequence,
    mode: 'ACCESS EXCLUSIVE',
  };
}
