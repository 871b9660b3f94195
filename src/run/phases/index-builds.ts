/**
 * index: every index of the new shape, several at once, on the shadow alone. Plain CREATE INDEX: nobody else uses the
 * shadow, and our own apply has not begun. Then what hangs on indexes: constraints, CLUSTER mark, replica identity.
 */
import { advice, toDo } from '../../advice.js';
import pLimit from 'p-limit';
import { keysCollide } from '../../apply/audit.js';
import { collisionsSql, type Collision } from '../../apply/audit-sql.js';
import { duplicateKeysSql } from '../../apply/conflict-sql.js';
import { readTableShape } from '../../catalog/shape.js';
import { findTable } from '../../catalog/table.js';
import type { Index, TableShape } from '../../model/table-shape.js';
import type { Session } from '../../db/session.js';
import { isConflict, type ServerError } from '../../db/sqlstate.js';
import { FailedError } from '../../errors.js';
import { attachStatements, indexBuilds, type IndexBuild } from '../../ddl/index-build-sql.js';
import { adjustments } from '../../ddl/adjust-sql.js';
import { helperIndexBuilds, helperIndexName } from '../../ddl/helper-index-sql.js';
import { indexOnAnyPath } from '../../sql/any-path.js';
import { isOn, targetNames } from '../../stream/key-match.js';
import { displayName, qualified } from '../../sql/quote.js';
import { applyPlanOf } from '../apply-facts.js';
import { expectedTarget, helperIndexFacts, type RunContext } from '../context.js';
import { runAdjustments } from '../follow-source.js';
import type { Transition } from '../../model/phase.js';

export async function buildIndexes(context: RunContext): Promise<Transition> {
  const { control, sessions, settings, schemas, emit, signal } = context;
  const target = await expectedTarget(context);
  const existing = await shadowShape(context);
  const have = new Set(existing.indexes.map((index) => index.name));
  const all = [...indexBuilds(target, schemas.shadow), ...helperIndexBuilds(helperIndexFacts(context))];
  // ADD CONSTRAINT wants the shadow for itself: those come last, so that they do not hold up the others.
  const missing = [
    ...all.filter((build) => build.kind === 'index' && !have.has(build.name)),
    ...all.filter((build) => build.kind === 'constraint' && !have.has(build.name)),
  ];
  const running = new Set<string>();
  let done = all.length - missing.length;
  const progress = (): void => emit('index:progress', { done, total: all.length, running: [...running] });

  const sessionsWanted = Math.min(settings.workers, Math.max(1, missing.length));
  const build = async (workers: readonly Session[]): Promise<void> => {
    const idle = [...workers];
    const limit = pLimit({ concurrency: workers.length, rejectOnClear: true });
    await allOrFirstError(
      missing.map((build) =>
        limit(async () => {
          signal.throwIfAborted();
          const session = idle.pop();
          if (session === undefined) throw new Error('more index builds at once than sessions');
          const started = performance.now();
          running.add(build.name);
          emit('index:started', { index: build.name });
          progress();
          try {
            await buildOne(context, session, build, target);
          } finally {
            running.delete(build.name);
            idle.push(session);
          }
          await context.at('index-built');
          done += 1;
          emit('index:done', { index: build.name, seconds: (performance.now() - started) / 1000 });
          progress();
        }),
      ),
      // The others need not be finished first: what is built stays for the next run.
      () => limit.clearQueue(),
    );
  };
  await sessions.use('index', sessionsWanted, build, sessionsWanted > 1 ? oneProcessEach : {});
  // One transaction: a run that was cut short has either all of it or nothing.
  if (!isAttached(target, existing)) {
    await control.transaction(async () =>
      control.batch([
        ...(context.plan.request.allowPublicationAll === true ? [defaultReplicaIdentity(context)] : []),
        ...attachStatements(target, schemas.shadow),
      ]),
    );
  }
  await followLate(context, target);
  await context.at('indexes-attached');
  return 'done';
}

/** What was altered on the source during the copy and would have rejected rows of before: now every row left is as the source has it. */
async function followLate(context: RunContext, target: TableShape): Promise<void> {
  const { control, schemas, id } = context;
  const found = adjustments({
    now: await shadowShape(context),
    wanted: target,
    schema: schemas.shadow,
    ownIndexes: [helperIndexName(id)],
  });
  if (found.builds.length + found.statements.length > 0)
    await control.transaction(() => runAdjustments(control, context.plan, found));
}

/** It was FULL for as long as there was no key; what the target has follows in the same transaction. */
function defaultReplicaIdentity({ plan, schemas }: RunContext): string {
  return `alter table ${qualified({ schema: schemas.shadow, name: plan.table.name })} replica identity default`;
}

/**
 * Builds that run side by side get in each other's way with parallel workers on top: four indexes over 3 million rows, two
 * sessions, two cores took 4.0 s without and 5.5 s with them. And the application keeps its cores.
 */
const oneProcessEach = { max_parallel_maintenance_workers: '0' };

async function buildOne(
  context: RunContext,
  session: Session,
  build: IndexBuild,
  target: TableShape,
): Promise<void> {
  // The functions in an index may look names up, and find those that they find on the user's path.
  const anywhere = build.kind === 'index' ? indexOnAnyPath(build.statement) : null;
  try {
    await (anywhere === null
      ? session.execute(build.statement)
      : session.under(context.plan.settings, () => session.execute(anywhere)));
  } catch (error) {
    if (isConflict(error)) throw await violation(context, session, build, target, error as ServerError);
    throw error;
  }
}

function isAttached(target: TableShape, existing: TableShape): boolean {
  const have = new Set(existing.constraints.map((constraint) => constraint.name));
  return target.constraints.some(
    (constraint) =>
      (constraint.type === 'primary key' || constraint.type === 'unique') && have.has(constraint.name),
  );
}

/** Two rows of the new shape have the same value where it allows one. */
async function violation(
  context: RunContext,
  session: Session,
  build: IndexBuild,
  target: TableShape,
  cause: ServerError,
): Promise<FailedError> {
  const { id, plan, control } = context;
  const index = target.indexes.find((candidate) => candidate.name === build.name);
  if (plan.key.mayCollide === true && (index === undefined || isOn(index, targetNames(plan.key)))) {
    const apply = await applyPlanOf(context);
    const collisions = await control.under(plan.settings, () =>
      control.rows<Collision>(collisionsSql(apply)),
    );
    // Of the source as it is now: the two may have parted since the copy.
    if (collisions.length > 0) throw keysCollide(apply, collisions);
  }
  const samples = index === undefined ? [] : await duplicates(context, session, index);
  const lines = samples.map((sample) => `  ${sample}`).join('\n');
  return new FailedError(
    'unique-violation',
    `rows of ${displayName(plan.table)} violate ${build.name}: ${cause.message}${lines === '' ? '' : `\n${lines}`}`,
    {
      details: { constraint: build.name, keys: samples },
      state: `the source is untouched; migration ${id} keeps its state (phase index)`,
      hint: advice`change those rows and run the same command again, or ${toDo('abort', id)}`,
      cause,
    },
  );
}

/** `id=1 and id=1000 have (7)`, up to 5 of them. */
async function duplicates(context: RunContext, session: Session, index: Index): Promise<string[]> {
  if (index.exclusion) return [];
  const columns = context.plan.key.columns.map((column) => column.targetName).join(', ');
  const rows = await session.rows<{ value: (string | null)[]; keys: string[] }>(
    duplicateKeysSql(await applyPlanOf(context), index),
  );
  return rows.map(({ value, keys }) => {
    const named = keys.map((key) => `${columns}=${key}`).join(' and ');
    return `${named} have (${value.map((each) => each ?? 'null').join(', ')})`;
  });
}

async function shadowShape(context: RunContext): Promise<TableShape> {
  const { control, plan, schemas } = context;
  const shadow = await findTable(control, { schema: schemas.shadow, name: plan.table.name });
  if (shadow === null) throw new Error('the shadow is gone');
  return readTableShape(control, shadow.oid);
}

/** Waits for all of them, so that no statement is left running, and throws the first error. */
async function allOrFirstError(tasks: readonly Promise<void>[], onError: () => void): Promise<void> {
  let first: { error: unknown } | null = null;
  await Promise.all(
    tasks.map((task) =>
      task.catch((error: unknown) => {
        first ??= { error };
        onError();
      }),
    ),
  );
  if (first !== null) throw (first as { error: unknown }).error;
}
