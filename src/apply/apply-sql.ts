/**
 * SQL of apply: makes the rows of `to` for the keys in a part of the log what the rows of `from` are now (invariant 3).
 *
 * Rows are found through `cross join lateral (... offset 0)`, which the planner can only run as a nested loop over an index,
 * and then touched by ctid: no statistics, however wrong (both tables may never have been analyzed), can turn a batch into
 * a scan of a big table. Keys never travel to the client.
 *
 * They run under the user's settings, for the expressions in them: whatever is ours has its schema.
 *
 * Nested parts are not indented: the user's expressions are in them, and may have string literals of several lines.
 */
import { blocksSql } from '../catalog/sizes.js';
import { fragment, joined, toQuery, toText, type SqlFragment } from '../sql/fragment.js';
import { projectedColumns, projectionFragment } from '../sql/projection-sql.js';
import { ident, identList, literal, qualified, sql, type SqlQuery } from '../sql/quote.js';
import type { QualifiedName } from '../model/name.js';
import { equals } from '../stream/key-match.js';
import { keysFragment } from '../stream/key-sql.js';
import { forgetTruncationsStatement } from '../stream/log-sql.js';
import { typeOnAnyPath } from '../sql/any-path.js';
import type { ApplyPlan } from './apply-plan.js';
import { heldColumns, holdSql, returningHeld } from './holding-sql.js';
import type { RowRange } from '../pieces/row-range.js';
import { withinRows } from '../pieces/row-range-sql.js';

/** Everything in the log, whichever of its tables it is in. */
export const wholeLog = 'whole log';

/** Some entries of one table of the log. */
export interface LogSlice {
  readonly table: QualifiedName;
  readonly range: RowRange;
  /** Of several workers on the same range: each takes the keys whose hash falls to it, so that no two take one key. */
  readonly share?: { readonly worker: number; readonly workers: number };
}

export type LogPart = LogSlice | typeof wholeLog;

/**
 * For every transaction that applies. JIT off: the cost of a scan that is turned off would trigger compilation (before 18).
 */
export const applySettings: Readonly<Record<string, string>> = {
  jit: 'off',
  enable_seqscan: 'off',
  enable_indexscan: 'on',
  enable_tidscan: 'on',
};

/** `select <columns> from <log> where ...`, with the bounds as parameters: the same ones wherever in a statement it stands. */
export type LogRows = (columns: string) => SqlFragment;

/** A TID condition always, because sequential scans are off. */
export function logRows(plan: ApplyPlan, part: LogPart): LogRows {
  if (part !== wholeLog) {
    const where = sliceWhere(plan, part);
    return (columns) => fragment`
      select ${columns}
      from only ${qualified(part.table)}
      where ${where}`;
  }
  return (columns) =>
    joined(
      plan.log.parts.map(
        (table) => sql`
          select ${columns}
          from only ${qualified(table)}
          where ctid OPERATOR(pg_catalog.>=) '(0,0)'::pg_catalog.tid`,
      ),
      '\nunion all\n',
    );
}

/** Fails where a type of the key has no hash function. */
export function hashableKeySql(plan: ApplyPlan): SqlQuery {
  const nulls = plan.key.columns.map(({ type }) => `null::${typeOnAnyPath(type)}`).join(', ');
  return { text: `select pg_catalog.hash_record_extended(row(${nulls}), 0)` };
}

function sliceWhere(plan: ApplyPlan, { range, share }: LogSlice): SqlFragment {
  const rows = withinRows('ctid', range);
  if (share === undefined) return rows;
  const hash = `pg_catalog.hash_record_extended(row(${identList(plan.log.columns)}), 0)`;
  return fragment`${rows} and (${hash} OPERATOR(pg_catalog.&) 1073741823) OPERATOR(pg_catalog.%) ${share.workers} OPERATOR(pg_catalog.=) ${share.worker}`;
}

/**
 * Before the first snapshot of the transaction: TRUNCATE, which snapshots do not see, is then either over or waits; of
 * `from`, and of the log's tables.
 */
export function lockTablesSql(plan: ApplyPlan): string {
  const tables = [plan.from, ...plan.log.parts].map((table) => `only ${qualified(table)}`);
  return `lock table ${tables.join(', ')} in access share mode`;
}

/** Takes the transaction's snapshot; the log's size is read after it, so nothing visible lies beyond. */
export function lookSql(plan: ApplyPlan, part: LogSlice): SqlQuery {
  return toQuery(fragment`
    select
      exists (select from only ${qualified(plan.log.truncations)}) as truncated,
      exists (${logRows(plan, part)('')}) as found,
      (${blocksSql(literal(qualified(part.table)))}) as blocks`);
}

/**
 * After a TRUNCATE of `from`. Right at any time, because every batch looks for the marker first: whatever was written
 * after the TRUNCATE is visible only together with the marker, so its entry is still in the log.
 */
export function followTruncateStatements(plan: ApplyPlan): string[] {
  return [
    `truncate only ${qualified(plan.to)}`,
    ...(plan.holding === null ? [] : [`delete from only ${qualified(plan.holding.table)}`]),
    forgetTruncationsStatement(plan.log),
  ];
}

/** Takes the rows of `to` of these keys away. */
export function deleteRowsSql(plan: ApplyPlan, part: LogPart): SqlQuery {
  const gone = fragment`
    delete from only ${qualified(plan.to)}
    where ctid OPERATOR(pg_catalog.=) any (array(
    select found.tid
    from (
    ${keysInTo(plan, logRows(plan, part))}
    ) as k
    cross join lateral (
    select t.ctid as tid
    from only ${qualified(plan.to)} as t
    where ${matchTo(plan, 't', (column) => `k.${ident(column)}`)}
    offset 0
    ) as found
    ))`;
  const { holding, key } = plan;
  if (holding === null) return toQuery(gone);
  return toQuery(fragment`
    with gone as (
    ${gone}
    ${returningHeld(holding, key)}
    )
    ${holdSql(holding, key)}`);
}

/** Of these keys, when their rows are written: nothing is held any more. null where nothing ever is. */
export function forgetHeldSql(plan: ApplyPlan, part: LogPart): SqlQuery | null {
  if (plan.holding === null) return null;
  return toQuery(fragment`
    delete from only ${qualified(plan.holding.table)} as h
    using (
    ${keysInTo(plan, logRows(plan, part))}
    ) as k
    where ${matchTo(plan, 'h', (column) => `k.${ident(column)}`)}`);
}

/** Inserts the rows of `from` of these keys as they are in this snapshot. */
export function insertRowsSql(plan: ApplyPlan, part: LogPart): SqlQuery {
  return toQuery(fragment`
    insert into ${qualified(plan.to)} (${identList(projectedColumns(plan.projection))})
    overriding system value
    ${incomingRows(plan, logRows(plan, part))}`);
}

/** Takes the entries away; returns their number, and the sum of their steps. */
export function deleteEntriesSql(plan: ApplyPlan, part: LogSlice): SqlQuery {
  const step = stepOf(plan, part.table);
  return toQuery(fragment`
    with gone as (
    delete from only ${qualified(part.table)}
    where ${sliceWhere(plan, part)}
    returning ${step} as step
    )
    select pg_catalog.count(*) as entries, coalesce(pg_catalog.sum(step), 0)::pg_catalog.int8 as steps from gone`);
}

/** How many rows more an entry says that there are; only where somebody keeps count. */
function stepOf({ log }: ApplyPlan, table: QualifiedName): string {
  return log.step === null || table.name === log.pending.name ? '0' : ident(log.step);
}

/** The sum of the steps of all entries that are left. */
export function stepsLeftSql(plan: ApplyPlan): string {
  const steps = plan.log.parts
    .map(
      (table) =>
        `select ${stepOf(plan, table)} as step from only ${qualified(table)} where ctid >= '(0,0)'::tid`,
    )
    .join('\nunion all\n');
  return `select coalesce(pg_catalog.sum(step), 0)::pg_catalog.int8 as steps from (\n${steps}\n) as log`;
}

/**
 * Removes every row that was written while the copy ran: it may have been copied twice, or not as it is now. Runs once,
 * after the last chunk and before the first index, when only whole scans can find rows anyway. The log keeps its entries.
 */
export function purgeSql(plan: ApplyPlan): SqlQuery {
  return toQuery(fragment`
    delete from only ${qualified(plan.to)} as t
    using (
    select distinct * from (
    ${loggedKeys(plan)}
    ) as k
    ) as k
    where ${matchTo(plan, 't', (column) => `k.${ident(column)}`)}`);
}

const collectedKeys = 'pg_temp.ghost_keys';

/** For a purge that takes the keys of the log bit by bit: where it keeps them, as `to` has them. */
export function collectedKeysTableSql(plan: ApplyPlan): string {
  return toText(fragment`
    create temporary table ${collectedKeys} on commit drop as
    ${loggedKeys(plan)}
    with no data`);
}

export function collectKeysSql(plan: ApplyPlan, part: LogSlice): SqlQuery {
  return toQuery(fragment`
    insert into ${collectedKeys}
    select distinct * from (
    ${keysFragment(plan.key, logKeys(plan, logRows(plan, part)))}
    ) as k`);
}

export function purgeCollectedSql(plan: ApplyPlan): string {
  return sql`
    delete from only ${qualified(plan.to)} as t
    using (select distinct * from ${collectedKeys}) as k
    where ${matchTo(plan, 't', (column) => `k.${ident(column)}`)}`;
}

/** Deferred constraints of `to` speak up at the statement, where there is still something to do about it. */
export function immediateConstraintsSql(plan: ApplyPlan): string[] {
  const deferrable = plan.conflicts.filter((index) => !index.immediate && index.constraint !== null);
  if (deferrable.length === 0) return [];
  const names = deferrable.map((index) =>
    qualified({ schema: plan.to.schema, name: index.constraint ?? '' }),
  );
  return [`set constraints ${names.join(', ')} immediate`];
}

/**
 * The last batch, for a transaction that keeps writers out and has READ COMMITTED: the whole log in one message, without
 * parameters. The entries stay: the log goes with the swap, and when there is no swap nothing of this has happened. The last
 * statement returns their number as `entries`.
 *
 * Executes what `prepareDrainStatements` has prepared in the session.
 */
export function drainStatements(plan: ApplyPlan): string[] {
  return [
    ...immediateConstraintsSql(plan),
    ...drainSteps(plan).map((_, index) => `execute ${drainStep(plan, index)}`),
  ];
}

/** Once in a session that has `applySettings` for all of its life. */
export function prepareDrainStatements(plan: ApplyPlan): string[] {
  return drainSteps(plan).map((step, index) => `prepare ${drainStep(plan, index)} as ${step}`);
}

/** Plans them, and keeps the plans; runs nothing. Shortly before the lock, so that nobody waits for the planner. */
export function planDrainStatements(plan: ApplyPlan): string[] {
  return drainSteps(plan).map((_, index) => `explain execute ${drainStep(plan, index)}`);
}

function drainSteps(plan: ApplyPlan): string[] {
  const truncations = qualified(plan.log.truncations);
  const forgetHeld = forgetHeldSql(plan, wholeLog);
  return [
    // A one-time filter: `to` is read only when there is a marker.
    `delete from only ${qualified(plan.to)} where exists (select from only ${truncations})`,
    deleteRowsSql(plan, wholeLog).text,
    insertRowsSql(plan, wholeLog).text,
    ...(forgetHeld === null ? [] : [forgetHeld.text]),
    toText(
      plan.log.step === null
        ? fragment`
            select pg_catalog.count(*) as entries from (
            ${logRows(plan, wholeLog)('')}
            ) as log`
        : fragment`
            select (select pg_catalog.count(*) from (
            ${logRows(plan, wholeLog)('')}
            ) as log) as entries, (
            ${stepsLeftSql(plan)}
            ) as steps, exists (select from only ${truncations}) as truncated`,
    ),
  ];
}

/** A session may have the drains of several tables prepared. */
function drainStep({ log }: ApplyPlan, index: number): string {
  return ident(`ghost_drain_${index + 1}_${log.pending.name}`);
}

/** The rows-to-be of `to` for the keys in a part of the log. */
export function incomingRows(plan: ApplyPlan, rows: LogRows): SqlFragment {
  const where = joined(['ctid OPERATOR(pg_catalog.=) any (array(\n', fromRows(plan, rows), '\n))'], '');
  if (plan.holding === null)
    return projectionFragment(plan.projection, { from: `only ${qualified(plan.from)}`, where });
  const keys = plan.key.columns.map(({ name }) => `s.${ident(name)} as ${ident(name)}`);
  const row = fragment`
    select s.*, h.*
    from only ${qualified(plan.from)} as s
    left join lateral (
    ${heldColumns(
      plan.holding,
      keysFragment(plan.key, `select ${keys.join(', ')}`),
      matchTo(plan, 't', (column) => `k.${ident(column)}`),
    )}
    ) as h on true
    where s.${where}`;
  return projectionFragment(plan.projection, { from: joined(['(\n', row, '\n)'], '') });
}

/** ctids of the rows of `from` of these keys. */
export function fromRows(plan: ApplyPlan, rows: LogRows): SqlFragment {
  const { log } = plan;
  const where = plan.match.map(({ from }, index) =>
    equals(from, 's', `k.${ident(log.columns[index] ?? '')}`),
  );
  return fragment`
    select found.tid
    from (
    select distinct * from (
    ${rows(identList(log.columns))}
    ) as l
    ) as k
    cross join lateral (
    select s.ctid as tid
    from only ${qualified(plan.from)} as s
    where ${where.join(' and ')}
    offset 0
    ) as found`;
}

/** Keys as `to` has them, each once. */
function keysInTo(plan: ApplyPlan, rows: LogRows): SqlFragment {
  const distinct = fragment`
    select distinct * from (
    ${keysFragment(plan.key, logKeys(plan, rows))}
    ) as k`;
  if (!plan.equalKeysMayPart) return distinct;
  // The row that an entry leads to may look different by now, and then its own key is another one in `to`.
  const columns = plan.key.columns.map((column) => ident(column.name)).join(', ');
  const current = fragment`
    select ${columns}
    from only ${qualified(plan.from)}
    where ctid OPERATOR(pg_catalog.=) any (array(
    ${fromRows(plan, rows)}
    ))`;
  return joined([distinct, keysFragment(plan.key, current)], '\nunion\n');
}

/** All keys in the log, as `to` has them. */
export function loggedKeys(plan: ApplyPlan): SqlFragment {
  return keysFragment(plan.key, logKeys(plan, logRows(plan, wholeLog)));
}

/** Keys in a part of the log, under the names that they have in `from`. */
function logKeys(plan: ApplyPlan, rows: LogRows): SqlFragment {
  const columns = plan.key.columns.map(
    (column, index) => `${ident(plan.log.columns[index] ?? '')} as ${ident(column.name)}`,
  );
  return rows(columns.join(', '));
}

/** A condition: the row of `to` has this key. */
export function matchTo(plan: ApplyPlan, row: string, value: (targetName: string) => string): string {
  return plan.match.map(({ to }) => equals(to, row, value(to.column))).join(' and ');
}
