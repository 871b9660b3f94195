/** Whether an expression gives the same value each time it is evaluated for a row, and for ever. */
import type { Session } from '../../db/session.js';
import type { Change, UserExpression } from '../change/types.js';

/** Stable, but of the transaction or statement: copy and apply would get different ones. */
const momentFunctions = new Set([
  'now',
  'transaction_timestamp',
  'statement_timestamp',
  'txid_current',
  'txid_current_if_assigned',
  'pg_current_xact_id',
]);
const momentValue = /^(CURRENT_DATE|CURRENT_TIME|CURRENT_TIMESTAMP|LOCALTIME|LOCALTIMESTAMP)(_N)?$/;

type Expressions = Pick<Change, 'set' | 'reverse' | 'statements'>;

/**
 * By the names of the functions that it calls: when any function of that name is volatile, the expression counts as
 * such. Operators and casts are taken for repeatable, as nearly all of them are.
 */
export async function repeatabilityOf(
  session: Session,
  change: Expressions,
): Promise<(expression: UserExpression) => boolean> {
  const names = expressionsOf(change).flatMap(({ references }) =>
    references.functions.map((path) => path.at(-1) ?? ''),
  );
  const rows = await session.rows<{ name: string }>({
    text: `select distinct proname::text as name from pg_proc where proname = any ($1::name[]) and provolatile = 'v'`,
    values: [[...new Set(names)]],
  });
  const volatile = new Set([...momentFunctions, ...rows.map(({ name }) => name)]);
  return ({ references }) =>
    !references.functions.some((path) => volatile.has(path.at(-1) ?? '')) &&
    !references.sqlValues.some((value) => momentValue.test(value));
}

/**
 * For keys, where another value later would lead to another row: nothing in the expression is even STABLE, which may read tables.
 * What PostgreSQL has itself is stable because of settings, and those are pinned (invariant 13).
 */
export async function fixednessOf(
  session: Session,
  change: Expressions,
): Promise<(expression: UserExpression) => boolean> {
  const names = expressionsOf(change).flatMap(({ references }) =>
    references.functions.map((path) => path.at(-1) ?? ''),
  );
  const rows = await session.rows<{ name: string }>({
    text: `select distinct proname::text as name from pg_proc where proname = any ($1::name[]) and provolatile = 's' and pronamespace <> 'pg_catalog'::regnamespace`,
    values: [[...new Set(names)]],
  });
  const stable = new Set(rows.map(({ name }) => name));
  return ({ references }) => !references.functions.some((path) => stable.has(path.at(-1) ?? ''));
}

function expressionsOf({ set, reverse, statements }: Expressions): UserExpression[] {
  return [
    ...[...set, ...reverse].map(({ expression }) => expression),
    ...statements.flatMap(({ actions }) => actions.flatMap(({ using }) => (using === null ? [] : [using]))),
  ];
}
