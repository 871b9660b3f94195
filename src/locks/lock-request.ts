/** What is asked for: relations in order, each with its mode, and the limits of the asking. */
import type { LockTry } from './ladder.js';
import type { LockMode } from '../model/lock-mode.js';

/** Another relation whose lock the same try takes. */
export type LockStep =
  | { readonly kind: 'table'; readonly oid: number; readonly table: string; readonly mode: LockMode }
  /** A statement that takes the lock, where LOCK TABLE cannot: on a view it would take its tables along. */
  | {
      readonly kind: 'statement';
      readonly oid: number;
      readonly statement: string;
      /** For people. */
      readonly table?: string;
      /** ACCESS EXCLUSIVE unless said otherwise. */
      readonly mode?: LockMode;
    }
  /**
   * The work takes this lock by itself, where nothing can take it before: LOCK TABLE knows no materialized views. Known so
   * that who is in the way is found, and what it cost is counted.
   */
  | { readonly kind: 'implicit'; readonly oid: number; readonly table: string; readonly mode: LockMode };

export interface LockRequest {
  /** For people, in the ledger: `the swap`. */
  readonly what?: string;
  /** Quoted, qualified. */
  readonly table: string;
  /** For looking up who is in the way. */
  readonly tableOid: number;
  readonly mode: LockMode;
  /** Others, in order, before and after the table. */
  readonly before?: readonly LockStep[];
  readonly after?: readonly LockStep[];
}

/** The budget of a hold, unless said otherwise. */
export const defaultMaxHoldMs = 500;

/** What bounds the asking, and what it may cost others. */
export interface AskLimits {
  readonly lockTimeoutMs: number;
  readonly deadlineMs: number;
  /**
   * No try while a transaction as old as this holds what we would wait for: it will hardly end within one try, so all that
   * a try would do is to make others wait.
   */
  readonly oldTransactionMs?: number;
  /** Blocked backends x milliseconds that one try may cost while it waits for its lock. */
  readonly harmPerTryMs?: number;
  /** The same for all tries together, with their holds. */
  readonly harmPerRunMs?: number;
}

export interface LockLimits extends AskLimits {
  /** From the lock to the commit. */
  readonly maxHoldMs: number;
}

/** One lock of the set. */
export interface Lock {
  readonly oid: number;
  /** For people. */
  readonly table: string;
  readonly mode: LockMode;
  readonly implicit: boolean;
}

/** In the order in which they are taken; `only` for the main table of a request, as its children keep their own locks. */
export function stepsOf({ table, tableOid, mode, before = [], after = [] }: LockRequest): LockStep[] {
  return [...before, { kind: 'table', oid: tableOid, table: `only ${table}`, mode }, ...after];
}

export function lockOf(step: LockStep): Lock {
  const { oid, kind, mode = 'ACCESS EXCLUSIVE', table = `relation ${oid}` } = step;
  return { oid, table: table.replace(/^only /, ''), mode, implicit: kind === 'implicit' };
}

/** In ms of the server's clock; between two of them passes the time that was waited for the lock between them. */
const clock = `select extract(epoch from clock_timestamp())::float8 * 1000 as clock`;

/** Takes the locks one after the other, with the server's time around each. What has no NOWAIT waits for a millisecond. */
export function lockStatements(steps: readonly LockStep[], { lockTimeoutMs }: LockTry): string[] {
  const nowait = lockTimeoutMs === null;
  const each = steps.flatMap((step): string[] => {
    switch (step.kind) {
      case 'table':
        return [
          `lock table ${step.table} in ${step.mode.toLowerCase()} mode${nowait ? ' nowait' : ''}`,
          clock,
        ];
      case 'statement':
        return nowait
          ? [`set local lock_timeout = '1ms'`, step.statement, `set local lock_timeout = 0`, clock]
          : [step.statement, clock];
      case 'implicit':
        return [clock];
    }
  });
  return [clock, ...each];
}

/** The times that `lockStatements` brought home: one more than there are locks. */
export function clockReadings(
  results: readonly { readonly rows: readonly Record<string, unknown>[] }[],
): number[] {
  return results.flatMap(({ rows }) => rows.flatMap((row) => ('clock' in row ? [Number(row['clock'])] : [])));
}
