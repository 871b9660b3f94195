/**
 * SQL for rows that hold a unique value which an incoming row needs (invariant 5).
 *
 * Such a holder is a row of `to` whose key is not in the batch. In the batch's snapshot `from` satisfies its
 * constraints, so either the holder is out of date, and then its key is somewhere in the log (visible in the same snapshot,
 * since a write and its entry commit together), or the rows of `from` violate the constraint of `to`. That is why no key has
 * to be put back into the log, and so none to be converted back into a key of `from`: a holder with an entry is removed,
 * and its own batch brings it back as it is by then; a holder without one is a violation, stays, and fails the insert again.
 */
import type { Index } from '../model/table-shape.js';
import { fragment, param, toQuery, type SqlFragment } from '../sql/fragment.js';
import { ident, qualified, sql, type SqlQuery } from '../sql/quote.js';
import type { ApplyPlan } from './apply-plan.js';
import { holdSql, returningHeld } from './holding-sql.js';
import { incomingRows, loggedKeys, logRows, matchTo, type LogPart } from './apply-sql.js';

/** Removes the out-of-date holders of one index, after the batch's own rows are gone from `to`. */
export function clearHoldersSql(plan: ApplyPlan, index: Index, part: LogPart): SqlQuery {
  const { holding, key } = plan;
  const [before, after] =
    holding === null
      ? ['\n)', '']
      : ['\n),\ngone as (', `\n${returningHeld(holding, key)}\n)\n${holdSql(holding, key)}`];
  return toQuery(
    // The log is read once for all holders: joining it is the one thing here that needs no index.
    fragment`
    with holders as materialized (
    ${holders(plan, index, part)}${before}
    delete from only ${qualified(plan.to)}
    where ctid OPERATOR(pg_catalog.=) any (array(
    select h.ghost_tid
    from holders as h
    where exists (
    select from (
    ${loggedKeys(plan)}
    ) as k
    where ${matchesHolder(plan)}
    )
    ))${after}`,
  );
}

/** A row of `to` that stands in the way of the incoming ones: its position. */
export function holderSql(plan: ApplyPlan, index: Index, part: LogPart): SqlQuery {
  return toQuery(fragment`
    select h.ghost_tid::pg_catalog.text as tid
    from (
    ${holders(plan, index, part)}
    ) as h
    limit 1`);
}

/** The key of the row of `to` at a position as text, `k1` ... `kn`; for settings under which text says all of it. */
export function keyAtSql(plan: ApplyPlan, tid: string): SqlQuery {
  const keys = plan.key.columns.map(
    (column, position) => `${ident(column.targetName)}::text as k${position + 1}`,
  );
  return toQuery(fragment`
    select ${keys.join(', ')}
    from only ${qualified(plan.to)}
    where ctid = ${param(tid)}::tid`);
}

/** Keys in a part of the log as text, `k1` ... `kn`. */
export function entryKeysSql(plan: ApplyPlan, part: LogPart): SqlQuery {
  const columns = plan.log.columns.map((column, position) => `${ident(column)}::text as k${position + 1}`);
  return toQuery(logRows(plan, part)(columns.join(', ')));
}

/**
 * Values that stand more than once in `to` where a unique index is to be built, with the keys of their rows: `value`
 * (one text per index key) and `keys`. Sorts the whole table: for the error message after the build has failed.
 */
export function duplicateKeysSql(plan: Pick<ApplyPlan, 'key' | 'to'>, index: Index): SqlQuery {
  const values = index.keys.map(({ expression, collation }) =>
    collation === null ? `(${expression})` : `(${expression} collate ${collation})`,
  );
  const names = plan.key.columns.map((column) => `${ident(column.targetName)}::text`);
  const conditions = [
    ...(index.predicate === null ? [] : [`(${index.predicate})`]),
    ...(index.nullsNotDistinct ? [] : index.keys.map(({ expression }) => `${expression} is not null`)),
  ];
  const where = conditions.length === 0 ? '' : `\nwhere ${conditions.join(' and ')}`;
  return {
    text: sql`
      select
        array[${values.map((value) => `min(${value}::text)`).join(', ')}] as value,
        (array_agg(concat_ws(', ', ${names.join(', ')})))[1:5] as keys
      from only ${qualified(plan.to)}${where}
      group by ${values.join(', ')}
      having count(*) > 1
      limit 5`,
  };
}

/** Holders with their position (`ghost_tid`) and key; each found through the index in question. */
function holders(plan: ApplyPlan, index: Index, part: LogPart): SqlFragment {
  const keys = plan.key.columns.map((column) => ident(column.targetName));
  const predicate = index.predicate === null ? '' : `\nand (${index.predicate})`;
  return fragment`
    select h.*
    from (
    ${incomingValues(plan, index, part)}
    ) as r
    cross join lateral (
    select t.ctid as ghost_tid, ${keys.join(', ')}
    from only ${qualified(plan.to)} as t
    where ${index.keys.map((key, position) => conflictCondition(index, key, position)).join(' and ')}${predicate}
    offset 0
    ) as h`;
}

/** The values of the incoming rows under this index, `ghost_v1` ... `ghost_vn`. */
function incomingValues(plan: ApplyPlan, index: Index, part: LogPart): SqlFragment {
  const alias = ident(plan.projection.alias);
  const columns = plan.values.map((column) => `${column.expression} as ${ident(column.name)}`);
  const values = index.keys.map((key, position) => `${key.expression} as ${valueName(position)}`);
  const where = index.predicate === null ? '' : `\nwhere ${index.predicate}`;
  return fragment`
    select ${values.join(', ')}
    from (
    select ${columns.join(', ')}
    from (
    ${incomingRows(plan, logRows(plan, part))}
    ) as ${alias}
    ) as ${alias}${where}`;
}

/** A name that no column of the user's has: in the comparison, unqualified names must mean the holder's columns. */
function valueName(position: number): string {
  return `ghost_v${position + 1}`;
}

function conflictCondition(index: Index, key: Index['keys'][number], position: number): string {
  const incoming = `r.${valueName(position)}`;
  const value = key.collation === null ? incoming : `(${incoming} collate ${key.collation})`;
  const conflict = `${key.expression} ${key.conflictOperator ?? 'OPERATOR(pg_catalog.=)'} ${value}`;
  return index.nullsNotDistinct
    ? `(${conflict} or (${key.expression} is null and ${incoming} is null))`
    : conflict;
}

function matchesHolder(plan: ApplyPlan): string {
  return matchTo(plan, 'h', (column) => `k.${ident(column)}`);
}
