/** What a comparison leaves out, in its own snapshot: rows whose keys are in the log, or that were written since the swap. */
import type { KeyLog } from '../model/key-log.js';
import { typeOnAnyPath } from '../sql/any-path.js';
import { ident, literal, qualified, sql } from '../sql/quote.js';
import { equals } from '../stream/key-match.js';
import { keysOf } from '../stream/key-sql.js';
import type { SwapMoment, VerifyPlan } from './verify-plan.js';

export function truncatedSql({ log }: VerifyPlan): string {
  return log === null ? 'false' : `exists (select from only ${qualified(log.truncations)})`;
}

/** Conditions: without the rows of `from` whose key is in the log. */
export function logExclusion({ log, match }: VerifyPlan, row: string): string[] {
  if (log === null) return [];
  const where = match.map(({ from }, index) =>
    equals(from, row, `ghost_log.${ident(log.columns[index] ?? '')}`),
  );
  return [
    `not exists (select from (\n${logKeys(log, log.columns.map(ident))}\n) as ghost_log where ${where.join(' and ')})`,
  ];
}

/** A clause: without the rows of `from` that were written again in `to`. */
export function swapExclusion({ sinceSwap, match, to: table }: VerifyPlan): string {
  if (sinceSwap === null) return '';
  const where = match.map(({ to }) => equals(to, 'n', `m.${ident(to.column)}`));
  return sql`

    where not exists (
    select from only ${qualified(table)} as n
    where ${where.join(' and ')} and ${isSinceSwap(sinceSwap, 'n')}
    )`;
}

/** Conditions: without the rows of `to` that may differ. */
export function toExclusion(plan: VerifyPlan): string[] {
  const { sinceSwap, log, match } = plan;
  if (sinceSwap !== null) return [`not ${isSinceSwap(sinceSwap, 't')}`];
  if (log === null) return [];
  const names = plan.key.columns.map(
    ({ name }, index) => `${ident(log.columns[index] ?? '')} as ${ident(name)}`,
  );
  const keys = keysOf(plan.key, logKeys(log, names));
  const where = match.map(({ to }) => equals(to, 't', `ghost_log.${ident(to.column)}`));
  const inTheLog = `exists (select from (\n${keys}\n) as ghost_log where ${where.join(' and ')})`;
  if (plan.order !== null) return [`not ${inTheLog}`];
  // Keys that are equal in `from` may be two in `to` (citext to text): the one in the log leads to both.
  const back = match.map(({ from }, index) =>
    equals({ ...from, column: log.columns[index] ?? '' }, 'ghost_back', keyInFrom(plan, 't', index)),
  );
  return [
    `not ${inTheLog}`,
    `not exists (select from (\n${logKeys(log, log.columns.map(ident))}\n) as ghost_back where ${back.join(' and ')})`,
  ];
}

function logKeys({ parts }: KeyLog, columns: readonly string[]): string {
  return parts
    .map((part) => `select ${columns.join(', ')} from only ${qualified(part)}`)
    .join('\nunion all\n');
}

/** The nth column of the key of the row of `to`, as `from` has it. */
export function keyInFrom(plan: VerifyPlan, row: string, index: number): string {
  const column = plan.key.columns[index];
  if (column === undefined) throw new Error('no such key column');
  return inTypeOfFrom(plan, `${row}.${ident(column.targetName)}`, index);
}

/** A value of the nth column of the key of `to`, as `from` has it. */
export function inTypeOfFrom(plan: VerifyPlan, value: string, index: number): string {
  const column = plan.key.columns[index];
  if (column === undefined) throw new Error('no such key column');
  return column.type === column.targetType ? value : `${value}::${typeOnAnyPath(column.type)}`;
}

/** By the transaction that wrote the row: later than the swap's, or one that was under way then. */
function isSinceSwap({ xid, inProgress }: SwapMoment, row: string): string {
  const ids = inProgress.map(literal);
  const wasOpen =
    ids.length === 0
      ? ''
      : ` or ${row}.xmin::pg_catalog.text OPERATOR(pg_catalog.=) any (array[${ids.join(', ')}])`;
  return `(pg_catalog.age(${row}.xmin) OPERATOR(pg_catalog.<) pg_catalog.age(${literal(xid)}::pg_catalog.xid)${wasOpen})`;
}
