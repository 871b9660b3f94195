/**
 * What follows the swap and needs no strong lock on the table: foreign keys are validated, materialized views refreshed. What
 * is left to do is read from the catalog, so it can be called again at any time.
 */
import type { Session } from '../db/session.js';
import { SqlState, isServerError, sqlState, type ServerError } from '../db/sqlstate.js';
import { validateForeignKey } from '../ddl/foreign-key-sql.js';
import { refreshView } from '../ddl/view-sql.js';
import { FailedError } from '../errors.js';
import { missedTry, notObtainedDetails, notObtainedText } from '../locks/describe-miss.js';
import type { LedgerEntry } from '../locks/ledger.js';
import { lockThenRun } from '../locks/lock-then-run.js';
import { LockNotObtained } from '../locks/locked-transaction.js';
import type { LockStep } from '../locks/request.js';
import { toValidate } from '../plan/definitions/to-validate.js';
import type { Plan } from '../plan/types.js';
import type { Emit } from '../report/events.js';
import { displayName, qualified } from '../sql/quote.js';
import { defaultRunSettings } from './types.js';

export interface AfterSwapWork {
  readonly session: Session;
  readonly plan: Pick<Plan, 'definitions'>;
  readonly lockTimeoutMs: number;
  readonly deadlineMs: number;
  readonly watcher?: Session;
  readonly onLock?: (entry: LedgerEntry) => void;
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
      await runLocked(work, each);
    } catch (error) {
      if (error instanceof LockNotObtained) throw notObtained(error, each);
      if (!isServerError(error)) throw error;
      throw notCompleted(error, each);
    }
    if (each.refresh !== null) await session.execute(`analyze ${each.refresh}`);
  }
}

interface Pending {
  readonly what: string;
  /** What the statement locks, in order. */
  readonly locks: readonly LockStep[];
  readonly statement: string;
  /** The materialized view, quoted. */
  readonly refresh: string | null;
}

async function pending({ session, plan }: AfterSwapWork): Promise<Pending[]> {
  if (plan.definitions === null) return [];
  const { target } = plan.definitions;
  const result: Pending[] = [];
  for (const key of toValidate(target)) {
    const [found] = await session.rows<{ oid: number; references: number; lockable: boolean }>({
      text: `
        select conrelid as oid, confrelid as references,
          has_table_privilege(confrelid, 'update, delete, truncate') as lockable
        from pg_constraint
        where conrelid = to_regclass($1) and conname = $2 and contype = 'f' and not convalidated`,
      values: [qualified(key.table), key.name],
    });
    if (found === undefined) continue;
    const what = `validating foreign key ${key.name} of ${displayName(key.table)}`;
    const locks: LockStep[] = [
      { kind: 'table', oid: found.oid, table: qualified(key.table), mode: 'SHARE UPDATE EXCLUSIVE' },
      {
        kind: found.lockable ? 'table' : 'implicit',
        oid: found.references,
        table: qualified(key.references),
        mode: 'ROW SHARE',
      },
    ];
    result.push({ what, locks, statement: validateForeignKey(key), refresh: null });
  }
  for (const view of target.views.filter(({ materialized, populated }) => materialized && populated)) {
    const name = qualified(view.name);
    const [found] = await session.rows<{ oid: number }>({
      text: `select oid from pg_class where oid = to_regclass($1) and relkind = 'm' and not relispopulated`,
      values: [name],
    });
    if (found === undefined) continue;
    const what = `refreshing materialized view ${displayName(view.name)}`;
    const locks: LockStep[] = [{ kind: 'implicit', oid: found.oid, table: name, mode: 'ACCESS EXCLUSIVE' }];
    result.push({ what, locks, statement: refreshView(view), refresh: name });
  }
  return result;
}

/** The locks keep out no reader and no writer, but whoever waits for one makes others wait behind. */
async function runLocked(work: AfterSwapWork, { what, statement, locks }: Pending): Promise<void> {
  const { session, watcher, lockTimeoutMs, deadlineMs, signal, emit, onLock } = work;
  const { harmPerTryMs, harmPerRunMs } = defaultRunSettings;
  await lockThenRun({
    session,
    what,
    locks,
    limits: { lockTimeoutMs, deadlineMs, harmPerTryMs, harmPerRunMs },
    run: () => session.execute(statement),
    onMiss: (miss) => emit('lock:missed', { what, ...missedTry(miss) }),
    ...(watcher === undefined ? {} : { watcher }),
    ...(onLock === undefined ? {} : { onLock }),
    ...(signal === undefined ? {} : { signal }),
  });
}

function notObtained(error: LockNotObtained, { what, statement }: Pending): FailedError {
  return new FailedError('lock-not-obtained', `${what}: ${notObtainedText(error)}`, {
    state: 'the tables are swapped and the new one is in use; this part of the work is left to do',
    hint: `run the same command again, or by hand: ${statement}`,
    details: { statement, ...notObtainedDetails(error) },
  });
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
