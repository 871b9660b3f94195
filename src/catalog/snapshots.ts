/** Who holds a snapshot, and since when: https://www.postgresql.org/docs/current/monitoring-stats.html (backend_xmin). */
import type { Session } from '../db/session.js';
import { sql } from '../sql/quote.js';
import type { Blocker } from '../report/events.js';
import { frozen } from './freeze.js';

export interface SnapshotHolder extends Blocker {
  /** This transaction with this snapshot: another snapshot of the same transaction (READ COMMITTED) has another one. */
  readonly key: string;
}

export interface SnapshotView {
  readonly holders: readonly SnapshotHolder[];
  /** Sessions in this database of which this role may not see it. */
  readonly unseen: number;
}

/**
 * Sessions of this database, other than our own, that hold a snapshot now. One at READ COMMITTED holds one only while a
 * statement runs.
 */
export async function readSnapshots(session: Session): Promise<SnapshotView> {
  const holders = await session.rows<SnapshotHolder>({
    text: sql`
      select
        pid,
        concat_ws(' ', pid, xact_start, backend_xmin) as key,
        coalesce(backend_type, 'unknown') as "backendType",
        usename::text as user,
        nullif(application_name, '') as application,
        state,
        extract(epoch from clock_timestamp() - xact_start)::float8 as "transactionSeconds",
        array['snapshot'] as "lockModes"
      from pg_stat_activity
      where datname = current_database()
        and pid <> pg_backend_pid()
        and backend_type = 'client backend'
        and backend_xmin is not null
        and application_name not like 'pg-ghost %'
      order by xact_start`,
  });
  const { unseen } = await session.row<{ unseen: number }>(sql`
    select count(*)::int as unseen
    from pg_stat_activity
    where datname = current_database()
      and pid <> pg_backend_pid()
      and backend_type is null
      and application_name not like 'pg-ghost %'`);
  return frozen({ holders, unseen });
}
