/**
 * A capture that has lost entries (a replication slot that is gone, or whose WAL was removed), as a run finds it at the beginning of an
 * attempt. The log has a gap then, and nothing says where. So either
 *
 * - all rows are compared, and what differs is brought over like what was written (`closeGap`, before catch-up): where both tables are
 *   there whole, and a comparison sees every difference; or
 * - the migration begins anew, from `prepare`. Before there are indexes no more than a copy is lost with it; and rows that were copied
 *   twice, whose keys the log lacks, could not be told apart.
 *
 * That one of the two is due is on record before anything is done about the slot, and until it is done: whoever dies in between
 * leaves it to the next run.
 */
import { advice, toDo } from '../advice.js';
import { CaptureLost, type Renewal } from '../capture/capture.js';
import { writingSince } from '../catalog/activity.js';
import { isConnectionLost, isServerError, isTransient, messageOf } from '../db/sqlstate.js';
import { sleep } from '../db/wait.js';
import { FailedError, PgGhostError } from '../errors.js';
import { CommitOutcomeUnknown } from '../locks/commit-outcome.js';
import { blockerLines } from '../locks/describe-blockers.js';
import type { EventMap } from '../model/event.js';
import { phaseTable, phaseStoredBy, type Phase } from '../model/phase.js';
import { displayName } from '../sql/quote.js';
import { findTableRecord, setPhase } from '../state/migrations.js';
import { compareRows } from '../verify/verifier.js';
import { unseenDifferences } from '../verify/unseen.js';
import { verifySettings } from '../verify/compare-sql.js';
import { relaxedCommit } from '../db/settings.js';
import { applyPlan } from '../apply/apply-plan.js';
import { followTruncation } from '../apply/batch.js';
import { forwardStream } from './apply-facts.js';
import { expectedTarget, type RunContext, type TableContext } from './context.js';
import { followSource } from './follow-source.js';
import { whileCompacting } from './log-minder.js';
import { runCrew, throttled } from './run-crew.js';
import { slotWork } from './slot-wait.js';
import { recordedCheck, SourceAltered } from './source-check.js';
import { verifyPlanOf } from './verify-facts.js';

/** When, over all attempts of a run. */
export type Losses = number[];

/** What ends a slot that often ends the next one, too. */
const maxLosses = 5;
const withinMs = 3_600_000;

interface Lost {
  readonly table: TableContext;
  readonly renewal: Renewal;
}

/** Capture is on by the state. */
function isCapturing(phase: Phase): boolean {
  return phaseTable[phase].beside === 'shadow';
}

async function lostOf({ tables, control }: RunContext): Promise<Lost[]> {
  const lost: Lost[] = [];
  for (const table of tables) {
    const { renewal } = table.capture;
    if (renewal !== null && (await renewal.isLost(control))) lost.push({ table, renewal });
  }
  return lost;
}

/** What has ended an attempt: the loss, where there is one, and not what came of it. */
export async function asLoss(context: RunContext, phase: Phase, error: unknown): Promise<unknown> {
  // What became of a swap is a question of its own.
  if (error instanceof PgGhostError || error instanceof CommitOutcomeUnknown) return error;
  if (context.control.lost.aborted || !isCapturing(phase)) return error;
  const [lost] = await lostOf(context).catch(() => []);
  return lost === undefined ? error : new CaptureLost(messageOf(error), { cause: error });
}

/**
 * Nobody reads or applies the logs meanwhile.
 *
 * @returns the phase to go on with
 * @throws FailedError `slot-lost` when it is lost all the time, or cannot be made anew
 */
export async function renewLost(context: RunContext, phase: Phase, losses: Losses): Promise<Phase> {
  if (!isCapturing(phase)) return phase;
  const lost = await lostOf(context);
  if (lost.length === 0) return phase;
  const now = performance.now();
  losses.push(now);
  if (losses.filter((atMs) => now - atMs < withinMs).length > maxLosses) throw lostAllTheTime(context);
  const unseen = phaseTable[phase].isComparable
    ? await unseenIn(lost)
    : ['the copy and its indexes are not complete'];
  tell(context, lost, unseen);
  if (unseen.length > 0) return await beginAnew(context);
  for (const { renewal } of lost) await renewal.recordGap(context.control);
  await context.at('gap-recorded');
  for (const each of lost) await renew(context, each);
  return phase;
}

async function unseenIn(lost: readonly Lost[]): Promise<string[]> {
  const unseen: string[] = [];
  for (const { table } of lost) {
    const stream = forwardStream(table, await expectedTarget(table));
    unseen.push(
      ...unseenDifferences(await verifyPlanOf(table.control, stream), stream.way),
      // The row under the former spelling of a key would stay.
      ...(applyPlan(stream).equalKeysMayPart ? ['equal keys may become different ones'] : []),
    );
  }
  return unseen;
}

function tell({ emit }: RunContext, lost: readonly Lost[], unseen: readonly string[]): void {
  const names = lost.map(({ table }) => displayName(table.plan.table)).join(', ');
  const what = `what was written to ${names} since is not known: the replication slot was dropped, or the server has removed WAL that it needed`;
  const cost =
    unseen.length === 0
      ? 'a new slot is made, every row is compared, and what differs is written anew'
      : `the migration begins anew, with a new slot, and copies again (${unseen.join('; ')})`;
  emit('warning', {
    code: 'slot-lost',
    message: `${what}; ${cost}`,
    hint: 'max_slot_wal_keep_size and idle_replication_slot_timeout end slots',
  });
}

/** What prepare undoes first is all of it; its phase is the record that this is due. */
async function beginAnew(context: RunContext): Promise<Phase> {
  const { control, id, emit } = context;
  const phase = phaseStoredBy('insert');
  await setPhase(control, id, phase);
  emit('copy:restarted', { why: 'the replication slot was lost' });
  await context.at('begun-anew');
  return phase;
}

async function renew(context: RunContext, { table, renewal }: Lost): Promise<void> {
  try {
    await context.sessions.use('slot', (session) =>
      renewal.renew(slotWork(table, session), () => context.at('slot-dropped')),
    );
  } catch (error) {
    throw notRenewed(context, error);
  }
  await context.at('slot-renewed');
}

/** Of the migration, which goes on when it is run again. */
function kept({ id }: RunContext): { readonly state: string } {
  return {
    state: `the source is untouched; migration ${id} keeps its state, and that every row is to be compared`,
  };
}

function notRenewed(context: RunContext, error: unknown): unknown {
  const { id } = context;
  const hint = advice`run the same command again when it can be made, or ${toDo('abort', id)}`;
  if (error instanceof FailedError)
    return new FailedError(error.code, error.message, {
      details: error.details,
      ...kept(context),
      hint,
      cause: error,
    });
  if (!isServerError(error) || isConnectionLost(error) || isTransient(error) || context.signal.aborted)
    return error;
  return new FailedError(
    'slot-lost',
    `the slot of migration ${id} is lost, and a new one cannot be made: ${error.message}`,
    { ...kept(context), hint, cause: error },
  );
}

function lostAllTheTime(context: RunContext): FailedError {
  const { id } = context;
  return new FailedError(
    'slot-lost',
    `the slot of migration ${id} was lost ${maxLosses + 1} times within an hour`,
    {
      ...kept(context),
      hint: advice`see what ends it (max_slot_wal_keep_size, idle_replication_slot_timeout, somebody), then run the same command again; or ${toDo('abort', id)}`,
    },
  );
}

/**
 * Where entries are missing: compares all rows, whatever the settings say of the verification, and puts the keys of those that differ
 * into the log. Everything that was missed was committed before the new slot, and is seen by each of these snapshots; what was
 * committed after it has an entry.
 *
 * Nothing is applied before that is done: a row that is out of date and has no entry may hold a unique value that another one needs
 * (invariant 5). A TRUNCATE is followed, since those who compare would not see that it takes rows which are right.
 *
 * @throws CaptureLost the migration stands at its beginning: there is a row that cannot be compared
 */
export async function closeGap(context: TableContext): Promise<void> {
  const { control, capture, plan, emit, at, signal } = context;
  const { renewal } = capture;
  if (renewal === null || !(await renewal.hasGap(control))) return;
  const started = performance.now();
  await followAltered(context);
  await awaitVisible(context);
  await capture.upTo('verify', signal);
  const { rows, requeued } = await whileCompacting([context], () => requeueDifferences(context));
  await at('rows-requeued');
  await renewal.recordWhole(control);
  await at('gap-closed');
  const seconds = Math.ceil((performance.now() - started) / 1000);
  emit('warning', {
    code: 'rows-compared',
    message: `after the loss of the replication slot all rows of ${displayName(plan.table)} were compared (${rows}, in ${seconds} s): ${requeued} differed, and are written anew`,
  });
}

/** What cannot be followed is told by its name, and not by what a comparison fails with. */
async function followAltered(context: TableContext): Promise<void> {
  for (;;) {
    try {
      return await (await recordedCheck(context)).check(context.control, { fileMayMove: true });
    } catch (error) {
      if (!(error instanceof SourceAltered)) throw error;
      await followSource(context, 'complete', error);
    }
  }
}

async function requeueDifferences(
  context: TableContext,
): Promise<{ readonly rows: number; readonly requeued: number }> {
  const { control, sessions, emit, at, signal } = context;
  const stream = forwardStream(context, await expectedTarget(context));
  const apply = applyPlan(stream);
  const options = {
    plan: await verifyPlanOf(control, stream),
    mode: 'full',
    requeues: true,
    crew: runCrew(context, 'verify', { settings: { ...relaxedCommit, ...verifySettings } }),
    pieceTimeMs: () => context.settings.chunkTimeMs,
    rowsExpected: (await findTableRecord(control, context))?.rowsCopied ?? null,
    ...throttled(context),
    onProgress: (progress: EventMap['verify:progress']) => emit('verify:progress', progress),
    at,
    signal,
  } as const;
  try {
    return await sessions.use('apply', async (session) => {
      // Several workers may ask at the same time.
      let last = Promise.resolve();
      const caughtUp = (): Promise<void> => (last = last.then(() => followTruncation(session, apply)));
      return await compareRows({ ...options, caughtUp });
    });
  } catch (error) {
    if (!(error instanceof FailedError) || error.code !== 'row-not-comparable') throw error;
    emit('warning', {
      code: 'slot-lost',
      message: `the migration begins anew, and copies again: ${error.message}`,
    });
    await beginAnew(context);
    throw new CaptureLost(error.message, { cause: error });
  }
}

const pauseMs = 50;
const tellEveryMs = 2_000;

/**
 * A commit is in the WAL before it is visible, for as long as a synchronous standby takes: one that is too early for the new slot may
 * still be hidden from a comparison. Returns when all that is under way now is over.
 *
 * @throws FailedError `slot-lost` with those that were waited for
 */
async function awaitVisible(context: TableContext): Promise<void> {
  const { id, control, watcher, settings, signal } = context;
  const { next } = await control.row<{ next: string }>(
    `select pg_snapshot_xmax(pg_current_snapshot())::text as next`,
  );
  const { onWaiting } = slotWork(context, control);
  const started = performance.now();
  for (let toldMs = 0; ; await sleep(pauseMs, signal)) {
    const { over } = await control.row<{ over: boolean }>({
      text: `select pg_snapshot_xmin(pg_current_snapshot()) >= $1::xid8 as over`,
      values: [next],
    });
    if (over) return;
    const waitedMs = performance.now() - started;
    if (waitedMs - toldMs < tellEveryMs && waitedMs < settings.cutoverDeadlineMs) continue;
    toldMs = waitedMs;
    const blockers = await writingSince(watcher, waitedMs / 1000);
    if (waitedMs < settings.cutoverDeadlineMs) {
      onWaiting(blockers, waitedMs);
      continue;
    }
    throw new FailedError(
      'slot-lost',
      `the slot of migration ${id} was lost, and the rows cannot be compared before the transactions end that were under way when the new one was made${blockerLines(blockers)}`,
      {
        details: { blockers },
        ...kept(context),
        hint: advice`run the same command again when they are over, or with a longer --cutover-deadline`,
      },
    );
  }
}
