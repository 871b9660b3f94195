/** Replication slots as the server sees them: how much WAL they keep, and how near their end is. */
import type { Session } from '../db/session.js';
import { sql } from '../sql/quote.js';
import { frozen } from './freeze.js';

export interface SlotFacts {
  readonly name: string;
  /** Slots are the server's; a logical one can be read in its database alone. */
  readonly database: string | null;
  readonly isOfThisDatabase: boolean;
  /** Somebody reads it now. */
  readonly active: boolean;
  /**
   * `reserved`, `extended`: all of it is there. `unreserved`: what it needs may be removed with the next checkpoint. `lost`: it was.
   * https://www.postgresql.org/docs/current/view-pg-replication-slots.html
   */
  readonly walStatus: 'reserved' | 'extended' | 'unreserved' | 'lost' | null;
  /** From 17 on. */
  readonly invalidationReason: string | null;
  /** WAL that the server keeps for it: at least what is not read, and more while a long transaction is open. null: it is lost. */
  readonly retainedBytes: number | null;
  /** WAL that nobody has said to have read. null: it is lost. */
  readonly unreadBytes: number | null;
  /** What may still be written before the server may give it up; below 0 it may at any time. null: the server never does, or has. */
  readonly safeBytes: number | null;
}

/** How much WAL the server is made for. */
export interface WalBounds {
  /** From there on it gives slots up: `max_slot_wal_keep_size`, or `wal_keep_size` where that is more. null: never. */
  readonly keepBytes: number | null;
  readonly maxWalBytes: number;
}

/** @param name a condition on `s.slot_name::text`; its `$1` is `value` */
export async function readSlots(
  session: Session,
  name: string,
  value: string | readonly string[],
): Promise<readonly SlotFacts[]> {
  return frozen(
    await session.rows<SlotFacts>({
      text: sql`
        with here as materialized (
          select case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end as lsn
        )
        select
          s.slot_name::text as name,
          s.database::text as database,
          coalesce(s.database = current_database(), false) as "isOfThisDatabase",
          s.active,
          s.wal_status as "walStatus",
          to_jsonb(s) ->> 'invalidation_reason' as "invalidationReason",
          case when s.restart_lsn is not null
            then greatest(pg_wal_lsn_diff(here.lsn, s.restart_lsn), 0)
          end::float8 as "retainedBytes",
          case when s.restart_lsn is not null
            then greatest(pg_wal_lsn_diff(here.lsn, s.confirmed_flush_lsn), 0)
          end::float8 as "unreadBytes",
          s.safe_wal_size::float8 as "safeBytes"
        from pg_replication_slots as s, here
        where ${name}
        order by s.slot_name`,
      values: [value],
    }),
  );
}

/** Those of these names, wherever they belong. */
export async function readSlotsNamed(
  session: Session,
  names: readonly string[],
): Promise<readonly SlotFacts[]> {
  return await readSlots(session, `s.slot_name::text = any ($1::text[])`, names);
}

export async function readWalBounds(session: Session): Promise<WalBounds> {
  const { keep, walKeep, maxWal } = await session.row<{ keep: number; walKeep: number; maxWal: number }>(sql`
    select
      pg_size_bytes(current_setting('max_slot_wal_keep_size'))::float8 as keep,
      pg_size_bytes(current_setting('wal_keep_size'))::float8 as "walKeep",
      pg_size_bytes(current_setting('max_wal_size'))::float8 as "maxWal"`);
  return { keepBytes: keep < 0 ? null : Math.max(keep, walKeep), maxWalBytes: maxWal };
}
