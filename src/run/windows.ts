/**
 * The rollback window of a migration: from a swap on, what is written to the table in use is collected for the one that is kept.
 * What collects is made before the swap, begins in it, and is looked at right behind it.
 */
import { readDependents } from '../catalog/dependents.js';
import { readDefinitions } from '../catalog/read-definitions.js';
import { lastDrawnFor } from '../catalog/drawn-ids.js';
import { readFingerprint } from '../catalog/fingerprint.js';
import { readTableShape } from '../catalog/shape.js';
import { removeCaptureStatements } from '../capture/removal.js';
import type { Session } from '../db/session.js';
import { advice, doing } from '../advice.js';
import { FailedError, RefusedError } from '../errors.js';
import { fromBefore } from '../model/definitions.js';
import { opposite } from '../model/direction.js';
import type { Dependent, PlannedDependent } from '../model/dependent.js';
import { isSwapped, wayFrom } from '../model/phase.js';
import { withValidIndexes, type TableShape } from '../model/table-shape.js';
import { createHoldingStatements } from '../apply/holding-sql.js';
import { captureRole, commentStatement, markOf } from '../sql/marks.js';
import { displayName, qualified } from '../sql/quote.js';
import { baringStatements } from '../swap/bare-sql.js';
import { swappedDifferences } from '../swap/inspect-swapped.js';
import { findMigration, type MigrationRecord } from '../state/migrations.js';
import { captureObjects, findRelation, findRelationNamed, readOwnObjects } from '../state/own-objects.js';
import type { TableRecord } from '../state/tables.js';
import type { DrawnId, InUse } from '../state/stored-json.js';
import { idRoomsOf, planOf, targetOf } from '../state/stored-plan.js';
import { findWindow, setWindowTables, type RollbackWindow } from '../state/windows.js';
import { captureOnTable } from './capture-of.js';
import type { RunContext, TableContext } from './context.js';

/** The kept table is nobody's: a lock on it is had at once, or somebody looks at it by hand. */
const lockTimeoutMs = 2_000;
/** Somebody's DDL, in between. */
const maxLooks = 5;

/** Of all tables, before the swap: what an earlier attempt has made goes. */
export async function createNextCaptures(
  session: Session,
  { id, turn, tables }: Pick<RunContext, 'id' | 'turn' | 'tables'>,
): Promise<void> {
  const captures = tables.flatMap(({ next }) => (next === null ? [] : [next]));
  if (captures.length === 0) return;
  const record = await findMigration(session, id);
  if (record === null) throw new Error(`migration ${id} is gone`);
  await session.transaction(async () => {
    const left = captureObjects(await readOwnObjects(session, record), opposite(turn.direction));
    await session.batch(removeCaptureStatements(left));
    for (const capture of captures) await capture.create(session);
  });
}

/** What apply of a later turn needs beside the log; what an interrupted one has held in it is held still. */
export async function createHolding(session: Session, context: TableContext): Promise<void> {
  const { holding: table, plan, turn, id, identity } = context;
  if (table === null) return;
  if ((await findRelationNamed(session, table)) !== null) return;
  const role = captureRole('change log', turn.direction);
  await session.transaction(() =>
    session.batch([
      ...createHoldingStatements({ table, kept: plan.kept ?? [] }, plan.key, plan.target),
      commentStatement(`table ${qualified(table)}`, markOf({ id, identity }, role)),
    ]),
  );
}

/** The OIDs of a table that was swapped: of the one in use, and of the one that is kept. */
export function swappedOids(
  { phase }: Pick<MigrationRecord, 'phase'>,
  { sourceOid, shadowOid }: TableRecord,
): { readonly inUse: number; readonly kept: number } {
  if (shadowOid === null) throw new Error('a table that was swapped has a new one');
  return isSwapped(phase) ? { inUse: shadowOid, kept: sourceOid } : { inUse: sourceOid, kept: shadowOid };
}

/** Right behind the swap, or whenever somebody finds that it was not done: takes off the kept tables what apply would meet, and records what both are. */
export async function settleWindows(session: Session, record: MigrationRecord): Promise<void> {
  for (const table of record.tables) {
    const window = await findWindow(session, table);
    if (window !== null && window.tables === null) await settleWindow(session, record, table);
  }
}

/** Of each table, in their order; null where one has none. */
export async function windowsOf(
  session: Session,
  record: MigrationRecord,
): Promise<readonly RollbackWindow[] | null> {
  const windows: RollbackWindow[] = [];
  for (const table of record.tables) {
    const window = await findWindow(session, table);
    if (window === null) return null;
    windows.push(window);
  }
  return windows;
}

async function settleWindow(session: Session, record: MigrationRecord, table: TableRecord): Promise<void> {
  const { inUse, kept } = swappedOids(record, table);
  const own = captureOnTable(table, wayFrom(record.phase));
  for (let looks = 1; ; looks += 1) {
    const before = await readFingerprint(session, inUse, own);
    const used = await readInUse(session, inUse);
    refuseAlteredBehindSwap(record, table, used);
    const keptShape = await session.transaction(async () => {
      const at = await findRelation(session, kept);
      if (at === null) throw keptIsGone(record, table);
      await session.batch([
        `set local lock_timeout = ${lockTimeoutMs}`,
        ...baringStatements(at, await readDefinitions(session, kept)),
      ]);
      return await readTableShape(session, kept);
    });
    const mark = await readFingerprint(session, inUse, own);
    if (mark?.filenode == null || mark.own === null) throw collectsNothing(record, table);
    if (mark.fingerprint !== before?.fingerprint && looks < maxLooks) continue;
    await setWindowTables(
      session,
      table,
      { fingerprint: mark.fingerprint, filenode: mark.filenode, capture: mark.own },
      {
        inUse: used,
        kept: withValidIndexes(keptShape),
        drawn: isSwapped(record.phase) ? await readDrawn(session, table, inUse) : [],
      },
    );
    return;
  }
}

async function readDrawn(session: Session, table: TableRecord, inUse: number): Promise<DrawnId[]> {
  const drawn: DrawnId[] = [];
  for (const { newColumn } of idRoomsOf(table)) {
    const last = await lastDrawnFor(session, inUse, newColumn);
    if (last !== null) drawn.push({ column: newColumn, last });
  }
  return drawn;
}

/** DDL may have come between the swap and this look, which would take it for what the swap has left. */
function refuseAlteredBehindSwap(record: MigrationRecord, table: TableRecord, used: InUse): void {
  const plan = planOf(record, table);
  const target = targetOf(record, table);
  if (target === null) throw new Error(`migration ${record.id} was never prepared`);
  const differences = swappedDifferences(
    isSwapped(record.phase)
      ? { target: asProven(target), definitions: plan.definitions.target }
      : { target: asProven(plan.source), definitions: fromBefore(plan.definitions) },
    { ...used, shape: asProven(used.shape) },
  );
  if (differences.length > 0) throw alteredSinceSwap(record, table, differences);
}

/** Constraints are validated behind a swap, or later by hand. */
export function asProven(shape: TableShape): TableShape {
  return {
    ...shape,
    constraints: shape.constraints.map((constraint) => ({
      ...constraint,
      validated: true,
      definition: constraint.definition.replace(/ NOT VALID$/, ''),
    })),
  };
}

/** What came to the table in use would stay with it, or be lost. */
export function alteredSinceSwap(
  { id }: MigrationRecord,
  { table }: TableRecord,
  differences: readonly string[],
): RefusedError {
  return new RefusedError([
    {
      code: 'altered-since-swap',
      message: `${displayName(table)} was altered since the swap, and the table that would come into its place does not have that:\n${[
        ...new Set(differences),
      ]
        .map((difference) => `  ${difference}`)
        .join('\n')}`,
      hint: advice`undo that and give the command again, or ${doing('finalize', id)} keeps the table that is in use`,
    },
  ]);
}

/** As it is now. */
export async function readInUse(session: Session, oid: number): Promise<InUse> {
  return {
    shape: withValidIndexes(await readTableShape(session, oid)),
    definitions: await readDefinitions(session, oid),
    dependents: (await readDependents(session, oid)).map(asPlanned),
  };
}

function asPlanned({ kind, catalog, oid, name, via, extension }: Dependent): PlannedDependent {
  return {
    kind,
    catalog,
    oid,
    name,
    via,
    extension,
    fate: { treatment: 'carried', how: 'untouched' },
  };
}

function keptIsGone({ id }: MigrationRecord, { table }: TableRecord): FailedError {
  return new FailedError('kept-table-gone', `the table that was kept of ${displayName(table)} was dropped`, {
    state: 'the table in use goes on as it is',
    hint: advice`${doing('finalize', id)} removes what is left of the migration`,
  });
}

function collectsNothing({ id }: MigrationRecord, { table }: TableRecord): FailedError {
  return new FailedError(
    'capture-interrupted',
    `the capture triggers on ${displayName(table)} were dropped, disabled or replaced: writes may be missing from the log`,
    {
      state: 'the table in use goes on as it is; nothing can be brought back to the kept one any more',
      hint: advice`${doing('finalize', id)} removes what is left of the migration`,
    },
  );
}
