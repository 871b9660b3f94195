/** The server and what this role is on it. */
import type { Session } from '../db/session.js';
import type { PinnedSettings } from '../model/plan.js';
import { frozen } from './freeze.js';

export interface ServerFacts {
  /** `server_version_num`: 180004. */
  readonly version: number;
  /** `18.4 (Debian ...)`. */
  readonly versionText: string;
  readonly inRecovery: boolean;
  readonly database: string;
  readonly role: string;
  readonly superuser: boolean;
  /** Superusers, and roles with BYPASSRLS. */
  readonly bypassesRowSecurity: boolean;
  /** May read the activity of other roles' sessions in full (`pg_read_all_stats`, part of `pg_monitor`). */
  readonly seesAllActivity: boolean;
  readonly settings: {
    readonly walLevel: string;
    readonly deadlockTimeoutMs: number;
    readonly maxPreparedTransactions: number;
    /** True when a commit waits for a standby: that wait is inside the hold. */
    readonly synchronousStandbys: boolean;
    readonly sessionReplicationRole: string;
  };
}

export async function readServer(session: Session): Promise<ServerFacts> {
  return frozen(
    await session.row<ServerFacts>(`
      select
        current_setting('server_version_num')::int as version,
        current_setting('server_version') as "versionText",
        pg_is_in_recovery() as "inRecovery",
        current_database()::text as database,
        current_user::text as role,
        r.rolsuper as superuser,
        r.rolsuper or r.rolbypassrls as "bypassesRowSecurity",
        pg_has_role('pg_read_all_stats', 'usage') as "seesAllActivity",
        json_build_object(
          'walLevel', current_setting('wal_level'),
          'deadlockTimeoutMs', (select setting::int from pg_settings where name = 'deadlock_timeout'),
          'maxPreparedTransactions', current_setting('max_prepared_transactions')::int,
          'synchronousStandbys', current_setting('synchronous_standby_names') <> '',
          'sessionReplicationRole', current_setting('session_replication_role')
        ) as settings
      from pg_roles as r
      where r.rolname = current_user`),
  );
}

/**
 * Settings on which the value of an expression or a cast can depend: recorded when the migration is created, and set in
 * every session of it (invariant 13).
 */
const valueSettings = [
  'search_path',
  'TimeZone',
  'timezone_abbreviations',
  'DateStyle',
  'IntervalStyle',
  'extra_float_digits',
  'bytea_output',
  'xmlbinary',
  'xmloption',
  'array_nulls',
  'transform_null_equals',
  'default_text_search_config',
  'lc_monetary',
  'lc_numeric',
  'lc_time',
] as const;

/** As this session has them; where they are ours, as it would have them without. */
export async function readPinnedSettings(session: Session): Promise<PinnedSettings> {
  const rows = await session.asUser(() =>
    session.rows<{ name: string; value: string }>({
      text: `
        select name, pg_catalog.current_setting(name) as value
        from pg_catalog.pg_settings
        where name operator(pg_catalog.=) any ($1)
        order by name`,
      values: [valueSettings],
    }),
  );
  return frozen(Object.fromEntries(rows.map(({ name, value }) => [name, value])));
}
