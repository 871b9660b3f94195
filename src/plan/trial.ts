/**
 * PostgreSQL makes the change itself, on an empty clone in a schema of ours, in a transaction that is always rolled
 * back. What it says is then read from the catalog, instead of being guessed from rules.
 *
 * https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES
 */
import { randomBytes } from 'node:crypto';
import { compareBindings, readBindings } from '../catalog/bindings.js';
import { withDeparseSettings } from '../catalog/deparse-settings.js';
import { readEventTriggers } from '../catalog/event-triggers.js';
import { withStarts } from '../catalog/sequences.js';
import { readReferences } from '../catalog/references.js';
import { readTableShape } from '../catalog/shape.js';
import { findTable } from '../catalog/table.js';
import type { Definitions } from '../catalog/definitions.js';
import type { Dependent, TableShape } from '../catalog/types.js';
import type { Session } from '../db/session.js';
import type { Refusal } from '../errors.js';
import { ident, qualified, type QualifiedName } from '../sql/quote.js';
import { addedColumns } from './added-columns.js';
import type { Change, ChangeStatement } from './change-types.js';
import { tryDefinitions } from './definitions/try-definitions.js';
import { tryNative } from './definitions/try-native.js';
import { findLateChecks } from './late-checks.js';
import { retargetStatement } from './retarget-statement.js';
import { probeAdded, probeExpression } from './trial-probes.js';
import { trialStepSql } from './trial-sql.js';
import { refusedByServer } from './trial-errors.js';
import type { Trial, TrialStep } from './trial-types.js';
import { decide } from './verdict.js';

/**
 * Builds an empty table of this shape, with its indexes and constraints, in another schema, which exists.
 *
 * @returns what event triggers added to it, and was taken off again
 */
export type CloneBuilder = (
  session: Session,
  shape: TableShape,
  schema: string,
) => Promise<readonly string[]>;

/** What makes the changed clone the shadow that it would be. */
export type CloneRebinder = (clone: {
  readonly source: TableShape;
  readonly before: TableShape;
  readonly after: TableShape;
}) => readonly string[];

/** The trial waits for nobody: what it could wait for is another session's uncommitted type or function. */
const lockTimeoutMs = 2000;

/**
 * Changes nothing: everything happens in one transaction that is rolled back.
 *
 * @throws RefusedError with PostgreSQL's message when it would not make the change
 */
export async function tryChange(
  session: Session,
  source: TableShape,
  change: Change,
  options: TrialOptions,
): Promise<Trial> {
  const schema = `ghost_plan_${randomBytes(8).toString('hex')}`;
  await session.batch(['begin', `set local lock_timeout = ${lockTimeoutMs}`]);
  try {
    return await inTransaction(session, { ...options, source, change, schema });
  } finally {
    await session.rollback();
  }
}

export interface TrialOptions {
  readonly buildClone: CloneBuilder;
  readonly rebindClone: CloneRebinder;
  /** What hangs on the table. */
  readonly definitions: Definitions;
  readonly dependents: readonly Dependent[];
  /** The connecting role. */
  readonly role: string;
  readonly rehearse?: ObjectRehearsal;
}

/** Makes, moves and drops what a run does, on the clone and beside it, and says what cannot be. It may leave the transaction failed. */
export type ObjectRehearsal = (session: Session, table: RehearsedTable) => Promise<readonly Refusal[]>;

export interface RehearsedTable {
  readonly clone: QualifiedName;
  /** The clone's. */
  readonly shape: TableShape;
  readonly source: TableShape;
}

interface TrialInput extends TrialOptions {
  readonly source: TableShape;
  readonly change: Change;
  readonly schema: string;
}

async function inTransaction(
  session: Session,
  { source, change, buildClone, rebindClone, definitions, dependents, role, rehearse, schema }: TrialInput,
): Promise<Trial> {
  const clone = { schema, name: source.name.name };
  const names = {
    clone,
    source: source.name,
    eventTriggers: await readEventTriggers(session),
    serverVersion: session.serverVersion,
  };
  const references = await readReferences(session, { tableOid: source.oid, staying: [] });
  let takenOff: readonly string[] = [];
  await refusedByServer(names, null, async () => {
    await session.batch([`create schema ${ident(schema)}`]);
    takenOff = await buildClone(session, source, schema);
  });
  const found = await findTable(session, clone);
  if (found === null) throw new Error('the clone was not built');
  const { oid } = found;
  const table = qualified(clone);

  const rebound = await readRebound(session, source.oid, oid);
  const before = await readTableShape(session, oid);
  const start = await readStep(session, oid);
  await session.batch(['savepoint changed']);
  const steps: TrialStep[] = [];
  for (const statement of change.statements) {
    await refusedByServer(names, labelOf(statement), async () => {
      await session.asUser(() => session.batch([retargetStatement(statement, schema)]));
    });
    steps.push(await readStep(session, oid));
  }
  const changed = await readTableShape(session, oid);
  await session.batch([...rebindClone({ source, before, after: changed })]);
  const after = await withStarts(session, before, await readTableShape(session, oid));
  const lateChecks = await findLateChecks(session, { oid, table }, before, after);
  await session.batch(['rollback to savepoint changed']);

  const probe = { session, oid, table, names };
  const added = await probeAdded(probe, addedColumns(change.statements, start, steps));
  for (const { column, expression } of change.set) {
    const target = after.columns.find(({ name }) => name === column);
    if (target !== undefined) await probeExpression(probe, column, target.type, expression.text);
  }
  const input = {
    session,
    source,
    clone,
    cloneOid: oid,
    definitions,
    before,
    changed,
    after,
    role,
    references,
    change: async () => {
      await session.asUser(() =>
        session.batch(change.statements.map((statement) => retargetStatement(statement, schema))),
      );
      await session.batch([...rebindClone({ source, before, after: changed })]);
    },
  };
  const tried = await tryDefinitions(input);
  const seen = {
    before,
    start,
    steps: withOwnScans(start, steps),
    changed,
    after,
    added,
    definitions: tried,
    takenOff,
    lateChecks,
  };
  if (decide(change, seen).verdict !== 'native') {
    return {
      ...seen,
      native: null,
      forbidden: [...rebound, ...((await rehearse?.(session, { clone, shape: before, source })) ?? [])],
    };
  }
  const statements = change.statements.map((statement) => ({
    label: labelOf(statement),
    statement: retargetStatement(statement, schema),
  }));
  return { ...seen, forbidden: [], native: await tryNative({ ...input, statements, dependents, tried }) };
}

/** A text that means something else when it is read back would change every value, and nothing would tell. */
async function readRebound(session: Session, source: number, clone: number): Promise<Refusal[]> {
  const differences = await withDeparseSettings(session, async () =>
    compareBindings(await readBindings(session, source), await readBindings(session, clone)),
  );
  return differences.map((message) => ({
    code: 'clone-differs',
    message,
    hint: 'its text does not say which operator it compares by: write that out (a OPERATOR(schema.=) b), or drop it before the change',
  }));
}

async function readStep(session: Session, oid: number): Promise<TrialStep> {
  return await withDeparseSettings(session, () => session.row<TrialStep>(trialStepSql(oid)));
}

/** The server counts from the start of the transaction; we want what each statement did. */
function withOwnScans(start: TrialStep, steps: readonly TrialStep[]): TrialStep[] {
  return steps.map((step, index) => {
    const previous = (steps[index - 1] ?? start).scans;
    return { ...step, scans: step.scans === null || previous === null ? null : step.scans - previous };
  });
}

function labelOf(statement: ChangeStatement): string {
  return statement.actions.map(({ label }) => label).join(', ');
}
