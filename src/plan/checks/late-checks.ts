/**
 * CHECKs that held when each row was written, and may not hold now: `valid_until > now()`, or a function that was replaced
 * since. PostgreSQL looks at a row when it is written and never again, so such a one must not be in the way of
 * the rows that are copied: it comes in the swap, NOT VALID, and is validated after it where all rows hold.
 */
import type { TableShape } from '../../model/table-shape.js';
import { isServerError } from '../../db/sqlstate.js';
import type { Session } from '../../db/session.js';
import { sql } from '../../sql/quote.js';
import type { LateCheck } from '../../model/late-check.js';

interface CandidateRow {
  readonly name: string;
  readonly expression: string;
  readonly callsOwn: boolean;
}

/** A function of an extension is the extension's to change; any other may be replaced at any time. */
const candidatesSql = sql`
  select
    con.conname::text as name,
    pg_get_expr(con.conbin, con.conrelid) as expression,
    exists (
      select
      from pg_depend as d
      where d.classid = 'pg_constraint'::regclass
        and d.objid = con.oid
        and d.refclassid in ('pg_proc'::regclass, 'pg_operator'::regclass)
        and not exists (
          select
          from pg_depend as e
          where e.classid = d.refclassid and e.objid = d.refobjid and e.deptype = 'e'
        )
    ) as "callsOwn"
  from pg_constraint as con
  where con.conrelid = $1
    and con.contype = 'c'
    and con.convalidated
    and con.conname = any ($2)
  order by con.conname`;

/**
 * Of those that the change leaves alone: one that it adds, or that has a column whose type it changes, is checked against all
 * rows by the native ALTER as well. To be called on the changed clone; leaves it as it is.
 *
 * @param table the clone, quoted
 */
export async function findLateChecks(
  session: Session,
  clone: { readonly oid: number; readonly table: string },
  before: TableShape,
  after: TableShape,
): Promise<LateCheck[]> {
  const rows = await session.rows<CandidateRow>({
    text: candidatesSql,
    values: [clone.oid, untouchedChecks(before, after)],
  });
  const late: LateCheck[] = [];
  for (const { name, expression, callsOwn } of rows) {
    if (callsOwn) late.push({ name, why: 'own function' });
    else if (await isMutable(session, clone.table, expression)) late.push({ name, why: 'not immutable' });
  }
  return late;
}

function untouchedChecks(before: TableShape, after: TableShape): string[] {
  const retyped = new Set(
    before.columns
      .filter((column) => {
        const now = after.columns.find(({ attnum }) => attnum === column.attnum);
        return now?.typeOid !== column.typeOid || now.typmod !== column.typmod;
      })
      .map(({ attnum }) => after.columns.find((column) => column.attnum === attnum)?.name),
  );
  return after.constraints
    .filter(
      ({ type, name, validated, columns }) =>
        type === 'check' &&
        validated &&
        !columns.some((column) => retyped.has(column)) &&
        before.constraints.some((each) => each.name === name && each.type === 'check' && each.validated),
    )
    .map(({ name }) => name);
}

/** Nobody knows that better than CREATE INDEX, which takes no expression that may give another value later. */
async function isMutable(session: Session, table: string, expression: string): Promise<boolean> {
  await session.batch(['savepoint late_check']);
  try {
    await session.batch([`create index on ${table} ((${expression}))`]);
    return false;
  } catch (error) {
    if (!isServerError(error)) throw error;
    return error.code === invalidObjectDefinition;
  } finally {
    await session.batch(['rollback to savepoint late_check', 'release savepoint late_check']);
  }
}

const invalidObjectDefinition = '42P17';

/** The shape as the swap makes it: these are NOT VALID, until what follows the swap has looked at the rows. */
export function withLateChecks(shape: TableShape, late: readonly LateCheck[]): TableShape {
  const names = new Set(late.map(({ name }) => name));
  return {
    ...shape,
    constraints: shape.constraints.map((constraint) =>
      constraint.type === 'check' && constraint.validated && names.has(constraint.name)
        ? { ...constraint, validated: false, definition: `${constraint.definition} NOT VALID` }
        : constraint,
    ),
  };
}
