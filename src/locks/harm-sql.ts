/** What the watcher asks every few milliseconds, so: one read of the lock table, and nothing that grows with the load. */
import type { SqlQuery } from '../sql/quote.js';
import type { Waiter } from './harm.js';

export interface HarmRow {
  /** By the server's clock. */
  readonly nowMs: number;
  /** Backends that wait for a relation's lock behind the session; our own (`pg-ghost ...`) are no application. */
  readonly behind: readonly Waiter[];
  /** The relation's lock that the session itself waits for; the mode as pg_locks has it. */
  readonly wants: { readonly oid: number; readonly mode: string } | null;
  /** Relations that it holds locks on, of those asked for. */
  readonly held: readonly number[];
}

/**
 * `pg_blocking_pids` stops the lock manager for a moment, so it is asked only about backends that wait for a relation's lock:
 * on a healthy database there is none. It also names those who are ahead of a waiter in the queue without holding anything.
 */
export function harmSql(pid: number, relations: readonly number[]): SqlQuery {
  return {
    name: 'pg_ghost_harm',
    text: `
      with locks as materialized (
        select pid, relation, mode, granted, waitstart
        from pg_locks
        where locktype = 'relation'
          and database = (select oid from pg_database where datname = current_database())
          and (not granted or pid = $1)
      )
      select
        extract(epoch from clock_timestamp())::float8 * 1000 as "nowMs",
        (
          select coalesce(json_agg(json_build_object(
            'pid', pid,
            'oid', relation::int8,
            'sinceMs', extract(epoch from waitstart)::float8 * 1000
          )), '[]')
          from locks
          where not granted
            and pid <> $1
            and $1 = any (pg_blocking_pids(pid))
            and not exists (
              select from pg_stat_get_activity(locks.pid) as a where a.application_name ~ '^pg-ghost( |$)'
            )
        ) as behind,
        (
          select json_build_object('oid', relation::int8, 'mode', mode)
          from locks
          where pid = $1 and not granted
        ) as wants,
        (
          select coalesce(json_agg(distinct relation::int8), '[]')
          from locks
          where pid = $1 and granted and relation = any ($2::oid[])
        ) as held`,
    values: [pid, [...relations]],
  };
}

/** Only while it waits for a relation's lock: one that got it in the meantime is not disturbed. */
export function cancelWaitSql(pid: number): SqlQuery {
  return {
    text: `
      select pg_cancel_backend($1)
      where exists (select from pg_locks where pid = $1 and locktype = 'relation' and not granted)`,
    values: [pid],
  };
}

export function cancelSql(pid: number): SqlQuery {
  return { text: `select pg_cancel_backend($1)`, values: [pid] };
}
