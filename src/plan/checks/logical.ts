/** What stands against capture from the WAL, each with what makes it possible. Pure. */
import type { LogicalFacts } from '../../catalog/logical.js';
import type { Refusal } from '../../errors.js';
import type { CopyPlan } from '../../model/plan.js';
import { displayName, ident, qualified } from '../../sql/quote.js';

type LogicalPlan = Pick<CopyPlan, 'table' | 'key'> & {
  readonly source: Pick<CopyPlan['source'], 'unlogged'>;
};

export function checkLogical(facts: LogicalFacts, { table, key, source }: LogicalPlan): Refusal[] {
  return [...checkServer(facts), ...checkRole(facts), ...checkTable(facts, { table, key, source })];
}

export interface AskedCapture {
  /** `auto`: from the WAL, where nothing stands against it. */
  readonly capture: 'triggers' | 'logical' | 'auto';
  readonly failoverSlot: boolean;
}

/** From 17 on. https://www.postgresql.org/docs/current/logicaldecoding-explanation.html#LOGICALDECODING-REPLICATION-SLOTS-SYNCHRONIZATION */
const failoverSlotsSince = 170000;

/** For a slot that standbys are to take over. */
export function checkFailoverSlot(serverVersion: number, { capture, failoverSlot }: AskedCapture): Refusal[] {
  if (!failoverSlot) return [];
  if (capture === 'triggers') {
    return [
      {
        code: 'failover-slot',
        message: '--failover-slot is for --capture logical: triggers need no slot',
        hint: 'leave out --failover-slot, or give --capture logical',
      },
    ];
  }
  if (serverVersion >= failoverSlotsSince) return [];
  return [
    {
      code: 'failover-slot',
      message: `PostgreSQL ${Math.floor(serverVersion / 10_000)} has no failover slots; 17 and later have`,
      hint: 'leave out --failover-slot',
    },
  ];
}

function checkServer({
  walLevel,
  walLevelRises,
  freeSlots,
  maxSlots,
  freeSenders,
  maxSenders,
}: LogicalFacts): Refusal[] {
  const full = (setting: string, max: number): string =>
    `all ${max} of ${setting} are in use: raise it (needs a restart), or drop what nobody needs`;
  return [
    ...(walLevel === 'logical' || walLevelRises
      ? []
      : [
          {
            code: 'wal-level',
            message: `wal_level is ${walLevel}: the WAL does not say which rows were written`,
            hint: `ALTER SYSTEM SET wal_level = 'logical', then restart the server; on RDS and Aurora the parameter rds.logical_replication, on Cloud SQL the flag cloudsql.logical_decoding, on Azure the parameter wal_level; or --capture triggers`,
          },
        ]),
    ...(freeSlots > 0
      ? []
      : [
          {
            code: 'no-free-slot',
            message: 'there is no free replication slot',
            hint: full('max_replication_slots', maxSlots),
          },
        ]),
    ...(freeSenders > 0
      ? []
      : [
          {
            code: 'no-free-sender',
            message: 'there is no free WAL sender',
            hint: full('max_wal_senders', maxSenders),
          },
        ]),
  ];
}

function checkRole({ role, mayReplicate, mayPublish, database }: LogicalFacts): Refusal[] {
  return [
    ...(mayReplicate
      ? []
      : [
          {
            code: 'replication-right',
            message: `role ${role} may not use replication slots`,
            hint: `ALTER ROLE ${ident(role)} REPLICATION; on RDS and Aurora GRANT rds_replication TO ${ident(role)}; or --capture triggers`,
          },
        ]),
    ...(mayPublish
      ? []
      : [
          {
            code: 'publish-right',
            message: `role ${role} may not create publications in database ${database}`,
            hint: `GRANT CREATE ON DATABASE ${ident(database)} TO ${ident(role)}; or --capture triggers`,
          },
        ]),
  ];
}

function checkTable(
  { replicaIdentity, identityColumns, generatedColumns, generatedIdentity }: LogicalFacts,
  { table, key, source }: LogicalPlan,
): Refusal[] {
  const names = key.columns.map(({ name }) => name);
  const missing = replicaIdentity === 'f' ? [] : names.filter((name) => !identityColumns.includes(name));
  const generated = names.filter((name) => generatedColumns.includes(name));
  return [
    ...(source.unlogged
      ? [
          {
            code: 'unlogged-table',
            message: `${displayName(table)} is unlogged: its rows are not in the WAL`,
            hint: '--capture triggers',
          },
        ]
      : []),
    ...(missing.length === 0
      ? []
      : [
          {
            code: 'replica-identity',
            message:
              identityColumns.length === 0
                ? `${displayName(table)} has no replica identity: published, its UPDATE and DELETE would fail`
                : `the replica identity of ${displayName(table)} (${identityColumns.join(', ')}) does not have all of the key ${key.index} (${names.join(', ')})`,
            hint: `ALTER TABLE ${qualified(table)} REPLICA IDENTITY USING INDEX ${ident(key.index)}; it counts for other publications of the table, too; or --capture triggers`,
          },
        ]),
    ...(generated.length === 0
      ? []
      : [
          {
            code: 'generated-key',
            message: `generated columns are not published: ${generated.join(', ')} of the key ${key.index}`,
            hint: '--capture triggers',
          },
        ]),
    ...(generatedIdentity.length === 0
      ? []
      : [
          {
            code: 'generated-identity',
            message: `the replica identity of ${displayName(table)} has generated columns (${generatedIdentity.join(', ')}): published, its UPDATE and DELETE would fail, or it cannot be`,
            hint: `ALTER TABLE ${qualified(table)} REPLICA IDENTITY USING INDEX ${ident(key.index)}; it counts for other publications of the table, too; or --capture triggers`,
          },
        ]),
    ...(key.mayCollide === true
      ? [
          {
            code: 'keys-counted',
            message:
              'different keys may become equal by the change: rows are counted then, which only triggers do',
            hint: '--capture triggers',
          },
        ]
      : []),
  ];
}
