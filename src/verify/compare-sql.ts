/**
 * SQL of the comparison. Each statement compares one piece of both tables in one snapshot, and leaves out in that same
 * snapshot what the log has: a write and its entry commit together, and so do the entry's end and the row of `to`. So a busy
 * table gives no false alarm, and whatever differs is a difference.
 *
 * Pieces are compared under the user's settings, for the expressions in them: whatever is ours has its schema.
 *
 * Nested parts are not indented: the user's expressions are in them, and may have string literals of several lines.
 */
import { fragment, toQuery } from '../sql/fragment.js';
import { qualified, type SqlQuery } from '../sql/quote.js';
import { equals } from '../stream/key-match.js';
import { truncatedSql } from './left-out-sql.js';
import type { Piece } from './piece.js';
import { fromRows, hashesDiffer, lookedUp, matchName, toRows, type RowPart } from './rows-sql.js';
import type { VerifyPlan } from './verify-plan.js';

/** For sessions that verify: several of them share the work, and statistics must not make a piece a scan of all. */
export const verifySettings: Readonly<Record<string, string>> = {
  jit: 'off',
  max_parallel_workers_per_gather: '0',
  enable_seqscan: 'off',
  enable_tidscan: 'on',
};

export interface Digest {
  /** `from` was truncated, and `to` has not followed yet: nothing can be compared. */
  readonly truncated: boolean;
  readonly fromRows: number;
  readonly toRows: number;
  /** Rows that differ, or something that shows that some do. */
  readonly same: boolean;
}

/** `missing`: in `from` alone. `extra`: in `to` alone. */
export interface DifferentRow {
  readonly kind: 'missing' | 'extra' | 'different';
  /** Of the key of `to`, as text. */
  readonly key: readonly string[];
  /** As text, in the order of `VerifyPlan.compared`; null where there is no row. */
  readonly from: readonly (string | null)[] | null;
  readonly to: readonly (string | null)[] | null;
}

/** Before the snapshot: TRUNCATE, which snapshots do not see, is then either over or waits. */
export function lockSql({ from, to, log }: VerifyPlan): string {
  const tables = [from, to, ...(log?.parts ?? [])];
  return `lock table ${tables.map((table) => `only ${qualified(table)}`).join(', ')} in access share mode`;
}

export function digestSql(plan: VerifyPlan, piece: Piece): SqlQuery {
  const truncated = `${truncatedSql(plan)} as truncated`;
  if (piece.kind === 'range') {
    const digest = 'pg_catalog.count(*) as rows, coalesce(pg_catalog.sum(hash), 0) as hash';
    return toQuery(fragment`
      select ${truncated}, s.rows as "fromRows", t.rows as "toRows", s.rows OPERATOR(pg_catalog.=) t.rows and s.hash OPERATOR(pg_catalog.=) t.hash as same
      from (
      select ${digest} from (
      ${fromRows(plan, piece, ['hash'])}
      ) as s
      ) as s
      cross join (
      select ${digest} from (
      ${toRows(plan, piece, ['hash'])}
      ) as t
      ) as t`);
  }
  const [rows, none] = piece.kind === 'from blocks' ? ['"fromRows"', '"toRows"'] : ['"toRows"', '"fromRows"'];
  return toQuery(fragment`
    select ${truncated}, pg_catalog.count(*) as ${rows}, 0 as ${none}, coalesce(not pg_catalog.bool_or(differs), true) as same
    from (
    ${lookedUp(plan, piece)}
    ) as looked`);
}

/** The rows that differ in a piece, by key; `limit` at most. */
export function differencesSql(plan: VerifyPlan, piece: Piece, limit: number): SqlQuery {
  if (piece.kind !== 'range') {
    return toQuery(fragment`
      select kind, key, "from", "to"
      from (
      ${lookedUp(plan, piece)}
      ) as looked
      where differs
      order by key
      limit ${limit}`);
  }
  const parts: readonly RowPart[] = ['key', 'hash', 'values', 'match'];
  const on = plan.match.map(({ to }, index) =>
    equals({ ...to, column: matchName(index) }, 't', `s.${matchName(index)}`),
  );
  return toQuery(fragment`
    select
      case when s.key is null then 'extra' when t.key is null then 'missing' else 'different' end as kind,
      coalesce(s.key, t.key) as key, s.values as "from", t.values as "to"
    from (
    ${fromRows(plan, piece, parts)}
    ) as s
    full join (
    ${toRows(plan, piece, parts)}
    ) as t on ${on.join(' and ')}
    where ${hashesDiffer}
    order by 2
    limit ${limit}`);
}
