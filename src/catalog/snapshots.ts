/**
 * Who holds a snapshot, and since when: https://www.postgresql.org/docs/current/monitoring-stats.html (backend_xmin).
 *
 * Everybody in this database counts who could still read any table under it: clients, background workers (scheduled jobs),
 * a walsender that copies a table for a subscription. These do not, since they never can:
 *
 * - sessions of other databases; prepared transactions, which have no snapshot; replication slots; a walsender that streams;
 *   parallel workers, whose leader has the same snapshot; autovacuum;
 * - VACUUM, ANALYZE, CREATE INDEX, REINDEX and CLUSTER that somebody runs on another table, where they end with their
 *   transaction and run nobody's functions. (On the table itself they hold a lock, and are waited for by that.) PostgreSQL
 *   itself does not wait for a CREATE INDEX CONCURRENTLY without expressions either (`PROC_IN_SAFE_IC`).
 *
 * A standby's snapshots are not known here: its feedback says how old the oldest is, and neither whose nor in which database.
 */
import type { Session } from '../db/session.js';
import { maintenanceOf, type Maintenance } from '../sql/maintenance.js';
import { sql } from '../sql/quote.js';
import type { Blocker } from '../model/blocker.js';
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

interface HolderRow extends SnapshotHolder {
  /** Never leaves this file. */
  readonly query: string;
  /** The transaction began with this very statement, so it ends with it, unless there is a block around it. */
  readonly began: boolean;
}

const holdersSql = sql`
  select
    pid,
    concat_ws(' ', pid, xact_start, backend_xmin) as key,
    coalesce(backend_type, 'unknown') as "backendType",
    usename::text as user,
    nullif(application_name, '') as application,
    state,
    extract(epoch from clock_timestamp() - xact_start)::float8 as "transactionSeconds",
    array['snapshot'] as "lockModes",
    case when state = 'active' then coalesce(query, '') else '' end as query,
    coalesce(xact_start >= query_start, false) as began
  from pg_stat_activity
  where datname = current_database()
    and pid <> pg_backend_pid()
    and backend_xmin is not null
    and backend_type not in ('autovacuum worker', 'autovacuum launcher', 'parallel worker')
    and (backend_type <> 'walsender' or query !~* '^[[:space:]]*start_replication')
    and application_name not like 'pg-ghost %'
  order by xact_start`;

/**
 * Sessions of this database, other than our own, that hold a snapshot now under which they could read any table. One at READ
 * COMMITTED holds one only while a statement runs.
 */
export async function readSnapshots(session: Session): Promise<SnapshotView> {
  const rows = await session.rows<HolderRow>(holdersSql);
  const maintaining = rows.flatMap((row) => {
    const maintenance = maintenanceOf(row.query);
    return maintenance !== null && (maintenance.ownTransaction || row.began)
      ? [{ pid: row.pid, runs: maintenance.runs }]
      : [];
  });
  const harmless = await withoutUserCode(session, maintaining);
  const { unseen } = await session.row<{ unseen: number }>(sql`
    select count(*)::int as unseen
    from pg_stat_activity
    where datname = current_database()
      and pid <> pg_backend_pid()
      and backend_type is null
      and application_name not like 'pg-ghost %'`);
  const holders = rows
    .filter(({ pid }) => !harmless.has(pid))
    .map(({ query: _, began: __, ...holder }): SnapshotHolder => holder);
  return frozen({ holders, unseen });
}

/**
 * Objects whose evaluation runs a function that is neither the server's own nor compiled into an extension: only such a one
 * could read our table. (One called IMMUTABLE must not; but it can.)
 */
const runsUserCodeSql = sql`
  (
    select
      from pg_depend as d
      left join pg_operator as o on d.refclassid = 'pg_operator'::regclass and o.oid = d.refobjid
      left join pg_opclass as c on d.refclassid = 'pg_opclass'::regclass and c.oid = d.refobjid
      left join pg_amproc as m on m.amprocfamily = c.opcfamily
      left join pg_type as t on d.refclassid = 'pg_type'::regclass and t.oid = d.refobjid
      left join pg_proc as p
        on p.oid in (case when d.refclassid = 'pg_proc'::regclass then d.refobjid end, o.oprcode, m.amproc)
      left join pg_language as l on l.oid = p.prolang
      where d.classid = own.classid
        and d.objid = own.objid
        and (l.lanname not in ('internal', 'c') or t.typtype = 'd')
  )`;

/** Of the given sessions, those whose statement cannot run a function of a user. */
async function withoutUserCode(
  session: Session,
  maintaining: readonly { readonly pid: number; readonly runs: Maintenance['runs'] }[],
): Promise<ReadonlySet<number>> {
  const plain = maintaining.filter(({ runs }) => runs === 'none').map(({ pid }) => pid);
  const others = maintaining.filter(({ runs }) => runs !== 'none');
  if (others.length === 0) return new Set(plain);
  const rows = await session.rows<{ pid: number }>({
    text: `
      select asked.pid
      from unnest($1::int[], $2::bool[]) as asked (pid, makes_index)
      where not exists (
        select
        from pg_locks as k
        cross join lateral (
          select 'pg_class'::regclass::oid as classid, i.indexrelid as objid from pg_index as i
          where k.relation in (i.indrelid, i.indexrelid)
          union all
          select 'pg_statistic_ext'::regclass::oid, s.oid from pg_statistic_ext as s where s.stxrelid = k.relation
        ) as own
        where k.pid = asked.pid
          and k.locktype = 'relation'
          and k.database = (select oid from pg_database where datname = current_database())
          and exists ${runsUserCodeSql}
      )
      and (
        not asked.makes_index
        or exists (
          -- Not before it is in the catalog can anybody know what it calls.
          select from pg_stat_progress_create_index as g
          join pg_index as i on i.indexrelid = g.index_relid
          where g.pid = asked.pid
        )
      )`,
    values: [others.map(({ pid }) => pid), others.map(({ runs }) => runs === 'of-a-new-index')],
  });
  return new Set([...plain, ...rows.map(({ pid }) => pid)]);
}
