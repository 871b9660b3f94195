/** The tables of a migration as its record has them, at the beginning of an attempt. */
import { advice, doing } from '../advice.js';
import { Balance } from '../apply/balance.js';
import type { Capture } from '../capture/capture.js';
import { compareShapes } from '../ddl/compare-shapes.js';
import type { Session } from '../db/session.js';
import { RefusedError } from '../errors.js';
import { opposite, type Direction } from '../model/direction.js';
import { isSwapped } from '../model/phase.js';
import type { CopyPlan } from '../model/plan.js';
import { withValidIndexes, type TableShape } from '../model/table-shape.js';
import { readTableShape } from '../catalog/shape.js';
import { turnPlan } from '../plan/turn-plan.js';
import { displayName } from '../sql/quote.js';
import type { MigrationRecord } from '../state/migrations.js';
import { findRelation } from '../state/own-objects.js';
import { holdingTable } from '../capture/key-log.js';
import type { TableRecord } from '../state/tables.js';
import { nameSuffix, schemasOf } from '../state/schema-sql.js';
import { planOf, targetOf } from '../state/stored-plan.js';
import type { InUse, WindowTables } from '../state/stored-json.js';
import { waysOf } from '../stream/way.js';
import { compareDefinitions } from '../swap/compare-definitions.js';
import { captureOf } from './capture-of.js';
import type { TableWork } from './context.js';
import { refuseRenamed } from './source-check.js';
import { refuseSpentSequences } from './sequence-room.js';
import { alteredSinceSwap, asProven, readInUse, settleWindows, swappedOids, windowsOf } from './windows.js';

export type TableWorks = [TableWork, ...TableWork[]];

/** Of the change itself. @throws FailedError `state-unreadable` */
export function tableWorks(record: MigrationRecord): TableWorks {
  const [first, ...others] = record.tables;
  return [tableWork(record, first), ...others.map((table) => tableWork(record, table))];
}

function tableWork(record: MigrationRecord, table: TableRecord): TableWork {
  let plan = planOf(record, table);
  let next = nextCapture(record, table, plan);
  const { shadow, old } = schemasOf(table);
  return {
    no: table.no,
    get plan() {
      return plan;
    },
    replacePlan: (followed) => {
      plan = followed;
      next = nextCapture(record, table, plan);
    },
    schemas: { shadow, old },
    capture: captureOf(record, table, plan, { direction: 'forward', collects: false }),
    get next() {
      return next;
    },
    waiting: null,
    holding: null,
    get statisticsHomes() {
      return statisticsHomes(plan.source);
    },
    balance: new Balance(),
  };
}

/** Of the way back, which the plan may not have. */
function nextCapture(record: MigrationRecord, table: TableRecord, plan: CopyPlan): Capture | null {
  const { back } = waysOf(plan, plan.target);
  if (back === null) return null;
  const coming = { schema: schemasOf(table).shadow, name: plan.table.name };
  return captureOf(
    record,
    table,
    { table: coming, key: back.key, capture: 'triggers' },
    { direction: 'back', collects: true },
  );
}

function statisticsHomes({ statistics }: TableShape): Map<string, string> {
  return new Map(statistics.map(({ name }) => [name.name, name.schema]));
}

/**
 * Of a later turn: the same two tables, which have exchanged their parts.
 *
 * @throws RefusedError when there is no window, or when somebody has altered what is to be exchanged
 */
export async function turnWorks(
  session: Session,
  record: MigrationRecord,
  direction: Direction,
): Promise<TableWorks> {
  await settleWindows(session, record);
  const windows = await windowsOf(session, record);
  const works: TableWork[] = [];
  for (const [index, table] of record.tables.entries()) {
    const tables = windows?.[index]?.tables ?? null;
    if (tables === null) throw noWindow(record);
    works.push(await turnWork(session, { record, table, direction, tables }));
  }
  const [first, ...others] = works;
  if (first === undefined) throw new Error('a migration has at least one table');
  return [first, ...others];
}

interface TurnFacts {
  readonly record: MigrationRecord;
  readonly table: TableRecord;
  readonly direction: Direction;
  /** As the last swap has left them. */
  readonly tables: WindowTables;
}

async function turnWork(session: Session, facts: TurnFacts): Promise<TableWork> {
  const { record, table, direction } = facts;
  const oids = swappedOids(record, table);
  const change = planOf(record, table);
  const target = targetOf(record, table);
  if (target === null) throw new Error(`migration ${record.id} was never prepared`);
  const inUse = await lookAtUsed(session, facts, oids.inUse);
  const kept = await lookAtKept(session, facts, oids.kept);
  const plan = turnPlan({ direction, plan: change, target, inUse, kept });
  const other = waysOf(change, target)[opposite(direction)];
  if (plan === null || other === null) throw noWindow(record);
  await refuseSpentSequences(session, plan);
  const { shadow, old } = schemasOf(table);
  const room = direction === 'back' ? old : shadow;
  const coming = { schema: room, name: plan.table.name };
  return {
    no: table.no,
    plan,
    replacePlan: () => {
      throw new Error('a table that is there whole is never planned anew');
    },
    schemas: { shadow: room, old: direction === 'back' ? shadow : old },
    capture: captureOf(record, table, plan, { direction, collects: true }),
    next: captureOf(
      record,
      table,
      { table: coming, key: other.key, capture: 'triggers' },
      { direction: opposite(direction), collects: true },
    ),
    waiting: kept,
    holding:
      (plan.kept ?? []).length === 0
        ? null
        : holdingTable(nameSuffix({ id: record.id, no: table.no }, direction)),
    statisticsHomes: statisticsHomes(change.source),
    balance: new Balance(),
  };
}

/** What came to it since would stay with the table that leaves, or be lost. */
async function lookAtUsed(
  session: Session,
  { record, table, tables: { inUse: was } }: TurnFacts,
  oid: number,
): Promise<InUse> {
  const found = await findRelation(session, oid);
  if (found === null) {
    throw new RefusedError([
      {
        code: 'table-gone',
        message: `the table ${displayName(table.table)} was dropped`,
        hint: advice`${doing('finalize', record.id)} removes what is left of the migration`,
      },
    ]);
  }
  refuseRenamed(record.id, table.table, found);
  const now = await readInUse(session, oid);
  const differences = [
    ...compareShapes(withoutForeignKeys(asProven(was.shape)), withoutForeignKeys(asProven(now.shape))).map(
      ({ text }) => text,
    ),
    ...compareDefinitions(unvalidated(was.definitions), unvalidated(now.definitions)),
  ];
  if (differences.length > 0) throw alteredSinceSwap(record, table, differences);
  return now;
}

/** They are among the definitions. */
function withoutForeignKeys(shape: TableShape): TableShape {
  return { ...shape, constraints: shape.constraints.filter(({ type }) => type !== 'foreign key') };
}

/** What is done after a swap, and may be done later by hand. */
function unvalidated(definitions: InUse['definitions']): InUse['definitions'] {
  const all = (keys: InUse['definitions']['foreignKeysIn']): InUse['definitions']['foreignKeysIn'] =>
    keys.map((key) => ({ ...key, validated: false }));
  return {
    ...definitions,
    foreignKeysIn: all(definitions.foreignKeysIn),
    foreignKeysOut: all(definitions.foreignKeysOut),
    views: definitions.views.map((view) => ({ ...view, populated: true })),
  };
}

async function lookAtKept(
  session: Session,
  { record, table, tables: { kept: was } }: TurnFacts,
  oid: number,
): Promise<TableShape> {
  const found = await findRelation(session, oid);
  const rooms = schemasOf(table);
  const room = isSwapped(record.phase) ? rooms.old : rooms.shadow;
  if (found === null || found.schema !== room || found.name !== table.table.name) {
    throw new RefusedError([
      {
        code: 'kept-table-gone',
        message: `the table that was kept of ${displayName(table.table)} ${
          found === null ? 'was dropped' : `is ${displayName(found)} now`
        }`,
        hint: advice`${doing('finalize', record.id)} removes what is left of the migration`,
      },
    ]);
  }
  const now = withValidIndexes(await readTableShape(session, oid));
  const differences = compareShapes(was, now);
  if (differences.length === 0) return now;
  throw new RefusedError([
    {
      code: 'kept-table-altered',
      message: `${displayName(found)} was altered since it left its place:\n${differences.map(({ text }) => `  ${text}`).join('\n')}`,
      hint: 'undo that, and give the command again',
    },
  ]);
}

function noWindow(record: MigrationRecord): RefusedError {
  const { id } = record;
  return new RefusedError([
    {
      code: 'no-rollback-window',
      message: `what was written since the swap of migration ${id} was not collected: it cannot be brought to the table that is kept`,
      hint: advice`it was swapped with --no-rollback-window, by an earlier version of pg-ghost, or its change cannot be taken back (plan says so); ${doing('finalize', id)} drops the table that is kept`,
    },
  ]);
}
