/**
 * SQL of apply: makes the shadow's rows for the keys in a part of the log what the source's rows are now (invariant 3).
 *
 * Rows are found through `cross join lateral (... offset 0)`, which the planner can only run as a nested loop over an index,
 * and then touched by ctid: no statistics, however wrong (both tables may never have been analyzed), can turn a batch into
 * a scan of a big table. Keys never travel to the client.
 *
 * Nested parts are not indented: the user's expressions are in them, and may have string literals of several lines.
 */
import { projectedColumns, projectionSql } from '../sql/projection.js';
import { ident, identList, qualified, sql, type SqlQuery } from '../sql/quote.js';
import { equals, type ApplyPlan } from './apply-plan.js';
import { tid, type LogRange } from './log-range.js';

/** Everything in the log; a TID condition all the same, because sequential scans are off. */
export const wholeLog = 'whole log';
export type LogPart = LogRange | typeof wholeLog;

/**
 * For every transaction that applies. JIT off: the cost of a scan that is turned off would trigger compilation (before 18).
 */
export const applySettings: Readonly<Record<string, string>> = {
  jit: 'off',
  enable_seqscan: 'off',
  enable_indexscan: 'on',
  enable_tidscan: 'on',
};

export function logWhere(part: LogPart): string {
  return part === wholeLog ? `ctid >= '(0,0)'::tid` : 'ctid >= $1::tid and ctid < $2::tid';
}

export function logValues(part: LogPart): Pick<SqlQuery, 'values'> {
  return part === wholeLog ? {} : { values: [tid(part.from), tid(part.to)] };
}

/** Before the first snapshot of the transaction: TRUNCATE, which snapshots do not see, is then either over or waits. */
export function lockSourceSql(plan: ApplyPlan): string {
  return `lock table only ${qualified(plan.source)} in access share mode`;
}

/** Takes the transaction's snapshot; the log's size is read after it, so nothing visible lies beyond. */
export function lookSql(plan: ApplyPlan, part: LogPart): SqlQuery {
  const entries = qualified(plan.log.entries);
  return {
    text: sql`
      select
        exists (select from only ${qualified(plan.log.truncations)}) as truncated,
        exists (select from only ${entries} where ${logWhere(part)}) as found,
        (${logBlocks(plan)}) as blocks`,
    ...logValues(part),
  };
}

export function logBlocksSql(plan: ApplyPlan): SqlQuery {
  return { text: `select (${logBlocks(plan)}) as blocks` };
}

function logBlocks(plan: ApplyPlan): string {
  const entries = qualified(plan.log.entries).replaceAll("'", "''");
  return `pg_catalog.pg_relation_size('${entries}'::regclass) / current_setting('block_size')::bigint`;
}

/**
 * After a TRUNCATE of the source. Right at any time, because every batch looks for the marker first: whatever was written
 * after the TRUNCATE is visible only together with the marker, so its entry is still in the log.
 */
export function followTruncateStatements(plan: ApplyPlan): string[] {
  return [`truncate only ${qualified(plan.shadow)}`, forgetTruncations(plan)];
}

/** Takes the shadow's rows of these keys away. */
export function deleteShadowRowsSql(plan: ApplyPlan, part: LogPart): SqlQuery {
  return {
    text: sql`
      delete from only ${qualified(plan.shadow)}
      where ctid = any (array(
      select found.tid
      from (
      ${shadowKeys(plan, part)}
      ) as k
      cross join lateral (
      select t.ctid as tid
      from only ${qualified(plan.shadow)} as t
      where ${matchShadow(plan, 't', (column) => `k.${ident(column)}`)}
      offset 0
      ) as found
      ))`,
    ...logValues(part),
  };
}

/** Inserts the source's rows of these keys as they are in this snapshot. */
export function insertRowsSql(plan: ApplyPlan, part: LogPart): SqlQuery {
  return {
    text: sql`
      insert into ${qualified(plan.shadow)} (${identList(projectedColumns(plan.projection))})
      overriding system value
      ${incomingRows(plan, part)}`,
    ...logValues(part),
  };
}

/** Takes the entries away; returns their number as the row count. */
export function deleteEntriesSql(plan: ApplyPlan, part: LogPart): SqlQuery {
  return {
    text: `delete from only ${qualified(plan.log.entries)} where ${logWhere(part)}`,
    ...logValues(part),
  };
}

/**
 * Removes every row that was written while the copy ran: it may have been copied twice, or not as it is now. Runs once,
 * after the last chunk and before the first index, when only whole scans can find rows anyway. The log keeps its entries.
 */
export function purgeSql(plan: ApplyPlan): SqlQuery {
  return {
    text: sql`
      delete from only ${qualified(plan.shadow)} as t
      using (
      select distinct * from (
      ${keysOf(plan, logKeys(plan))}
      ) as k
      ) as k
      where ${matchShadow(plan, 't', (column) => `k.${ident(column)}`)}`,
  };
}

/** Deferred constraints of the shadow speak up at the statement, where there is still something to do about it. */
export function immediateConstraintsSql(plan: ApplyPlan): string[] {
  const deferrable = plan.conflicts.filter((index) => !index.immediate && index.constraint !== null);
  if (deferrable.length === 0) return [];
  const names = deferrable.map((index) =>
    qualified({ schema: plan.shadow.schema, name: index.constraint ?? '' }),
  );
  return [`set constraints ${names.join(', ')} immediate`];
}

/**
 * The last batch, for a transaction that keeps writers out and has READ COMMITTED: the whole log in one message, without
 * parameters. What it takes is deleted by `deleteEntriesSql(plan, wholeLog)`, whose row count is the number of keys.
 *
 * Executes what `prepareDrainStatements` has prepared in the session.
 */
export function drainStatements(plan: ApplyPlan): string[] {
  return [
    ...immediateConstraintsSql(plan),
    ...drainSteps(plan).map((_, index) => `execute ${drainStep(index)}`),
  ];
}

/** Once in a session that has `applySettings` for all of its life. */
export function prepareDrainStatements(plan: ApplyPlan): string[] {
  return drainSteps(plan).map((step, index) => `prepare ${drainStep(index)} as ${step}`);
}

/** Plans them, and keeps the plans; runs nothing. Shortly before the lock, so that nobody waits for the planner. */
export function planDrainStatements(plan: ApplyPlan): string[] {
  return drainSteps(plan).map((_, index) => `explain execute ${drainStep(index)}`);
}

function drainSteps(plan: ApplyPlan): string[] {
  const truncations = qualified(plan.log.truncations);
  return [
    // A one-time filter: the shadow is read only when there is a marker.
    `delete from only ${qualified(plan.shadow)} where exists (select from only ${truncations})`,
    deleteShadowRowsSql(plan, wholeLog).text,
    insertRowsSql(plan, wholeLog).text,
    forgetTruncations(plan),
  ];
}

function drainStep(index: number): string {
  return `ghost_drain_${index + 1}`;
}

function forgetTruncations(plan: ApplyPlan): string {
  return `delete from only ${qualified(plan.log.truncations)}`;
}

/** The shadow's rows-to-be for the keys in a part of the log. */
export function incomingRows(plan: ApplyPlan, part: LogPart): string {
  return projectionSql(plan.projection, {
    from: `only ${qualified(plan.source)}`,
    where: `ctid = any (array(\n${sourceRows(plan, part)}\n))`,
  });
}

/** ctids of the source's rows. */
function sourceRows(plan: ApplyPlan, part: LogPart): string {
  const { log } = plan;
  const where = plan.match.map(({ source }, index) =>
    equals(source, 's', `k.${ident(log.columns[index] ?? '')}`),
  );
  return sql`
    select found.tid
    from (
    select distinct ${identList(log.columns)}
    from only ${qualified(log.entries)}
    where ${logWhere(part)}
    ) as k
    cross join lateral (
    select s.ctid as tid
    from only ${qualified(plan.source)} as s
    where ${where.join(' and ')}
    offset 0
    ) as found`;
}

/** Keys as the shadow has them, each once. */
export function shadowKeys(plan: ApplyPlan, part: LogPart): string {
  const logged = keysOf(plan, logKeys(plan, part));
  const distinct = `select distinct * from (\n${logged}\n) as k`;
  if (!plan.equalKeysMayPart) return distinct;
  // The row that an entry leads to may look different by now, and then its own key is another one in the shadow.
  const columns = plan.key.columns.map((column) => ident(column.name)).join(', ');
  const current = sql`
    select ${columns}
    from only ${qualified(plan.source)}
    where ctid = any (array(
    ${sourceRows(plan, part)}
    ))`;
  return `${distinct}\nunion\n${keysOf(plan, current)}`;
}

/** Maps keys of the source to keys of the shadow, in the shadow's types: the projection may leave the last cast to INSERT. */
export function keysOf(plan: ApplyPlan, keys: string): string {
  const mapped = projectionSql(plan.key.projection, { from: `(\n${keys}\n)` });
  if (plan.key.columns.every((column) => column.type === column.targetType)) return mapped;
  const columns = plan.key.columns.map(
    ({ targetName, targetType }) => `${ident(targetName)}::${targetType} as ${ident(targetName)}`,
  );
  return `select ${columns.join(', ')}\nfrom (\n${mapped}\n) as mapped`;
}

/** Keys in the log, or a part of it, under the names that they have in the source. */
export function logKeys(plan: ApplyPlan, part: LogPart | null = null): string {
  const columns = plan.key.columns.map(
    (column, index) => `${ident(plan.log.columns[index] ?? '')} as ${ident(column.name)}`,
  );
  return sql`
    select ${columns.join(', ')}
    from only ${qualified(plan.log.entries)}${part === null ? '' : `\nwhere ${logWhere(part)}`}`;
}

/** A condition: the row of the shadow has this key. */
export function matchShadow(plan: ApplyPlan, row: string, value: (targetName: string) => string): string {
  return plan.match.map(({ shadow }) => equals(shadow, row, value(shadow.column))).join(' and ');
}
