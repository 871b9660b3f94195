/**
 * Builds the clone, and sees to it that it is nothing but the clone: an event trigger may have added row level security, an
 * audit trigger, a column or another owner to the new table. What was added is taken off again, twice: right after CREATE
 * TABLE, while the table is still ours, and when all is built.
 */
import { firingAt, readEventTriggers } from '../catalog/event-triggers.js';
import { readIntruders, removeIntruders, type Removed } from '../catalog/intruders.js';
import { readTableShape } from '../catalog/shape.js';
import { findTable } from '../catalog/table.js';
import type { TableShape } from '../model/table-shape.js';
import type { Session } from '../db/session.js';
import { addedByEventTrigger } from '../catalog/event-trigger-errors.js';
import { cloneTableStatements, completeCloneStatements } from '../ddl/clone-sql.js';
import { isIndexBacked } from '../ddl/constraint-sql.js';
import { withoutSwapWork } from '../ddl/compare-shapes.js';
import { nameArrayType } from './array-type.js';
import { shapeIntruders } from './shape-intruders.js';

/**
 * In the caller's transaction.
 *
 * @returns what was taken off again
 * @throws RefusedError `event-trigger` when something of it stays
 */
export async function buildClone(session: Session, shape: TableShape, schema: string): Promise<string[]> {
  const triggers = await readEventTriggers(session);
  await session.batch(cloneTableStatements(shape, schema));
  await nameArrayType(session, shape, schema);
  // Without event triggers nobody can have added anything: it is in our transaction.
  if (triggers.length === 0) {
    await session.batch(completeCloneStatements(shape, schema));
    return [];
  }
  const { oid } = await found(session, shape, schema);
  const { role } = await session.row<{ role: string }>('select current_user::text as role');
  const early = await removeIntruders(session, () => readIntruders(session, { oid, owner: role }));
  await refuseLeft(session, early);
  await session.batch(completeCloneStatements(shape, schema));
  return [...early.removed, ...(await setRight(session, oid, builtFrom(shape)))];
}

/** The shadow when it is a bare heap: the same. */
export async function setRightBareHeap(session: Session, target: TableShape): Promise<string[]> {
  if ((await readEventTriggers(session)).length === 0) return [];
  const { oid } = await found(session, target, target.name.schema);
  return await setRight(session, oid, bareHeapOf(target), withoutSwapWork);
}

async function setRight(
  session: Session,
  oid: number,
  expected: TableShape,
  compared: (shape: TableShape) => TableShape = (shape) => shape,
): Promise<string[]> {
  const result = await removeIntruders(session, async () => [
    ...(await readIntruders(session, { oid, owner: expected.owner })),
    ...shapeIntruders(expected, compared(await readTableShape(session, oid))),
  ]);
  await refuseLeft(session, result);
  return [...result.removed];
}

async function refuseLeft(session: Session, { left }: Removed): Promise<void> {
  if (left.length === 0) return;
  const triggers = firingAt(await readEventTriggers(session), [
    'CREATE TABLE',
    'ALTER TABLE',
    'CREATE INDEX',
  ]);
  throw addedByEventTrigger('the new table', left, triggers, session.serverVersion);
}

async function found(session: Session, { name }: TableShape, schema: string): Promise<{ oid: number }> {
  const table = await findTable(session, { schema, name: name.name });
  if (table !== null) return table;
  const triggers = firingAt(await readEventTriggers(session), ['CREATE TABLE']);
  const gone = [{ what: 'it was renamed, moved or dropped as soon as it was made', remove: [] }];
  throw addedByEventTrigger('the new table', gone, triggers, session.serverVersion);
}

/** What `cloneStatements` makes of the source. */
function builtFrom(source: TableShape): TableShape {
  return {
    ...source,
    // Constraint triggers come with the triggers.
    constraints: source.constraints.filter(({ type }) => type !== 'foreign key' && type !== 'trigger'),
    indexes: source.indexes.filter(({ valid }) => valid),
  };
}

/** What `bareHeapStatements` leaves of the changed clone, but for its autovacuum. */
function bareHeapOf(target: TableShape): TableShape {
  const bare = withoutSwapWork(target);
  return {
    ...bare,
    constraints: bare.constraints.filter((constraint) => !isIndexBacked(constraint)),
    indexes: [],
  };
}
