/** Which server this is: a standby that was promoted, or a restored backup, is another one, whatever its address. */
import type { Session } from '../db/session.js';
import { sql } from '../sql/quote.js';

/** What a failover changes: https://www.postgresql.org/docs/current/continuous-archiving.html#BACKUP-TIMELINES */
export interface ServerIdentity {
  readonly systemIdentifier: string;
  readonly timeline: number;
  /** A copy made with CREATE DATABASE ... TEMPLATE has another one; not known of what earlier versions have begun. */
  readonly databaseOid?: number;
}

/**
 * The timeline is the one that WAL is written on now; the last checkpoint's may be the one from before a promotion.
 * https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-PG-CONTROL-SYSTEM
 *
 * @throws ServerError 55000 while the server is in recovery
 */
export async function readServerIdentity(session: Session): Promise<ServerIdentity> {
  return await session.row<ServerIdentity>(sql`
    select
      system_identifier::text as "systemIdentifier",
      ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int as timeline,
      (select oid from pg_database where datname = current_database()) as "databaseOid"
    from pg_control_system()`);
}

export function isSameServer(one: ServerIdentity, other: ServerIdentity): boolean {
  return isSameDatabase(one, other) && one.timeline === other.timeline;
}

/** Everything but the timeline, which a standby does not know of itself. */
export type Home = Omit<ServerIdentity, 'timeline'>;

export async function readHome(session: Session): Promise<Home> {
  return await session.row<Home>(sql`
    select
      system_identifier::text as "systemIdentifier",
      (select oid from pg_database where datname = current_database()) as "databaseOid"
    from pg_control_system()`);
}

export function isSameDatabase(one: Home, other: Home): boolean {
  return (
    one.systemIdentifier === other.systemIdentifier &&
    (one.databaseOid ?? other.databaseOid) === (other.databaseOid ?? one.databaseOid)
  );
}
