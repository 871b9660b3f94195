/**
 * A log that nobody reads for long has each key about once: a write looks whether its key is there already. Whoever applies takes
 * entries out, and a write that has seen one would be lost with it: so before anything is applied writes stop looking, and every
 * transaction that may have looked is waited for.
 */
import { holdersOf } from '../catalog/activity.js';
import type { Session } from '../db/session.js';
import { sleep } from '../db/wait.js';
import { CutoverNotObtainedError } from '../errors.js';
import { blockerLines } from '../locks/describe-blockers.js';
import { displayName, literal } from '../sql/quote.js';
import type { RunContext, TableContext } from './context.js';

const pauseMs = 100;
const tellEveryMs = 2_000;
/** For what was applied last, to be over on the server. */
const endedMs = 5_000;

/** @throws CutoverNotObtainedError `open-transactions` after the deadline */
export async function stopLooking(context: TableContext): Promise<void> {
  const { capture, control, plan, settings, emit, signal } = context;
  const { looks } = capture;
  if (looks === null) return;
  await capture.keeper.restore(control);
  await control.transaction(() => control.batch([...looks.always()]));
  const writers = await writersOf(control, plan.source.oid);
  const started = performance.now();
  let toldMs = started;
  while (await areThere(control, plan.source.oid, writers)) {
    signal.throwIfAborted();
    const waitedMs = performance.now() - started;
    if (waitedMs > settings.cutoverDeadlineMs) throw await notEnded(context, waitedMs);
    if (performance.now() - toldMs > tellEveryMs) {
      toldMs = performance.now();
      emit('lock:missed', {
        what: 'the change log',
        attempt: 1,
        waitedMs,
        why: 'old-transaction',
        reason: 'it waits for transactions that have written to the table',
        tried: true,
        blockers: await holdersOf(control, plan.source.oid),
        nextTryMs: pauseMs,
      });
    }
    await sleep(pauseMs, signal);
  }
}

/**
 * When a turn has ended before its swap: nobody applies any more. In a session of the run, so that whoever has taken it over meanwhile
 * is not disturbed. What fails here only makes the log longer.
 */
export async function lookAgain({ id, sessions, tables }: RunContext): Promise<void> {
  const looking = tables.flatMap(({ capture }) => (capture.looks === null ? [] : [capture]));
  if (looking.length === 0) return;
  await sessions.use('afterwards', async (session) => {
    const until = performance.now() + endedMs;
    while (await isApplying(session, id)) {
      if (performance.now() > until) return;
      await sleep(pauseMs);
    }
    for (const { looks, keeper } of looking) {
      await keeper.restore(session);
      await session.transaction(async () => {
        // Of now, when all that was taken out is committed.
        const { since } = await session.row<{ since: string }>(`select pg_current_xact_id()::text as since`);
        await session.batch([...(looks?.once(since) ?? [])]);
      });
    }
  });
}

async function isApplying(session: Session, id: number): Promise<boolean> {
  const applicationName = `pg-ghost ${id} apply`;
  const { found } = await session.row<{ found: boolean }>({
    text: `select exists (
      select from pg_stat_activity where datname = current_database() and application_name = $1
    ) as found`,
    values: [applicationName],
  });
  return found;
}

/** With prepared ones: what they have seen counts when they commit. Who only reads has not looked, and will not. */
const writersSql = (table: number): string => `
  select virtualtransaction
  from pg_locks
  where locktype = 'relation'
    and database = (select oid from pg_database where datname = current_database())
    and relation = ${table}
    and granted
    and mode not in ('AccessShareLock', 'RowShareLock', 'ShareUpdateExclusiveLock')
    and pid is distinct from pg_backend_pid()`;

async function writersOf(session: Session, table: number): Promise<string[]> {
  const rows = await session.rows<{ virtualtransaction: string }>(writersSql(table));
  return [...new Set(rows.map(({ virtualtransaction }) => virtualtransaction))];
}

async function areThere(session: Session, table: number, writers: readonly string[]): Promise<boolean> {
  if (writers.length === 0) return false;
  const rows = await session.rows(
    `${writersSql(table)} and virtualtransaction in (${writers.map(literal).join(', ')}) limit 1`,
  );
  return rows.length > 0;
}

async function notEnded({ control, plan }: TableContext, waitedMs: number): Promise<CutoverNotObtainedError> {
  const blockers = await holdersOf(control, plan.source.oid);
  return new CutoverNotObtainedError(
    'open-transactions',
    `transactions that have written to ${displayName(plan.table)} were not over after ${Math.round(waitedMs / 1000)} s${blockerLines(blockers)}`,
    { details: { blockers } },
  );
}
