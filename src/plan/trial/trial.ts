/**
 * PostgreSQL makes the change itself, on an empty clone in a schema of ours, in a transaction that is always rolled
 * back. What it says is then read from the catalog, instead of being guessed from rules.
 *
 * https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES
 */
import { randomBytes } from 'node:crypto';
import { compareBindings, readBindings } from '../../catalog/bindings.js';
import { withDeparseSettings } from '../../catalog/deparse-settings.js';
import { readEventTriggers } from '../../catalog/event-triggers.js';
import { withStarts } from '../../catalog/sequences.js';
import { readReferences } from '../../catalog/references.js';
import { readTableShape } from '../../catalog/shape.js';
import { findTable } from '../../catalog/table.js';
import type { Definitions } from '../../model/definitions.js';
import type { Dependent } from '../../model/dependent.js';
import type { TableShape } from '../../model/table-shape.js';
import type { Session } from '../../db/session.js';
import { isServerError } from '../../db/sqlstate.js';
import type { Refusal } from '../../errors.js';
import { ident, qualified } from '../../sql/quote.js';
import type { QualifiedName } from '../../model/name.js';
import { addedColumns } from '../change/added-columns.js';
import type { Action, Change, ChangeStatement } from '../change/types.js';
import { OwnForeignKeys } from './definitions/own-foreign-keys.js';
import { tryDefinitions } from './definitions/try-definitions.js';
import { tryNative } from './definitions/try-native.js';
import { foreignKeyActions } from '../change/foreign-key-actions.js';
import { findLateChecks } from '../checks/late-checks.js';
import { castBack } from '../inverse/cast-back.js';
import { probeAdded, probeExpression, takesExpression, type Probe } from './probes.js';
import { trialStepSql } from './trial-sql.js';
import { refusedByServer } from './errors.js';
import type { Trial, TrialStep } from './types.js';
import { decide } from '../verdict.js';

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
  const plain = {
    clone,
    source: source.name,
    eventTriggers: await readEventTriggers(session),
    serverVersion: session.serverVersion,
  };
  const references = await readReferences(session, { tableOid: source.oid, staying: [] });
  let takenOff: readonly string[] = [];
  await refusedByServer(plain, null, async () => {
    await session.batch([`create schema ${ident(schema)}`]);
    takenOff = await buildClone(session, source, schema);
  });
  const found = await findTable(session, clone);
  if (found === null) throw new Error('the clone was not built');
  const { oid } = found;
  const table = qualified(clone);

  const rebound = await readRebound(session, source.oid, oid);
  const before = await readTableShape(session, oid);
  const foreignKeys = await OwnForeignKeys.prepare(session, {
    source,
    foreignKeysOut: definitions.foreignKeysOut,
    statements: change.statements,
    clone: { ...clone, oid },
  });
  const names = { ...plain, standIns: foreignKeys.standIns };
  const ofForeignKeys = foreignKeyActions(source, change.statements);
  await session.batch(['savepoint changed']);
  await refusedByServer(names, null, () => foreignKeys.attach());
  const start = await readStep(session, oid);
  const steps: TrialStep[] = [];
  let { scans } = start;
  for (const statement of change.statements) {
    const others = await scansWithout(session, oid, table, statement, ofForeignKeys);
    if (others !== null) ({ scans } = await readStep(session, oid));
    await refusedByServer(names, labelOf(statement), async () => {
      await session.asUser(() => session.batch([foreignKeys.retarget(statement)]));
    });
    const step = await readStep(session, oid);
    steps.push({ ...step, scans: others ?? difference(step.scans, scans) });
    ({ scans } = step);
  }
  const keys = await foreignKeys.read();
  await foreignKeys.takeOff();
  const changed = await readTableShape(session, oid);
  await session.batch([...rebindClone({ source, before, after: changed })]);
  const after = await withStarts(session, before, await readTableShape(session, oid));
  const lateChecks = await findLateChecks(session, { oid, table }, before, after);
  const probe = { session, oid, table, names };
  const castsBack = await findCastsBack(probe, before, after);
  for (const { column, expression } of change.reverse) {
    const old = before.columns.find(({ name }) => name === column);
    const label = `--reverse ${column}=${expression.text}`;
    if (old !== undefined) await probeExpression(probe, label, old.type, expression.text);
  }
  await session.batch(['rollback to savepoint changed']);

  const added = await probeAdded(probe, addedColumns(change.statements, start, steps));
  for (const { column, expression } of change.set) {
    const target = after.columns.find(({ name }) => name === column);
    const label = `--set ${column}=${expression.text}`;
    if (target !== undefined) await probeExpression(probe, label, target.type, expression.text);
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
    foreignKeysOut: keys?.foreignKeysOut ?? null,
    change: async () => {
      await foreignKeys.attach();
      await session.asUser(() =>
        session.batch(change.statements.map((statement) => foreignKeys.retarget(statement))),
      );
      await foreignKeys.takeOff();
      await session.batch([...rebindClone({ source, before, after: changed })]);
    },
  };
  const tried = await tryDefinitions(input);
  const seen = {
    before,
    start,
    steps,
    changed,
    after,
    added,
    castsBack,
    definitions: tried,
    takenOff,
    lateChecks,
    checkedForeignKeys: keys?.checked ?? [],
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
    statement: foreignKeys.retarget(statement),
  }));
  return { ...seen, forbidden: [], native: await tryNative({ ...input, statements, dependents, tried }) };
}

/** Asked of the changed clone: which columns of another type can be cast to what they were. */
async function findCastsBack(probe: Probe, before: TableShape, after: TableShape): Promise<Set<number>> {
  const found = new Set<number>();
  for (const old of before.columns) {
    const now = after.columns.find(({ attnum }) => attnum === old.attnum);
    if (now === undefined || now.type === old.type) continue;
    if (await takesExpression(probe, old.type, castBack(now, old))) found.add(old.attnum);
  }
  return found;
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
function difference(now: number | null, before: number | null): number | null {
  return now === null || before === null ? null : now - before;
}

/**
 * How often a statement reads the table without its actions on foreign keys: those can be had without a copy. null for a
 * statement that has none, where the server does not count, and where the rest cannot be made without them.
 */
async function scansWithout(
  session: Session,
  oid: number,
  table: string,
  { actions }: ChangeStatement,
  ofForeignKeys: ReadonlySet<Action>,
): Promise<number | null> {
  const rest = actions.filter((action) => !ofForeignKeys.has(action));
  if (rest.length === actions.length) return null;
  if (rest.length === 0) return 0;
  await session.batch(['savepoint others']);
  const before = await readStep(session, oid);
  try {
    const labels = rest.map(({ label }) => label).join(', ');
    await session.asUser(() => session.batch([`alter table ${table} ${labels}`]));
    return difference((await readStep(session, oid)).scans, before.scans);
  } catch (error) {
    if (!isServerError(error)) throw error;
    return null;
  } finally {
    await session.batch(['rollback to savepoint others', 'release savepoint others']);
  }
}

function labelOf(statement: ChangeStatement): string {
  return statement.actions.map(({ label }) => label).join(', ');
}
