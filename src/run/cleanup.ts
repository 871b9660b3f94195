/**
 * Takes away what a migration put into the database: for abort, for a prepare that failed, for finalize. What that is, the marks
 * say (state/own-objects.ts); nothing is dropped by its name.
 */
import { advice, toDo } from '../advice.js';
import { dropSlots } from '../capture/logical/slot.js';
import { capturesOn, removeCaptureStatements, type CaptureOn } from '../capture/removal.js';
import { Session } from '../db/session.js';
import { messageWithDetail, SqlState, sqlState } from '../db/sqlstate.js';
import { FailedError } from '../errors.js';
import { lockNotObtained, tellMisses } from '../locks/describe-miss.js';
import type { LedgerEntry } from '../locks/ledger.js';
import { underLock } from '../locks/locked-transaction.js';
import type { LockLimits } from '../locks/lock-request.js';
import type { Emit } from '../model/event.js';
import { displayName, qualified } from '../sql/quote.js';
import {
  captureObjects,
  dropSchemaStatements,
  dropTablesStatements,
  readOwnObjects,
  tablesIn,
  type OwnObjects,
  type Relation,
  type Removable,
} from '../state/own-objects.js';
import type { MigrationIdentity } from '../sql/marks.js';
import { opposite } from '../model/direction.js';
import { wayFrom } from '../model/phase.js';
import type { MigrationRecord } from '../state/migrations.js';
import { whereabouts } from '../state/whereabouts.js';
import { byName } from './by-name.js';
import { givenAway } from './given-away.js';

export interface CleanupWork {
  readonly session: Session;
  readonly watcher: Session;
  readonly limits: LockLimits;
  readonly emit: Emit;
  /** Between switching capture off and the rest. */
  readonly onCaptureOff?: () => Promise<void>;
  readonly onLock?: (entry: LedgerEntry) => void;
  readonly signal?: AbortSignal;
}

/**
 * Removes capture, shadow, log and schemas, in two steps that can each be done again: capture is switched off, under the only lock on the
 * source, and then all the rest in one transaction with what `record` writes.
 */
export async function removeMigration(
  work: CleanupWork,
  record: MigrationRecord,
  written: () => Promise<void>,
): Promise<void> {
  const look = async (): Promise<Removable> => {
    const { own, tables } = await whereabouts(work.session, record);
    return { own, shadows: tables.flatMap(({ shadow }) => (shadow === null ? [] : [shadow])) };
  };
  await removeObjects(work, record.id, look, written);
}

/** The same for what the state knows nothing of: only what the marks say. */
export async function removeMarked(work: CleanupWork, marked: MigrationIdentity): Promise<void> {
  await removeObjects(
    work,
    marked.id,
    async () => {
      const own = await readOwnObjects(work.session, marked);
      return { own, shadows: await shadowsIn(work.session, own) };
    },
    async () => {},
  );
}

/** Nobody knows what a shadow is called; each of our schemas for one holds no other table. */
async function shadowsIn(session: Session, { schemas }: OwnObjects): Promise<Relation[]> {
  const shadows: Relation[] = [];
  for (const schema of schemas.filter(({ role }) => role === 'shadow')) {
    const [table, ...others] = await tablesIn(session, [schema]);
    if (table !== undefined && others.length === 0) shadows.push(table);
  }
  return shadows;
}

async function removeObjects(
  work: CleanupWork,
  id: number,
  look: () => Promise<Removable>,
  written: () => Promise<void>,
): Promise<void> {
  const { session } = work;
  const { own } = await look();
  for (const capture of capturesOn(own)) await switchCaptureOff(work, id, capture, look);
  await work.onCaptureOff?.();
  await dropSlots(session, own.slots);
  try {
    // All or nothing: what cannot go now must be found by the next try as this one found it.
    await session.transaction(async () => {
      const now = await look();
      await session.batch([
        ...dropTablesStatements(now.shadows),
        ...dropSchemaStatements(now.own.schemas),
        ...removeCaptureStatements(now.own),
      ]);
      await written();
    });
  } catch (error) {
    throw (await givenAway(session, await look(), id, error)) ?? notRemoved(error, id);
  }
}

/** Of a migration that has swapped, each with a lock on the table that it is on. */
export async function switchCapturesOff(work: CleanupWork, record: MigrationRecord): Promise<void> {
  const look = async (): Promise<{ readonly own: OwnObjects }> => whereabouts(work.session, record);
  const { own } = await look();
  for (const capture of capturesOn(own)) await switchCaptureOff(work, record.id, capture, look);
}

/** Somebody made something that depends on the shadow: not ours to drop. */
function notRemoved(error: unknown, id: number): unknown {
  if (sqlState(error) !== SqlState.dependentObjects) return error;
  return new FailedError('not-removed', `the shadow could not be dropped: ${messageWithDetail(error)}`, {
    state: 'capture is off; the shadow and the log are still there',
    hint: advice`drop what depends on it, then ${toDo('abort', id)} again`,
    cause: error,
  });
}

/** After the swap: the triggers went with it, the rest of the capture and the empty schema follow here. */
export async function removeLeftovers(session: Session, record: MigrationRecord): Promise<void> {
  await dropSlotsOf(session, record);
  await session.transaction(() => dropLeftovers(session, record));
}

/** In no transaction: it cannot be taken back. */
export async function dropSlotsOf(session: Session, record: MigrationRecord): Promise<void> {
  const { slots } = await readOwnObjects(session, record);
  await dropSlots(session, slots);
}

/** In the caller's transaction. What collects for the next swap stays. */
export async function dropLeftovers(session: Session, record: MigrationRecord): Promise<void> {
  const { own } = await whereabouts(session, record);
  const live = wayFrom(record.phase);
  // On the table in use: it collects, and both schemas are needed for the next swap.
  if (captureObjects(own, live).triggers.length > 0) {
    await session.batch(removeCaptureStatements(captureObjects(own, opposite(live))));
    return;
  }
  await session.batch([
    ...removeCaptureStatements(own),
    ...dropSchemaStatements(own.schemas.filter(({ role }) => role === 'shadow')),
  ]);
}

async function switchCaptureOff(
  work: CleanupWork,
  id: number,
  { table: { oid }, lock }: CaptureOn,
  look: () => Promise<{ readonly own: OwnObjects }>,
): Promise<void> {
  const what = 'switching capture off';
  await byName(work.session, [oid], async ([table], stillThere) => {
    try {
      await underLock({
        session: work.session,
        watcher: work.watcher,
        request: { what, table: qualified(table), tableOid: oid, mode: lock },
        limits: work.limits,
        work: async () => {
          await stillThere();
          const now = capturesOn((await look()).own);
          const last = now.flatMap((capture) => (capture.table.oid === oid ? capture.statements : []));
          return { last, value: undefined };
        },
        onMiss: tellMisses(work.emit, what),
        ...(work.onLock === undefined ? {} : { onLock: work.onLock }),
        ...(work.signal === undefined ? {} : { signal: work.signal }),
      });
    } catch (error) {
      throw lockNotObtained(error, {
        what: `the capture triggers of ${displayName(table)} could not be dropped`,
        state: 'capture is still on; the application is not affected beyond its small cost',
        hint: advice`${toDo('abort', id)} again at a quieter moment`,
      });
    }
  });
}
