/**
 * What a run makes, moves and drops, made, moved and dropped once in the trial's transaction: an event trigger that forbids
 * any of it, or adds to a table when it comes into the source's schema, is found before anything is copied.
 */
import { randomInt, randomUUID } from 'node:crypto';
import { openCapture } from '../capture/open-capture.js';
import { addedByEventTrigger, eventTriggerRefusal } from '../catalog/event-trigger-errors.js';
import { firingAt, readEventTriggers, type EventTrigger } from '../catalog/event-triggers.js';
import { readIntruders } from '../catalog/intruders.js';
import { readTableShape } from '../catalog/shape.js';
import { findTable } from '../catalog/table.js';
import { defaultCaptureMode } from '../model/capture-mode.js';
import type { TableShape } from '../model/table-shape.js';
import { conflictStates, isServerError } from '../db/sqlstate.js';
import type { Session } from '../db/session.js';
import { RefusedError, type Refusal } from '../errors.js';
import type { RehearsedTable } from '../plan/trial/trial.js';
import type { Key } from '../model/key.js';
import { autovacuumRestoreStatements, bareHeapStatements } from '../ddl/bare-heap-sql.js';
import { shapeIntruders } from './shape-intruders.js';
import { displayName, ident, qualified } from '../sql/quote.js';
import { createState, dropState } from '../state/schema.js';
import { watchState } from '../state/watch-state.js';

/** In the trial's transaction, which it may leave failed. Empty where there are no event triggers. */
export async function rehearseObjects(session: Session, table: RehearsedTable): Promise<Refusal[]> {
  const triggers = await readEventTriggers(session);
  if (triggers.length === 0) return [];
  let doing = '';
  const step = async (what: string, work: () => Promise<void>): Promise<void> => {
    doing = what;
    await work();
  };
  try {
    await rehearse(session, table, triggers, step);
    return [];
  } catch (error) {
    if (error instanceof RefusedError) return [...error.reasons];
    if (!isServerError(error)) throw error;
    const said = eventTriggerRefusal(error, doing, triggers, session.serverVersion);
    // Of the moment, not of the change: another session's lock.
    if (said === null && conflictStates.has(error.code)) throw error;
    return [said ?? { code: 'rejected-by-server', message: `${doing}: ${error.message}` }];
  }
}

async function rehearse(
  session: Session,
  { clone, shape, source }: RehearsedTable,
  triggers: readonly EventTrigger[],
  step: (what: string, work: () => Promise<void>) => Promise<void>,
): Promise<void> {
  // Names that no migration has.
  const id = randomInt(1_000_000_000, 2_000_000_000);
  const probe = { schema: clone.schema, name: `ghost_plan_${id}` };
  const other = `${clone.schema}_old`;
  const capture = openCapture(defaultCaptureMode, {
    direction: 'forward',
    id,
    identity: randomUUID(),
    suffix: String(id),
    table: clone,
    key,
    active: { now: 0, read: () => Promise.resolve(0), storeStatement: () => '' },
  });
  // Looked at without a word about whose it is: the run says that, and brings it up to date.
  const { state } = await session.row<{ state: 'none' | 'usable' | 'closed' }>(`
    select case
      when to_regnamespace('ghost') is null then 'none'
      when has_schema_privilege('ghost', 'usage') and has_schema_privilege('ghost', 'create') then 'usable'
      else 'closed'
    end as state`);
  if (state === 'closed') return;
  if (state === 'none') {
    await step('making the state (schema "ghost")', async () => {
      await createState(session, watchState);
    });
  }
  await step('locking its sequences', async () => {
    await session.batch(
      shape.sequences.map(({ name, owner }) => `alter sequence ${qualified(name)} owner to ${ident(owner)}`),
    );
    await compareSequences(session, clone, source, triggers);
  });
  await step('making the change log (schema "ghost")', async () => {
    await capture.create(session);
    await capture.rehearse(session);
  });
  await step('switching capture on and off', async () => {
    await session.batch(capture.beginStatements());
    await session.batch(capture.endStatements());
  });
  await step('building the new table', async () => {
    await session.batch(bareHeapStatements(shape, clone.schema));
    await session.batch(autovacuumRestoreStatements(shape, clone.schema));
  });
  await step(`moving a table into schema ${ident(source.name.schema)}`, async () => {
    await session.batch([
      `create table ${qualified(probe)} ()`,
      `alter table ${qualified(probe)} owner to ${ident(source.owner)}`,
    ]);
    await compareMoved(session, probe, source, triggers);
  });
  await step('moving the table out of its schema, and dropping it', async () => {
    await session.batch([
      `drop table ${qualified(probe)}`,
      `create schema ${ident(other)}`,
      `alter table ${qualified(clone)} set schema ${ident(other)}`,
      `drop table ${qualified({ schema: other, name: clone.name })}`,
      `drop schema ${ident(other)}`,
    ]);
  });
  await step('dropping the change log', () => session.batch(capture.dropStatements()));
  if (state === 'none') await step('dropping the state (schema "ghost")', () => dropState(session));
}

/** The swap locks them by such a statement (lock-steps): what an event trigger makes of them then would be a change of the source, at each try. */
async function compareSequences(
  session: Session,
  clone: RehearsedTable['clone'],
  source: TableShape,
  triggers: readonly EventTrigger[],
): Promise<void> {
  const found = source.sequences.length === 0 ? null : await findTable(session, clone);
  if (found === null) return;
  const { sequences } = await readTableShape(session, found.oid);
  const altered = source.sequences.flatMap((was) => {
    const now = sequences.find(({ name }) => name.name === was.name.name);
    return now === undefined
      ? []
      : properties
          .filter((property) => now[property] !== was[property])
          .map(
            (property) =>
              `sequence ${displayName(was.name)}: ${property}: was ${String(was[property])}, is ${String(now[property])}`,
          );
  });
  if (altered.length === 0) return;
  const left = altered.map((what) => ({ what, remove: [] }));
  const behind = firingAt(triggers, ['ALTER SEQUENCE']);
  const what = 'what is locked for the swap (ALTER SEQUENCE ... OWNER TO its owner)';
  throw addedByEventTrigger(what, left, behind, session.serverVersion);
}

const properties = [
  'type',
  'start',
  'increment',
  'min',
  'max',
  'cache',
  'cycle',
  'owner',
  'unlogged',
] as const;

/** An empty table goes where the new one will go, under a name that is nobody's. */
async function compareMoved(
  session: Session,
  probe: RehearsedTable['clone'],
  source: TableShape,
  triggers: readonly EventTrigger[],
): Promise<void> {
  const found = await findTable(session, probe);
  if (found === null) return;
  const { oid, owner } = found;
  const look = async (): Promise<string[]> =>
    (await readIntruders(session, { oid, owner })).map(({ what }) => what);
  const before = await readTableShape(session, oid);
  const hung = new Set(await look());
  await session.batch([`alter table ${qualified(probe)} set schema ${ident(source.name.schema)}`]);
  const added = [
    ...(await look()).filter((what) => !hung.has(what)),
    ...shapeIntruders(before, await readTableShape(session, oid)).map(({ what }) => what),
  ];
  if (added.length > 0) {
    const left = added.map((what) => ({ what, remove: [] }));
    const behind = firingAt(triggers, ['ALTER TABLE']);
    throw addedByEventTrigger('a table that is moved into its schema', left, behind, session.serverVersion);
  }
  // A run drops no table in there: it has been moved out before.
  await session.batch([
    `alter table ${qualified({ schema: source.name.schema, name: probe.name })} set schema ${ident(probe.schema)}`,
  ]);
}

/** Any will do: its columns are only looked at when a row is written. */
const key: Key = {
  index: '',
  columns: [
    {
      name: 'id',
      type: 'integer',
      collation: null,
      targetName: 'id',
      targetType: 'integer',
    },
  ],
  projection: { alias: '', layers: [] },
  needsHelperIndex: false,
};
