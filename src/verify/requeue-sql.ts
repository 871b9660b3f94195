/**
 * Puts the keys of rows that differ into the log, for apply to bring them over: where it is known that the log has missed some. One
 * too many (a row that was written just now, and whose own entry is still to come) is applied twice, and no harm.
 */
import { fragment, joined, toQuery, type SqlFragment } from '../sql/fragment.js';
import { identList, qualified, type SqlQuery } from '../sql/quote.js';
import { equals } from '../stream/key-match.js';
import { inTypeOfFrom, keyInFrom } from './left-out-sql.js';
import type { Piece } from './piece.js';
import { fromRows, hashesDiffer, matchName, partsOf, toRows } from './rows-sql.js';
import type { VerifyPlan } from './verify-plan.js';

/** Its row count is the number of keys. */
export function requeueSql(plan: VerifyPlan, piece: Piece): SqlQuery {
  if (plan.log === null) throw new Error('there is no log to put keys into');
  const { pending, columns } = plan.log;
  return toQuery(fragment`
    insert into ${qualified(pending)} (${identList(columns)})
    ${differentKeys(plan, piece)}
    on conflict do nothing`);
}

/** Keys as `from` has them, of rows of either table. */
function differentKeys(plan: VerifyPlan, piece: Piece): SqlFragment {
  const keys = (value: (name: string) => string): string =>
    plan.key.columns.map((_, index) => inTypeOfFrom(plan, value(matchName(index)), index)).join(', ');
  if (piece.kind === 'to blocks') {
    const where = plan.match.map(({ from }, index) => equals(from, 's', keyInFrom(plan, 't', index)));
    return fragment`
      select ${keys((name) => `t.${name}`)}
      from (
      ${toRows(plan, piece, ['own', 'match'])}
      ) as t
      where not exists (select from only ${qualified(plan.from)} as s where ${where.join(' and ')})`;
  }
  if (piece.kind === 'from blocks') {
    const where = plan.match.map(({ to }, index) => equals(to, 't', `s.${matchName(index)}`));
    return fragment`
      select ${keys((name) => `s.${name}`)}
      from (
      ${fromRows(plan, piece, ['hash', 'match'])}
      ) as s
      left join lateral (
      select ${partsOf(plan, 't', ['hash'])}
      from only ${qualified(plan.to)} as t
      where ${where.join(' and ')}
      offset 0
      ) as t on true
      where ${hashesDiffer}`;
  }
  const on = plan.match.map(({ to }, index) =>
    equals({ ...to, column: matchName(index) }, 't', `s.${matchName(index)}`),
  );
  return fragment`
    select ${keys((name) => `coalesce(s.${name}, t.${name})`)}
    from (
    ${fromRows(plan, piece, ['hash', 'match'])}
    ) as s
    full join (
    ${toRows(plan, piece, ['hash', 'match'])}
    ) as t on ${joined(on, ' and ')}
    where ${hashesDiffer}`;
}
