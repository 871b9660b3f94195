/**
 * index: every index of the new shape, several at once, on the shadow alone. Plain CREATE INDEX: nobody else uses the
 * shadow, and our own apply has not begun. Then what hangs on indexes: constraints, CLUSTER mark, replica identity.
 */
import { advice, toDo } from '../../advice.js';
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
import { runPieces, type FinishedPiece, type PieceDone, type PieceWork } from '../../pieces/run-pieces.js';
import { isOn, targetNames } from '../../stream/key-match.js';
import { displayName, qualified } from '../../sql/quote.js';
import { applyPlanOf } from '../apply-facts.js';
import { expectedTarget, helperIndexFacts, type TableContext } from '../context.js';
import { runCrew } from '../run-crew.js';
import { runAdjustments } from '../follow-source.js';
import type { Transition } from '../../model/phase.js';

export async function buildIndexes(context: TableContext): Promise<Transition> {
  const { control, sessions, schemas } = context;
  const target = await expectedTarget(context);
  const existing = await shadowShape(context);
  const builds = new IndexBuilds(context, target, existing);
  const crew = runCrew(context, 'index', { atMost: builds.left });
  await runPieces(builds, {
    ...crew,
    join: () => sessions.open('index', crew.wanted() > 1 ? oneProcessEach : {}),
  });
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

type Built = PieceDone<never>;

/** Each a piece of its own: all that are missing. What is built stays for the next run. */
class IndexBuilds implements PieceWork<Session, IndexBuild, Built, never> {
  readonly pace = null;
  readonly signal: AbortSignal;
  readonly #missing: IndexBuild[];
  readonly #total: number;
  #done: number;
  readonly #running = new Set<string>();

  constructor(
    private readonly context: TableContext,
    private readonly target: TableShape,
    existing: TableShape,
  ) {
    const have = new Set(existing.indexes.map((index) => index.name));
    const all = [
      ...indexBuilds(target, context.schemas.shadow),
      ...helperIndexBuilds(helperIndexFacts(context)),
    ];
    // ADD CONSTRAINT wants the shadow for itself: those come last, so that they do not hold up the others.
    this.#missing = [
      ...all.filter((build) => build.kind === 'index' && !have.has(build.name)),
      ...all.filter((build) => build.kind === 'constraint' && !have.has(build.name)),
    ];
    this.#total = all.length;
    this.#done = all.length - this.#missing.length;
    this.signal = context.signal;
  }

  get left(): number {
    return this.#missing.length;
  }

  hasMore(): boolean {
    return this.left > 0;
  }

  take(): IndexBuild | null {
    return this.#missing.shift() ?? null;
  }

  async work(session: Session, build: IndexBuild): Promise<Built> {
    const { context, target } = this;
    this.#running.add(build.name);
    context.emit('index:started', { index: build.name });
    this.#tell();
    try {
      await buildOne(context, session, build, target);
    } catch (error) {
      this.#running.delete(build.name);
      throw error;
    }
    return { size: 1, amounts: {} };
  }

  async finished({ piece, durationMs }: FinishedPiece<IndexBuild, Built, never>): Promise<void> {
    const { at, emit } = this.context;
    this.#running.delete(piece.name);
    await at('index-built');
    this.#done += 1;
    emit('index:done', { index: piece.name, seconds: durationMs / 1000 });
    this.#tell();
  }

  #tell(): void {
    this.context.emit('index:progress', {
      done: this.#done,
      total: this.#total,
      running: [...this.#running],
    });
  }
}

/** What was altered on the source during the copy and would have rejected rows of before: now every row left is as the source has it. */
async function followLate(context: TableContext, target: TableShape): Promise<void> {
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
function defaultReplicaIdentity({ plan, schemas }: TableContext): string {
  return `alter table ${qualified({ schema: schemas.shadow, name: plan.table.name })} replica identity default`;
}

/**
 * Builds that run side by side get in each other's way with parallel workers on top: four indexes over 3 million rows, two
 * sessions, two cores took 4.0 s without and 5.5 s with them. And the application keeps its cores.
 */
const oneProcessEach = { max_parallel_maintenance_workers: '0' };

async function buildOne(
  context: TableContext,
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
  context: TableContext,
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
async function duplicates(context: TableContext, session: Session, index: Index): Promise<string[]> {
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

async function shadowShape(context: TableContext): Promise<TableShape> {
  const { control, plan, schemas } = context;
  const shadow = await findTable(control, { schema: schemas.shadow, name: plan.table.name });
  if (shadow === null) throw new Error('the shadow is gone');
  return readTableShape(control, shadow.oid);
}
