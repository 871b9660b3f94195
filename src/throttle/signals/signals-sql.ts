/** Queries of the signals. LSNs travel as bytes since 0/0. */
import { sql, type SqlQuery } from '../../sql/quote.js';
import { mayReadStatsSql } from './rights.js';

export interface CurrentLsnRow {
  readonly lsn: string;
}

export function currentLsnSql(): SqlQuery {
  return { text: `select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::text as lsn` };
}

export interface StreamingRow {
  readonly currentLsn: string;
  /** null: there is no replica. */
  readonly replica: string | null;
  /** A role without rights sees only that it is there. */
  readonly hidden: boolean;
  readonly replayLsn: string | null;
  /** As the server measured it when the replica last sent a message. */
  readonly lagMs: number | null;
}

/**
 * Physical replicas that stream from here, at least one row. Not a base backup (another state), not pg_receivewal (replays
 * nothing), not a logical subscriber (has a logical slot). Those of one name are taken together: the worst counts.
 */
export function streamingReplicasSql(): SqlQuery {
  return {
    text: sql`
      with here as materialized (
        select pg_current_wal_lsn() as lsn
      ), replicas as (
        select
          case
            when r.application_name in ('', 'walreceiver')
              then 'the replica at ' || coalesce(host(r.client_addr), 'this host')
            else r.application_name
          end as replica,
          r.state is null as hidden,
          r.replay_lsn,
          r.replay_lag
        from pg_stat_replication as r
        where (r.state is null or r.state in ('catchup', 'streaming') and r.replay_lsn is not null)
          and not exists (
            select
            from pg_replication_slots as s
            where s.active_pid = r.pid
              and s.slot_type = 'logical'
          )
      )
      select
        pg_wal_lsn_diff(here.lsn, '0/0')::text as "currentLsn",
        replica,
        coalesce(bool_or(hidden), false) as hidden,
        pg_wal_lsn_diff(min(replay_lsn), '0/0')::text as "replayLsn",
        (extract(epoch from max(replay_lag)) * 1000)::float8 as "lagMs"
      from here
      left join replicas on true
      group by here.lsn, replica
      order by replica`,
  };
}

export interface ReplayRow {
  readonly inRecovery: boolean;
  readonly replayLsn: string | null;
  /** When the last transaction that was replayed committed: seconds since 1970 by the primary's clock. */
  readonly lastCommitEpoch: number | null;
}

/** Asked at the replica. */
export function replaySql(): SqlQuery {
  return {
    text: sql`
      select
        pg_is_in_recovery() as "inRecovery",
        pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::text as "replayLsn",
        extract(epoch from pg_last_xact_replay_timestamp())::float8 as "lastCommitEpoch"`,
  };
}

export interface PrimaryRow extends CurrentLsnRow {
  readonly epoch: number;
}

/** Where the primary is, and its clock: seconds since 1970. */
export function primarySql(): SqlQuery {
  return {
    text: sql`
      select
        pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::text as lsn,
        extract(epoch from clock_timestamp())::float8 as epoch`,
  };
}

export interface ActiveRow {
  readonly visible: boolean;
  readonly active: number;
}

/** @param ownApplications what the application_name of our sessions starts with */
export function activeBackendsSql(ownApplications: string): SqlQuery {
  return {
    text: sql`
      select
        ${mayReadStatsSql} as visible,
        count(*)::int as active
      from pg_stat_activity
      where backend_type = 'client backend'
        and state in ('active', 'fastpath function call')
        and pid <> pg_backend_pid()
        and not starts_with(application_name, $1)`,
    values: [ownApplications],
  };
}

/** Whoever waits is visible to all, and so is an application_name: this needs no rights. */
export function lockWaitersSql(tables: readonly number[], ownApplications: string): SqlQuery {
  return {
    text: sql`
      select count(distinct l.pid)::int as waiters
      from pg_locks as l
      left join pg_stat_activity as a on a.pid = l.pid
      where not l.granted
        and l.locktype = 'relation'
        and l.database = (select oid from pg_database where datname = current_database())
        and l.relation = any ($1::oid[])
        and l.pid <> pg_backend_pid()
        and not starts_with(coalesce(a.application_name, ''), $2)`,
    values: [tables, ownApplications],
  };
}

export interface RetainedRow {
  readonly holder: string;
  readonly bytes: number;
}

/**
 * WAL that cannot be removed, by who keeps it: every slot but ours, and the archiver where archiving is on.
 *
 * The archiver's backlog runs from the segment after the last one archived to the one being written; while nothing was
 * archived since the statistics began, from the one that failed. A file's name is timeline, upper half and segment within
 * it, in hexadecimal digits; the upper half counts 4 GB. https://www.postgresql.org/docs/current/wal-internals.html
 */
export function retainedWalSql(ownSlots: readonly string[]): SqlQuery {
  return {
    text: sql`
      with here as materialized (
        select
          pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') as lsn,
          pg_size_bytes(current_setting('wal_segment_size')) as segment
      ), archived as (
        select
          ${segmentStartSql('last_archived_wal')} + here.segment as done,
          ${segmentStartSql('last_failed_wal')} as failed
        from pg_stat_archiver, here
        where current_setting('archive_mode') <> 'off'
      )
      select
        'slot ' || s.slot_name as holder,
        greatest(here.lsn - pg_wal_lsn_diff(s.restart_lsn, '0/0'), 0)::float8 as bytes
      from pg_replication_slots as s, here
      where s.restart_lsn is not null
        and s.wal_status is distinct from 'lost'
        and s.slot_name <> all ($1::name[])
      union all
      select
        'the archiver',
        greatest(here.lsn - here.lsn % here.segment - coalesce(archived.done, archived.failed, here.lsn), 0)::float8
      from archived, here
      order by holder`,
    values: [ownSlots],
  };
}

/** Null where the name is not that of a segment: a history file, or nothing. */
function segmentStartSql(name: string): string {
  const digits = (from: number): string => `('x' || substr(${name}, ${from}, 8))::bit(32)::bigint::numeric`;
  return `case when ${name} ~ '^[0-9A-F]{24}' then ${digits(9)} * 4294967296 + ${digits(17)} * here.segment end`;
}

export interface AutovacuumRow {
  readonly table: string;
  readonly visible: boolean;
  readonly workers: number;
}

/** One row a table. VACUUM and ANALYZE take the same lock; of a TOAST table, by itself. */
export function autovacuumSql(tables: readonly number[]): SqlQuery {
  return {
    text: sql`
      select
        format('%I.%I', n.nspname, c.relname) as table,
        ${mayReadStatsSql} as visible,
        (
          select count(distinct a.pid)::int
          from pg_stat_activity as a
          join pg_locks as l on l.pid = a.pid
          where a.backend_type = 'autovacuum worker'
            and l.locktype = 'relation'
            and l.mode = 'ShareUpdateExclusiveLock'
            and l.granted
            and l.database = (select oid from pg_database where datname = current_database())
            and l.relation in (c.oid, c.reltoastrelid)
        ) as workers
      from pg_class as c
      join pg_namespace as n on n.oid = c.relnamespace
      where c.oid = any ($1::oid[])
      order by c.oid`,
    values: [tables],
  };
}

export interface XidAgeRow {
  readonly subject: string;
  readonly age: number;
}

/** Of this database and of the tables with their TOAST tables. A partitioned table has no rows, and no age. */
export function xidAgeSql(tables: readonly number[]): SqlQuery {
  return {
    text: sql`
      select 'database ' || datname as subject, age(datfrozenxid) as age
      from pg_database
      where datname = current_database()
      union all
      select
        format('%I.%I', n.nspname, c.relname),
        greatest(age(c.relfrozenxid), age(t.relfrozenxid))
      from pg_class as c
      join pg_namespace as n on n.oid = c.relnamespace
      left join pg_class as t on t.oid = c.reltoastrelid
      where c.oid = any ($1::oid[])
        and c.relfrozenxid <> '0'::xid`,
    values: [tables],
  };
}
