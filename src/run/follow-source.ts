/**
 * DDL beside the run (invariant 12). What touches no row that was copied is followed: the plan is made anew from the same request
 * for the source as it is now, by the same trial; the shadow is brought to the shape that came of it; plan, shape and
 * fingerprint are stored in the transaction that does that. What cannot be followed ends the run as it always did.
 *
 * The gate looks at everything afterwards, and knows nothing of this.
 */
import { advice, doing, toDo } from '../advice.js';
import { applyPlan } from '../apply/apply-plan.js';
import { purgeSql } from '../apply/apply-sql.js';
import { readTableShape } from '../catalog/shape.js';
import { findTable } from '../catalog/table.js';
import type { TableShape } from '../model/table-shape.js';
import type { Session } from '../db/session.js';
import { isRowError, isServerError } from '../db/sqlstate.js';
import { sleep } from '../db/wait.js';
import { FailedError, PgGhostError, RefusedError } from '../errors.js';
import { follow as followed } from '../plan/follow.js';
import { makePlan } from '../plan/plan.js';
import { targetInSchema } from '../plan/trial/target-in-schema.js';
import type { CopyPlan, Plan } from '../model/plan.js';
import { adjustments, loosenStatements, type Adjustments } from '../ddl/adjust-sql.js';
import { buildClone } from '../shadow/build-clone.js';
import { compareBeforeSwap } from '../ddl/compare-shapes.js';
import { indexOnAnyPath } from '../sql/any-path.js';
import { helperIndexBuilds, helperIndexName } from '../ddl/helper-index-sql.js';
import { rebindStatements } from '../ddl/rebind-sql.js';
import { displayName, qualified } from '../sql/quote.js';
import { setFollowed } from '../state/tables.js';
import { forwardStream } from './apply-facts.js';
import { expectedTarget, type TableContext } from './context.js';
import { captureBroken, readSource, refuseRenamed, type SourceAltered } from './source-check.js';

/** How much of a shadow there is to bring along. */
export type ShadowStage =
  /** Whatever there is will be built anew. */
  | 'none'
  /** Rows without indexes: nothing may be stricter than the source yet. */
  | 'bare heap'
  /** Indexes and all. */
  | 'complete';

/** DDL that never ends would keep the run busy with nothing else. */
const mostPerMinute = 30;
/** Somebody's DDL committed while we looked, or is about to. */
const maxLooks = 20;
const pauseMs = 100;

const lately = new WeakMap<object, number[]>();

/** @throws FailedError `source-changed` with the differences when it cannot be followed, or came too often */
export async function followSource(
  context: TableContext,
  stage: ShadowStage,
  { differences }: SourceAltered,
): Promise<void> {
  const started = performance.now();
  // Both tables are there whole: what came to the one would have to come to the other by hand.
  if (!context.turn.isFirst) throw alteredMeanwhile(context, differences);
  limitRate(context, differences, started);
  const session = await context.sessions.open('follow');
  try {
    const { now, fingerprint } = await planAnew(context, session, stage, differences);
    const { plan, reasons } = followed(context.plan, now);
    if (plan === null) throw notFollowed(context, differences, reasons);
    await context.at('following');
    await bringAlong(context, session, stage, plan, fingerprint);
    context.replacePlan(plan);
    await context.at('followed');
  } finally {
    await context.sessions.release(session);
  }
  context.emit('source:followed', {
    changes: differences,
    seconds: (performance.now() - started) / 1000,
  });
}

function limitRate(context: TableContext, differences: readonly string[], now: number): void {
  const times = (lately.get(context) ?? []).filter((at) => now - at < 60_000);
  if (times.length >= mostPerMinute)
    throw notFollowed(context, differences, [
      `it was altered ${times.length} times within a minute, and there is no end of it`,
    ]);
  lately.set(context, [...times, now]);
}

interface PlannedAnew {
  readonly now: Plan;
  /** What the source was while that was read. */
  readonly fingerprint: string;
}

/** The catalog is read in many statements: what was planned is true only if nothing changed from the first to the last. */
async function planAnew(
  context: TableContext,
  session: Session,
  stage: ShadowStage,
  differences: readonly string[],
): Promise<PlannedAnew> {
  const { id, plan, signal } = context;
  const look = async (): Promise<string> => {
    const found = await readSource(session, context);
    if (found === null) throw tableGone(context);
    refuseRenamed(id, plan.table, found);
    if (stage !== 'none' && !context.capture.isIntact(found.own, null)) throw captureBroken(context);
    return found.fingerprint;
  };
  for (let looks = 1; ; looks += 1) {
    signal.throwIfAborted();
    const before = await look();
    const made = await tryPlan(context, session);
    if ((await look()) === before) {
      if (!(made instanceof Error)) return { now: made, fingerprint: before };
      // A lock of somebody's that is still at it.
      const isMomentary = made instanceof FailedError && made.code === 'trial-failed';
      if (!isMomentary || looks >= maxLooks) throw explainedBy(context, differences, made);
    }
    if (looks >= maxLooks)
      throw notFollowed(context, differences, ['it changes faster than it can be looked at']);
    await sleep(pauseMs, signal);
  }
}

async function tryPlan({ plan }: TableContext, session: Session): Promise<Plan | Error> {
  try {
    return await makePlan(
      session,
      // By its own name: the search path may be another one now.
      { ...plan.request, table: qualified(plan.table) },
      {
        buildClone,
        rebindClone: rebindStatements,
        keyColumns: plan.key.columns.map(({ name }) => name),
      },
    );
  } catch (error) {
    // Reads what another statement has just dropped.
    if (error instanceof PgGhostError || isServerError(error)) return error as Error;
    throw error;
  }
}

function explainedBy(context: TableContext, differences: readonly string[], error: Error): Error {
  return error instanceof RefusedError
    ? notFollowed(
        context,
        differences,
        error.reasons.map(({ message }) => message),
      )
    : error;
}

async function bringAlong(
  context: TableContext,
  session: Session,
  stage: ShadowStage,
  plan: CopyPlan,
  fingerprint: string,
): Promise<void> {
  const { schemas } = context;
  if (stage === 'none') {
    await setFollowed(session, context, { plan, target: null, fingerprint: null });
    return;
  }
  const target = targetInSchema(plan.target, schemas.shadow);
  const former = await expectedTarget(context);
  try {
    await session.transaction(async () => {
      const now = await shadowShape(context, session);
      if (stage === 'bare heap') {
        await session.batch(loosenStatements({ now, wanted: target, schema: schemas.shadow }));
      } else {
        await complete(context, session, { now, former, target, plan });
      }
      await setFollowed(session, context, { plan, target, fingerprint });
    });
  } catch (error) {
    if (!isRowError(error)) throw error;
    // The source has it, but what the change makes of its rows has not.
    throw notFollowed(
      context,
      [],
      [`the rows of the new table do not allow it: ${(error as Error).message}`],
    );
  }
}

async function complete(
  context: TableContext,
  session: Session,
  {
    now,
    former,
    target,
    plan,
  }: {
    readonly now: TableShape;
    readonly former: TableShape;
    readonly target: TableShape;
    readonly plan: CopyPlan;
  },
): Promise<void> {
  const { id, schemas } = context;
  const ownIndexes = [helperIndexName(id)];
  const { builds, statements, validations, tightens } = adjustments({
    now,
    wanted: target,
    schema: schemas.shadow,
    ownIndexes,
  });
  const shadow = { schema: schemas.shadow, name: context.plan.table.name };
  if (tightens) {
    // Rows that wait in the log are as they were before somebody made them obey. What is left is as the source has it.
    const apply = applyPlan(forwardStream(context, former));
    await session.under(apply.settings, () => session.execute(purgeSql(apply)));
    context.balance.forget();
  }
  const helper = helperIndexBuilds({ id, schema: schemas.shadow, table: shadow.name, key: plan.key }).filter(
    ({ name }) => !now.indexes.some((index) => index.name === name),
  );
  await runAdjustments(session, plan, {
    builds: [...helper.map(({ statement }) => statement), ...builds],
    statements,
    validations,
  });
  const left = compareBeforeSwap(target, await shadowShape(context, session), { ownIndexes });
  if (left.length > 0)
    throw notFollowed(
      context,
      left.map(({ text }) => text),
      ['the new table could not be brought to it'],
    );
}

/** In the caller's transaction. */
export async function runAdjustments(
  session: Session,
  { settings }: Pick<Plan, 'settings'>,
  { builds, statements, validations }: Omit<Adjustments, 'tightens'>,
): Promise<void> {
  for (const build of builds) {
    // As in the index phase: functions in an index may look names up.
    const anywhere = indexOnAnyPath(build);
    await (anywhere === null
      ? session.execute(build)
      : session.under(settings, () => session.execute(anywhere)));
  }
  await session.batch(statements);
  await session.under(settings, () => session.batch(validations));
}

function alteredMeanwhile({ plan }: TableContext, differences: readonly string[]): FailedError {
  const lines = differences.map((text) => `  ${text}`);
  return new FailedError(
    'altered-since-swap',
    `${displayName(plan.table)} was altered, and the table that would come into its place does not have that:\n${lines.join('\n')}`,
    { details: { differences } },
  );
}

async function shadowShape({ plan, schemas, id }: TableContext, session: Session): Promise<TableShape> {
  const shadow = await findTable(session, { schema: schemas.shadow, name: plan.table.name });
  if (shadow === null) {
    throw new FailedError('shadow-gone', `the shadow of ${displayName(plan.table)} was dropped`, {
      state: 'the source is untouched',
      hint: advice`${toDo('abort', id)}, then run again`,
    });
  }
  return await readTableShape(session, shadow.oid);
}

function tableGone({ id, plan }: TableContext): FailedError {
  return new FailedError('table-gone', `the table ${displayName(plan.table)} was dropped`, {
    state: `migration ${id} has nothing left to migrate`,
    hint: advice`${doing('abort', id)} removes what is left of it`,
  });
}

function notFollowed(
  { id, plan }: TableContext,
  differences: readonly string[],
  reasons: readonly string[],
): FailedError {
  const lines = [
    ...reasons.map((text) => `  ${text}`),
    ...differences.filter((text) => !reasons.includes(text)).map((text) => `  ${text}`),
  ];
  return new FailedError(
    'source-changed',
    `${displayName(plan.table)} was altered while it was being migrated, and that cannot be followed:\n${lines.join('\n')}`,
    {
      details: { differences, reasons },
      state: `the source is as it was altered; the shadow has the old definition, nothing was swapped`,
      hint: advice`take that back and run the same command again, or ${toDo('abort', id)} and begin anew`,
    },
  );
}
