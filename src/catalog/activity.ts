/**
 * Who is in the way, or could be: sessions and prepared transactions, never the text of their SQL.
 *
 * A role without `pg_read_all_stats` (part of `pg_monitor`) sees of other roles' sessions only that they are there,
 * their user and application, and the locks they hold: type, state and times are then null or `unknown`.
 */
import type { Session } from '../db/session.js';
import { isPrepared, preparedTransactionPid, type Blocker } from '../model/blocker.js';
import { heldModeOf } from '../model/lock-mode.js';
import { frozen } from './freeze.js';

/** Locks with their holders. A prepared transaction's locks have no pid; its lock on its own transaction id tells which. */
const holdersSql = `
  select
    coalesce(l.pid, ${preparedTransactionPid}) as pid,
    case when l.pid is null then 'prepared transaction' else coalesce(a.backend_type, 'unknown') end
      as "backendType",
    coalesce(a.usename::text, p.owner::text) as "user",
    coalesce(nullif(a.application_name, ''), p.gid) as application,
    a.state,
    extract(epoch from clock_timestamp() - coalesce(a.xact_start, p.prepared))::float8 as "transactionSeconds",
    array_agg(distinct l.mode order by l.mode) as "lockModes"
  from pg_locks as l
  left join pg_stat_activity as a on a.pid = l.pid
  left join pg_locks as own
    on l.pid is null
    and own.pid is null
    and own.virtualtransaction = l.virtualtransaction
    and own.locktype = 'transactionid'
    and own.granted
  left join pg_prepared_xacts as p on p.transaction = own.transactionid
  where l.granted
    and l.pid is distinct from pg_backend_pid()`;

const oldestFirst = `
  group by l.pid, l.virtualtransaction, a.backend_type, a.usename, a.application_name, a.state, a.xact_start,
    p.owner, p.gid, p.prepared
  order by "transactionSeconds" desc nulls last, 1`;

/** Who holds locks on the table now, other than this session; prepared transactions have pid 0. */
export async function holdersOf(session: Session, tableOid: number): Promise<Blocker[]> {
  const rows = await session.rows<BlockerRow>({
    text: `${holdersSql}
      and l.locktype = 'relation'
      and l.database = (select oid from pg_database where datname = current_database())
      and l.relation = $1
    ${oldestFirst}`,
    values: [tableOid],
  });
  return rows.map((row) => frozen(withPlainModes(row)));
}

/** Who blocks a backend that waits for a lock (`pg_blocking_pids`), with the locks they hold on what it waits for. */
export async function blockersOf(session: Session, pid: number): Promise<Blocker[]> {
  const rows = await session.rows<BlockerRow>({
    text: `${holdersSql}
      and coalesce(l.pid, ${preparedTransactionPid}) = any (pg_blocking_pids($1))
      and exists (
        select
        from pg_locks as w
        where w.pid = $1
          and not w.granted
          and row(w.locktype, w.database, w.relation, w.page, w.tuple, w.transactionid, w.virtualxid, w.classid, w.objid)
            is not distinct from
            row(l.locktype, l.database, l.relation, l.page, l.tuple, l.transactionid, l.virtualxid, l.classid, l.objid)
      )
    ${oldestFirst}`,
    values: [pid],
  });
  return rows.map((row) => frozen(withPlainModes(row)));
}

/** Transactions of any database that have an id, and are older. */
export async function writingSince(session: Session, seconds: number): Promise<Blocker[]> {
  const rows = await session.rows<BlockerRow>({
    text: `${holdersSql}
      and l.locktype = 'transactionid'
      and l.mode = 'ExclusiveLock'
      and coalesce(a.xact_start, p.prepared) < clock_timestamp() - $1 * interval '1 second'
    ${oldestFirst}`,
    values: [seconds],
  });
  return rows.map((row) => frozen({ ...withPlainModes({ ...row, lockModes: [] }) }));
}

/**
 * What could make a lock on the table wait: whoever holds one now, and every transaction of this database that is
 * older than the given age (it may touch the table next, and holds back old row versions).
 */
export async function readObstacles(
  session: Session,
  tableOid: number,
  { olderThanSeconds }: { readonly olderThanSeconds: number },
): Promise<Blocker[]> {
  const holders = await holdersOf(session, tableOid);
  const identity = ({ pid, application }: Blocker): string =>
    isPrepared({ pid }) ? `gid ${application}` : `pid ${pid}`;
  const known = new Set(holders.map(identity));
  const old = await session.rows<Blocker>({ text: oldTransactionsSql, values: [olderThanSeconds] });
  return frozen([...holders, ...old.filter((each) => !known.has(identity(each)))]);
}

const oldTransactionsSql = `
  select
    a.pid,
    coalesce(a.backend_type, 'unknown') as "backendType",
    a.usename::text as "user",
    nullif(a.application_name, '') as application,
    a.state,
    extract(epoch from clock_timestamp() - a.xact_start)::float8 as "transactionSeconds",
    array[]::text[] as "lockModes"
  from pg_stat_activity as a
  where a.datname = current_database()
    and a.pid <> pg_backend_pid()
    and a.xact_start < clock_timestamp() - $1 * interval '1 second'
  union all
  select
    ${preparedTransactionPid}, 'prepared transaction', p.owner::text, p.gid, null,
    extract(epoch from clock_timestamp() - p.prepared)::float8, array[]::text[]
  from pg_prepared_xacts as p
  where p.database = current_database()
    and p.prepared < clock_timestamp() - $1 * interval '1 second'
  order by "transactionSeconds" desc nulls last, 1`;

/** As the server calls the modes. */
type BlockerRow = Omit<Blocker, 'lockModes'> & { readonly lockModes: readonly string[] };

function withPlainModes<Row extends BlockerRow>(
  row: Row,
): Omit<Row, 'lockModes'> & Pick<Blocker, 'lockModes'> {
  return { ...row, lockModes: row.lockModes.map(heldModeOf) };
}

/** One transaction's locks on one relation, with what decides whether it gives way or can be made to. */
export interface LockHolder extends Blocker {
  /** Of the relation. */
  readonly oid: number;
  /** Tells a session's transactions apart; visible to every role, as their times are not. */
  readonly transaction: string;
  /** An autovacuum worker that does not give way. False also where its query may not be seen. */
  readonly wraparound: boolean;
  /** Of a parallel worker: the session that it works for. */
  readonly leaderPid: number | null;
  /** May this session cancel and terminate it? `superuser`: only one of those may. */
  readonly signal: 'allowed' | 'superuser' | 'no-right';
}

/**
 * Who holds locks on the relations, other than the given sessions (`own`); as `holdersOf`, for several relations at once.
 *
 * https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADMIN-SIGNAL says who may signal whom; a process
 * without a role counts as a superuser's, except for `pg_signal_autovacuum_worker` (18).
 */
export async function lockHolders(
  session: Session,
  relations: readonly number[],
  own: readonly number[],
): Promise<LockHolder[]> {
  const rows = await session.rows<Omit<LockHolder, 'lockModes'> & BlockerRow>({
    text: lockHoldersSql,
    values: [[...relations], [...own]],
  });
  return rows.map((row) => frozen(withPlainModes(row)));
}

const lockHoldersSql = `
  with locks as materialized (
    select pid, virtualtransaction, locktype, database, relation, transactionid, mode
    from pg_locks
    where granted
  ),
  held as (
    select pid, virtualtransaction, relation, array_agg(distinct mode order by mode) as modes
    from locks
    where locktype = 'relation'
      and database = (select oid from pg_database where datname = current_database())
      and relation = any ($1::oid[])
      and (pid is null or pid <> all ($2::int[]))
    group by pid, virtualtransaction, relation
  ),
  me as (
    select
      coalesce(bool_or(rolsuper) filter (where rolname = current_user), false) as superuser,
      coalesce(bool_or(pg_has_role(oid, 'usage')) filter (where rolname = 'pg_signal_backend'), false) as backends,
      coalesce(bool_or(pg_has_role(oid, 'usage')) filter (where rolname = 'pg_signal_autovacuum_worker'), false)
        as autovacuum
    from pg_roles
    where rolname in (current_user, 'pg_signal_backend', 'pg_signal_autovacuum_worker')
  )
  select
    coalesce(h.pid, ${preparedTransactionPid}) as pid,
    case when h.pid is null then 'prepared transaction' else coalesce(a.backend_type, 'unknown') end
      as "backendType",
    coalesce(a.usename::text, p.owner::text) as "user",
    coalesce(nullif(a.application_name, ''), p.gid) as application,
    a.state,
    extract(epoch from clock_timestamp() - coalesce(a.xact_start, p.prepared))::float8 as "transactionSeconds",
    h.modes as "lockModes",
    h.relation as oid,
    h.virtualtransaction as transaction,
    coalesce(a.backend_type = 'autovacuum worker' and a.query like '%(to prevent wraparound)', false)
      as wraparound,
    a.leader_pid as "leaderPid",
    case
      when me.superuser or (a.backend_type = 'autovacuum worker' and me.autovacuum) then 'allowed'
      when coalesce(r.rolsuper, true) then 'superuser'
      when me.backends or pg_has_role(a.usesysid, 'usage') then 'allowed'
      else 'no-right'
    end as signal
  from held as h
  cross join me
  left join pg_stat_activity as a on a.pid = h.pid
  left join pg_roles as r on r.oid = a.usesysid
  left join locks as own
    on h.pid is null
    and own.pid is null
    and own.virtualtransaction = h.virtualtransaction
    and own.locktype = 'transactionid'
  left join pg_prepared_xacts as p on p.transaction = own.transactionid
  order by "transactionSeconds" desc nulls last, 1, 8`;
