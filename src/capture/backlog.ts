/** How much of a log is not applied yet. */
import type { Session } from '../db/session.js';
import { literal, qualified, sql, type SqlQuery } from '../sql/quote.js';
import { logTables } from './key-log.js';

/** 0 where somebody has dropped the log. */
export async function readBacklog(session: Session, suffix: string): Promise<number> {
  const { whole } = await session.row<{ whole: boolean }>({
    text: `select bool_and(to_regclass(name) is not null) as whole from unnest($1::text[]) as name`,
    values: [logTables(suffix).parts.map(qualified)],
  });
  if (!whole) return 0;
  const { backlog } = await session.row<{ backlog: number }>(backlogSql(suffix));
  return backlog;
}

/**
 * Entries not applied yet. Counted while a table of the log is small (8 MB are read in a few milliseconds), else what the
 * server's statistics say, which lag by a second and forget rolled back entries late: for people and throttles, not for
 * decisions.
 */
export function backlogSql(suffix: string): SqlQuery {
  const parts = logTables(suffix).parts.map(qualified);
  const counts = parts.map(
    (part) => sql`
      (select case
        when pg_catalog.pg_relation_size(${literal(part)}::regclass) <= 8388608 then (select count(*) from only ${part})
        else greatest(pg_catalog.pg_stat_get_live_tuples(${literal(part)}::regclass), 0)
      end)`,
  );
  return { text: `select (${counts.join(' + ')})::bigint as backlog` };
}
