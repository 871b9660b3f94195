/** What the server and a table have of what logical replication needs. */
import type { Session } from '../db/session.js';
import { frozen } from './freeze.js';

export interface LogicalFacts {
  readonly role: string;
  /** A superuser, REPLICATION, or a role by which a provider gives it. */
  readonly mayReplicate: boolean;
  readonly mayPublish: boolean;
  readonly database: string;
  /** As it is now: 19 and later may change it by themselves. */
  readonly walLevel: string;
  /** The first logical slot makes it `logical`, without a restart. */
  readonly walLevelRises: boolean;
  readonly freeSlots: number;
  readonly maxSlots: number;
  readonly freeSenders: number;
  readonly maxSenders: number;
  /** The letters of pg_class.relreplident. */
  readonly replicaIdentity: 'd' | 'n' | 'f' | 'i';
  /** Of the replica identity; none where it is the whole row, or there is none. */
  readonly identityColumns: readonly string[];
  readonly generatedColumns: readonly string[];
  /** Of the replica identity, and such that they cannot be published with it. */
  readonly generatedIdentity: readonly string[];
}

/** From then on a replica identity of whole rows means the generated columns, too. */
const wholeRowsSince = 180000;

export async function readLogical(session: Session, table: number): Promise<LogicalFacts> {
  return frozen(
    await session.row<LogicalFacts>({
      text: `
        select
          current_user::text as role,
          r.rolsuper or r.rolreplication or exists (
            select from pg_roles as given
            where given.rolname in ('rds_replication', 'rds_superuser') and pg_has_role(given.oid, 'usage')
          ) as "mayReplicate",
          has_database_privilege(current_database(), 'create') as "mayPublish",
          current_database()::text as database,
          coalesce(current_setting('effective_wal_level', true), current_setting('wal_level')) as "walLevel",
          current_setting('server_version_num')::int >= 190000 and current_setting('wal_level') = 'replica' as "walLevelRises",
          current_setting('max_replication_slots')::int as "maxSlots",
          current_setting('max_replication_slots')::int - (select count(*)::int from pg_replication_slots) as "freeSlots",
          current_setting('max_wal_senders')::int as "maxSenders",
          current_setting('max_wal_senders')::int - (select count(*)::int from pg_stat_replication) as "freeSenders",
          c.relreplident as "replicaIdentity",
          array(
            select a.attname::text
            from pg_index as i
            join pg_attribute as a on a.attrelid = c.oid and a.attnum = any (i.indkey)
            where i.indexrelid = pg_get_replica_identity_index(c.oid)
            order by a.attnum
          ) as "identityColumns",
          array(
            select a.attname::text from pg_attribute as a
            where a.attrelid = c.oid and a.attgenerated <> '' and not a.attisdropped
          ) as "generatedColumns",
          array(
            select a.attname::text from pg_attribute as a
            left join pg_index as i on i.indexrelid = pg_get_replica_identity_index(c.oid)
            where a.attrelid = c.oid and a.attgenerated <> '' and not a.attisdropped
              and (a.attnum = any (i.indkey)
                or c.relreplident = 'f' and current_setting('server_version_num')::int >= ${wholeRowsSince})
            order by a.attnum
          ) as "generatedIdentity"
        from pg_roles as r
        cross join pg_class as c
        where r.rolname = current_user and c.oid = $1`,
      values: [table],
    }),
  );
}
