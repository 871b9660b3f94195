/** The way back, tried: rows of the table there and back, in a query that writes nothing, and how far ids are. */
import { SqlState, isServerError, messageOf } from '../../db/sqlstate.js';
import type { Session } from '../../db/session.js';
import type { Refusal } from '../../errors.js';
import { lastDrawn } from '../../catalog/drawn-ids.js';
import { isNearLimit, remainingIds } from '../../model/id-room.js';
import { refusedFor, type CopyPlan, type Plan } from '../../model/plan.js';
import type { PlanWarning } from '../../model/plan-warning.js';
import type { Loss, WayBack } from '../../model/way-back.js';
import { lookTimeoutMs } from '../checks/sample.js';
import { roundTripSql, wayThereSql, type RoundTripInput } from './round-trip-sql.js';
import { verdictOf } from './way-back.js';

/** @param blocks of the table */
export async function tryWayBack(session: Session, plan: Plan, blocks: number): Promise<Plan> {
  if (plan.verdict !== 'copy' || plan.back === null) return plan;
  const { warnings } = plan;
  const told: Plan = { ...plan, warnings: [...warnings, ...(await idWarnings(session, plan, plan.back))] };
  const { way } = plan.back;
  if (way === null) return told;
  const compared = way.columns.flatMap(({ target, how, volatile }) =>
    target !== null && (how === 'converted' || how === 'computed') && volatile !== true ? [target] : [],
  );
  if (compared.length === 0) return told;
  const { source, target, projection } = plan;
  const trip = await roundTrip(session, { source, target, projection, way, compared, blocks });
  return trip === null ? told : judged(told, { ...plan.back, isTried: true }, trip);
}

interface Difference {
  readonly column: string;
  readonly before: string | null;
  readonly after: string | null;
}

interface RoundTrip {
  readonly differences: readonly Difference[];
  /** PostgreSQL's message for a row that does not come back at all. */
  readonly failure: string | null;
}

/** null: it could not be tried. */
async function roundTrip(session: Session, input: RoundTripInput): Promise<RoundTrip | null> {
  try {
    return { differences: await look<Difference>(session, roundTripSql(input)), failure: null };
  } catch (error) {
    if (!isServerError(error)) throw error;
    // What it may not do in a look that writes nothing, or in its time, says nothing of the rows.
    if (!isOfTheRow(error.code) || !(await goesThere(session, input))) return null;
    return { differences: [], failure: messageOf(error) };
  }
}

async function goesThere(session: Session, input: RoundTripInput): Promise<boolean> {
  try {
    await look(session, wayThereSql(input));
    return true;
  } catch (error) {
    if (!isServerError(error)) throw error;
    return false;
  }
}

async function look<Row extends object>(
  session: Session,
  query: ReturnType<typeof roundTripSql>,
): Promise<Row[]> {
  const settings = { statement_timeout: String(lookTimeoutMs), transaction_read_only: 'on' };
  return await session.transaction(() => session.asUser(() => session.rows<Row>(query)), { settings });
}

/** Values, constraints of domains, and what functions raise. */
function isOfTheRow(code: string): boolean {
  return /^(22|23|42|P0)/.test(code) && code !== SqlState.insufficientPrivilege;
}

/** What the rows say goes before what types do. */
function judged(plan: CopyPlan, back: WayBack, { differences, failure }: RoundTrip): Plan {
  const given = new Set(
    (back.way?.columns ?? []).flatMap(({ target, how }) => (how === 'computed' ? [target] : [])),
  );
  if (failure !== null && given.size > 0) {
    const message = `--reverse: a row of the table does not come back: ${failure}`;
    return refusedFor(plan, [{ code: 'reverse-fails', message, hint: hintFor([...given].join(', ')) }]);
  }
  if (failure !== null) {
    return {
      ...plan,
      back: { ...back, verdict: 'impossible', way: null, against: [{ what: 'fails', message: failure }] },
    };
  }
  const columns = [...new Set(differences.map(({ column }) => column))];
  const of = (column: string): readonly Difference[] => differences.filter((each) => each.column === column);
  const refusals = columns.filter((column) => given.has(column)).map((column) => differs(column, of(column)));
  if (refusals.length > 0) return refusedFor(plan, refusals);
  const loses = [...back.loses, ...columns.map((column): Loss => ({ what: 'converted', column }))];
  return {
    ...plan,
    warnings: [
      ...plan.warnings,
      ...columns.map((column): PlanWarning => ({
        code: 'lost-there-and-back',
        facts: { column, examples: of(column).map(({ before, after }) => ({ before, after })) },
      })),
    ],
    back: {
      ...back,
      verdict: verdictOf({ ...back, loses }),
      loses,
      sampled: back.sampled.filter((column) => !columns.includes(column)),
    },
  };
}

function differs(column: string, found: readonly Difference[]): Refusal {
  const examples = found.map(({ before, after }) => `${shown(before)} comes back as ${shown(after)}`);
  return {
    code: 'reverse-differs',
    message: `--reverse ${column}: not what the column was: ${examples.join('; ')}`,
    hint: hintFor(column),
  };
}

function hintFor(columns: string): string {
  return `give an expression that leads back from what the change makes, or leave out --reverse for ${columns}: then there is no rollback with later writes, and plan says so`;
}

/** Enough to recognise it. */
const mostShown = 60;

function shown(value: string | null): string {
  if (value === null) return 'NULL';
  return JSON.stringify(value.length > mostShown ? `${value.slice(0, mostShown)}...` : value);
}

async function idWarnings(session: Session, { source }: CopyPlan, { ids }: WayBack): Promise<PlanWarning[]> {
  const warnings: PlanWarning[] = [];
  for (const room of ids) {
    const sequence = source.sequences.find(({ column }) => column === room.column);
    if (sequence === undefined) continue;
    const last = await lastDrawn(session, sequence.name);
    if (last === null) continue;
    const remaining = String(remainingIds(room, last));
    warnings.push({
      code: 'ids-remaining',
      facts: { column: room.column, limit: room.limit, last, remaining, isNear: isNearLimit(room, last) },
    });
  }
  return warnings;
}
