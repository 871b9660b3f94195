/**
 * What follows the swap and needs no strong lock on the table: foreign keys are validated, materialized views refreshed. What
 * is left to do is read from the catalog, so it can be called again at any time.
 */
import { holdersOf } from '../catalog/activity.js';
import { jittered, sleep } from '../db/wait.js';
import type { Session } from '../db/session.js';
import { SqlState, isServerError, sqlState, type ServerError } from '../db/sqlstate.js';
import { validateForeignKey } from '../ddl/foreign-key-sql.js';
import { refreshView } from '../ddl/view-sql.js';
import { FailedError } from '../errors.js';
import { lockTry } from '../locks/ladder.js';
import { toValidate } from '../plan/definitions/to-validate.js';
import type { Plan } from '../plan/types.js';
import type { Emit } from '../report/events.js';
import { displayName, qualified } from '../sql/quote.js';

export interface AfterSwapWork {
  readonly session: Session;
  readonly plan: Pick<Plan, 'definitions'>;
  readonly lockTimeoutMs: number;
  readonly deadlineMs: number;
  readonly emit: Emit;
  readonly signal?: AbortSignal;
}

/**
 * @throws FailedError `foreign-key-violated` when rows violate a foreign key that was valid by the catalog: it stays NOT
 *   VALID; `lock-not-obtained` after the deadline
 */
export async function completeSwap(work: AfterSwapWork): Promise<void> {
  const { session } = work;
  for (const each of await pending(work)) {
    try {
      await withLockTries(work, each);
    } catch (error) {
      if (!isServerError(error)) throw error;
      throw notCompleted(error, each);
    }
    if (each.refresh !== null) await session.execute(`analyze ${each.refresh}`);
  }
}

interface Pending {
  readonly what: string;
  /** The relation whose lock it needs. */
  readonly oid: number;
  readonly statement: string;
  /** The materialized view, quoted. */
  readonly refresh: string | null;
}

async function pending({ session, plan }: AfterSwapWork): Promise<Pending[]> {
  if (plan.definitions === null) return [];
  const { target } = plan.definitions;
  const result: Pending[] = [];
  for (const key of toValidate(target)) {
    const [found] = await session.rows<{ oid: number }>({
      text: `
        select conrelid as oid from pg_constraint
        where conrelid = to_regclass($1) and conname = $2 and contype = 'f' and not convalidated`,
      values: [qualified(key.table), key.name],
    });
    if (found === undefined) continue;
    const what = `foreign key ${key.name} of ${displayName(key.table)}`;
    result.push({ what, oid: found.oid, statement: validateForeignKey(key), refresh: null });
  }
  for (const view of target.views.filter(({ materialized, populated }) => materialized && populated)) {
    const name = qualified(view.name);
    const [found] = await session.rows<{ oid: number }>({
      text: `select oid from pg_class where oid = to_regclass($1) and relkind = 'm' and not relispopulated`,
      values: [name],
    });
    if (found === undefined) continue;
    const what = `materialized view ${displayName(view.name)}`;
    result.push({ what, oid: found.oid, statement: refreshView(view), refresh: name });
  }
  return result;
}

/** The locks keep out no reader and no writer, but whoever waits for one makes others wait behind. */
async function withLockTries(work: AfterSwapWork, { what, statement, oid }: Pending): Promise<void> {
  const { session, lockTimeoutMs, deadlineMs, signal, emit } = work;
  const started = performance.now();
  for (let attempt = 1; ; attempt += 1) {
    signal?.throwIfAborted();
    const step = lockTry(attempt, lockTimeoutMs);
    try {
      await session.transaction(async () => {
        await session.batch([
          `set local lock_timeout = '${step.lockTimeoutMs ?? 1}ms'`,
          `set local statement_timeout = 0`,
        ]);
        await session.execute(statement);
      });
      return;
    } catch (error) {
      const state = sqlState(error);
      if (state !== SqlState.lockNotAvailable && state !== SqlState.deadlockDetected) throw error;
      if (performance.now() - started > deadlineMs) throw error;
      emit('lock:missed', { what, attempt, blockers: await holdersOf(session, oid) });
      await sleep(jittered(step.pauseMs), signal);
    }
  }
}

function notCompleted(error: ServerError, { what, statement }: Pending): FailedError {
  const violated = sqlState(error) === SqlState.foreignKeyViolation;
  return new FailedError(
    violated ? 'foreign-key-violated' : 'swap-not-completed',
    violated
      ? `${what} could not be validated: rows violate it, and did before the migration: ${error.message}`
      : `${what}: ${error.message}`,
    {
      state: 'the tables are swapped and the new one is in use; this part of the work is left to do',
      hint: violated
        ? `new rows are checked; correct the old ones, then run the same command again, or: ${statement}`
        : `run the same command again, or by hand: ${statement}`,
      details: { statement },
      cause: error,
    },
  );
}
