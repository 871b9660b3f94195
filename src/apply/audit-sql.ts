/** SQL for keys that became one in `to`: which, and what has come of them. */
import { equals } from '../stream/key-match.js';
import { keysOf } from '../stream/key-sql.js';
import { fragment, joined, toQuery, toText } from '../sql/fragment.js';
import { ident, identList, qualified, sql, type SqlQuery } from '../sql/quote.js';
import type { ApplyPlan } from './apply-plan.js';
import { fromRows, loggedKeys, logRows, matchTo, stepsLeftSql, type LogPart } from './apply-sql.js';

/** More say no more about what is wrong. */
const maxCollisions = 5;

export interface Collision {
  /** Of `to`, as text, in the order of `Key.columns`. */
  readonly key: readonly string[];
  /** Of the rows of `from`: two of them or more, 5 at most. */
  readonly rows: readonly string[];
}

/** Keys that several rows of `from` have in `to`; of all rows, or of those with an entry in a part of the log. */
export function collisionsSql(plan: ApplyPlan, part: LogPart | 'all rows' = 'all rows'): SqlQuery {
  const names = plan.key.columns.map(({ name }) => `s.${ident(name)}::pg_catalog.text`);
  const columns = plan.match.map(({ to }) => {
    const column = `k.${ident(to.column)}`;
    return to.collation === null ? column : `(${column} collate ${to.collation})`;
  });
  const where =
    part === 'all rows'
      ? ''
      : joined(
          [
            '\nwhere s.ctid OPERATOR(pg_catalog.=) any (array(\n',
            fromRows(plan, logRows(plan, part)),
            '\n))',
          ],
          '',
        );
  return toQuery(fragment`
    select
      array[${plan.match.map(({ to }) => `pg_catalog.min(k.${ident(to.column)}::pg_catalog.text)`).join(', ')}] as key,
      (pg_catalog.array_agg(pg_catalog.concat_ws(', ', ${names.join(', ')}) order by s.ctid))[1:5] as rows
    from ${withKeyInTo(plan)}${where}
    group by ${columns.join(', ')}
    having pg_catalog.count(*) OPERATOR(pg_catalog.>) 1
    order by 1
    limit ${maxCollisions}`);
}

/** Puts the keys of the rows of `from` that `to` lacks into the log; returns their number as the row count. */
export function requeueMissingSql(plan: ApplyPlan): string {
  const keys = plan.key.columns.map(({ name }) => `s.${ident(name)}`);
  return sql`
    insert into ${qualified(plan.log.pending)} (${identList(plan.log.columns)})
    select ${keys.join(', ')}
    from ${withKeyInTo(plan)}
    where not exists (
    select from only ${qualified(plan.to)} as t
    where ${matchTo(plan, 't', (column) => `k.${ident(column)}`)}
    )
    on conflict do nothing`;
}

/** Keys of rows that `to` has and `from` has not, as text. Of a log that is being applied, not of what is in it. */
export function extraRowsSql(plan: ApplyPlan): string {
  const keys = plan.key.columns.map(({ targetName }) => `t.${ident(targetName)}::pg_catalog.text`);
  const isSame = plan.match.map(({ to }) => equals(to, 't', `k.${ident(to.column)}`)).join(' and ');
  return toText(fragment`
    select array[${keys.join(', ')}] as key
    from only ${qualified(plan.to)} as t
    where not exists (
    select from ${withKeyInTo(plan)}
    where ${isSame}
    )
    and not exists (
    select from (
    ${loggedKeys(plan)}
    ) as k
    where ${isSame}
    )
    order by 1
    limit 20`);
}

/** See `Balance`. */
export function balanceSql(plan: ApplyPlan): string {
  return sql`
    select
      (select pg_catalog.count(*) from only ${qualified(plan.to)})
      OPERATOR(pg_catalog.+) (
      ${stepsLeftSql(plan)}
      )
      OPERATOR(pg_catalog.-) (select pg_catalog.count(*) from only ${qualified(plan.from)}) as balance,
      exists (select from only ${qualified(plan.log.truncations)}) as truncated`;
}

/** Does `from` have a row of the keys in this part of the log? */
export function hasRowSql(plan: ApplyPlan, part: LogPart): SqlQuery {
  return toQuery(fragment`
    select exists (
    ${fromRows(plan, logRows(plan, part))}
    ) as found`);
}

/** Rows of `from` (`s`) beside their keys in `to` (`k`). */
function withKeyInTo(plan: ApplyPlan): string {
  const columns = plan.key.columns.map(({ name }) => `s.${ident(name)} as ${ident(name)}`);
  return sql`
    only ${qualified(plan.from)} as s
    cross join lateral (
    ${keysOf(plan.key, `select ${columns.join(', ')}`)}
    ) as k`;
}
