/**
 * prepare: the shadow as a bare heap, the log, and capture switched on (invariants 1 and 2).
 *
 * Everything that needs no lock on the source is made first; what begins capture comes last, in a transaction of its own
 * whose lock separates writers before from writers after. The copy's beginning is stored in that same transaction.
 */
import { readBlocks } from '../../catalog/sizes.js';
import type { TableShape } from '../../model/table-shape.js';
import { lockNotObtained, tellMisses } from '../../locks/describe-miss.js';
import { underLock } from '../../locks/locked-transaction.js';
import { buildShadow } from '../../shadow/build-shadow.js';
import type { Session } from '../../db/session.js';
import { displayName, qualified, sql } from '../../sql/quote.js';
import { findMigration } from '../../state/migrations.js';
import { forgetShadows, setCopyStart, setShadow, setTarget } from '../../state/tables.js';
import { readOwnObjects } from '../../state/own-objects.js';
import { removeMigration } from '../cleanup.js';
import { killing, type RunContext, type TableContext } from '../context.js';
import { shortLockLimits } from '../../settings/lock-limits.js';
import type { Transition } from '../../model/phase.js';
import { followSource } from '../follow-source.js';
import { slotWork } from '../slot-wait.js';
import { refuseAltered, readMark, readSource, SourceAltered, warmUp } from '../source-check.js';

export async function prepare(context: RunContext): Promise<Transition> {
  while (!(await prepareAll(context)));
  await context.feeds.start(context.tables);
  return 'done';
}

/** False when a table was altered between the plan and the lock under which its capture was to begin: the plan has followed. */
async function prepareAll(context: RunContext): Promise<boolean> {
  // What an earlier attempt left half done.
  await undoPrepare(context, (session) => forgetShadows(session, context.id));
  for (const table of context.tables) {
    try {
      await prepareTable(table);
    } catch (error) {
      if (!(error instanceof SourceAltered)) throw error;
      await followSource(table, 'none', error);
      return false;
    }
  }
  return true;
}

async function prepareTable(context: TableContext): Promise<void> {
  const { control } = context;
  const before = await readSource(control, context);
  await refuseAltered(control, context);
  await openCapture(context);
  const target = await build(context);
  await context.at('shadow-built');
  await setTarget(control, context, target);
  // It may have been another one, where this is not the migration's first beginning.
  await context.capture.keeper.restore(control);
  await context.at('target-stored');
  await switchCaptureOn(context, before?.fingerprint ?? null);
  await context.at('capture-on');
}

/** Removes whatever prepare may have made, and writes `written` in the same transaction. */
export async function undoPrepare(
  context: RunContext,
  written: (session: Session) => Promise<void>,
): Promise<void> {
  const { sessions, id } = context;
  if (await isUntouched(context.control, id)) {
    await written(context.control);
    return;
  }
  const session = await sessions.open('cleanup');
  try {
    const record = await findMigration(session, id);
    if (record === null) return;
    await removeMigration(
      {
        session,
        watcher: context.watcher,
        limits: shortLockLimits(context.settings),
        emit: context.emit,
        onLock: context.ledger.add,
      },
      record,
      () => written(session),
    );
  } finally {
    await sessions.release(session);
  }
}

/** Nothing was made for it yet, as far as both the state and the marks in the database say: the usual beginning. */
async function isUntouched(session: Session, id: number): Promise<boolean> {
  const record = await findMigration(session, id);
  if (record === null) return false;
  if (record.tables.some(({ stored, shadowOid }) => stored.target !== null || shadowOid !== null))
    return false;
  const own = await readOwnObjects(session, record, record.tables);
  return Object.values(own).every((objects: readonly unknown[]) => objects.length === 0);
}

/** What capture has to have before everything else. */
async function openCapture(context: TableContext): Promise<void> {
  const { sessions, capture } = context;
  const { open } = capture;
  if (open === null) return;
  const what = 'making what capture needs';
  const locked = async (statements: readonly string[]): Promise<void> => {
    await sessions.use('prepare', async (session) => {
      await underLock({
        ...lockOfCapture(context, session, what),
        work: async () => {
          await session.batch([...statements]);
          return { last: [], value: undefined };
        },
      });
    });
  };
  try {
    await sessions.use('slot', (session) => open({ ...slotWork(context, session), locked }));
  } catch (error) {
    throw captureNotOn(error, context);
  }
}

async function build(context: TableContext): Promise<TableShape> {
  const { control, plan, schemas, capture } = context;
  return control.transaction(async () => {
    const target = await buildShadow(control, { plan, schemas, owner: context });
    await setShadow(control, context, { shadow: target.oid, ...(await schemaOids(control, schemas)) });
    await capture.create(control);
    if (plan.request.allowPublicationAll === true) await control.batch(publishable(context));
    return target;
  });
}

async function schemaOids(
  session: Session,
  { shadow, old }: TableContext['schemas'],
): Promise<{ shadowSchema: number; oldSchema: number }> {
  return await session.row<{ shadowSchema: number; oldSchema: number }>({
    text: sql`
      select
        (select oid from pg_namespace where nspname = $1::name) as "shadowSchema",
        (select oid from pg_namespace where nspname = $2::name) as "oldSchema"`,
    values: [shadow, old],
  });
}

/**
 * A publication of all tables has these as well, and PostgreSQL deletes nothing from a published table that has no replica
 * identity; the shadow has no key before its indexes.
 */
function publishable({ plan, schemas, capture }: TableContext): string[] {
  const shadow = { schema: schemas.shadow, name: plan.table.name };
  return [shadow, ...capture.tables].map((name) => `alter table ${qualified(name)} replica identity full`);
}

async function switchCaptureOn(context: TableContext, expected: string | null): Promise<void> {
  const { sessions, plan, capture } = context;
  const session = await sessions.open('prepare');
  const what = 'switching capture on';
  try {
    await underLock({
      ...lockOfCapture(context, session, what),
      prepare: (attempt) => (attempt === 1 ? warmUp(context, session) : Promise.resolve()),
      work: async (hold) => {
        const now = await readSource(session, context);
        if (now?.fingerprint !== expected) await refuseAltered(session, context);
        hold.check();
        await session.batch(capture.beginStatements());
        await setCopyStart(
          session,
          context,
          await readMark(session, context),
          await readBlocks(session, plan.source.oid),
        );
        return { last: [], value: undefined };
      },
    });
  } catch (error) {
    throw captureNotOn(error, context);
  } finally {
    await sessions.release(session);
  }
}

/** How the lock on the source is asked for under which capture begins. */
function lockOfCapture(
  context: TableContext,
  session: Session,
  what: string,
): Omit<Parameters<typeof underLock>[0], 'work'> {
  const { watcher, plan, capture, settings, ledger, emit, signal } = context;
  const { mode } = capture.nature.lock;
  return {
    session,
    watcher,
    request: { what, table: qualified(plan.table), tableOid: plan.source.oid, mode },
    limits: shortLockLimits(settings),
    onMiss: tellMisses(emit, what),
    onLock: ledger.add,
    ...killing(context),
    signal,
  };
}

function captureNotOn(error: unknown, { plan }: TableContext): unknown {
  return lockNotObtained(error, {
    what: `capture could not be switched on for ${displayName(plan.table)}`,
    state: 'nothing was changed',
    hint: 'run the same command again when the blockers are gone, or with a longer --cutover-deadline',
  });
}
