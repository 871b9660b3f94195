/** `verify`: compares the tables of a migration, whether somebody runs it or not. Changes nothing. */
import { advice, toDo } from '../advice.js';
import { Session } from '../db/session.js';
import { ownSettings } from '../db/settings.js';
import { isServerError, isUnknownName } from '../db/sqlstate.js';
import { sleep } from '../db/wait.js';
import { RefusedError } from '../errors.js';
import { createEmitter } from '../run/emitter.js';
import type { EventMap } from '../model/event.js';
import { isEnded, isOver, isSwapped, phaseTable, wayFrom } from '../model/phase.js';
import { displayName, qualified } from '../sql/quote.js';
import { keyLogOf } from '../capture/key-log.js';
import type { KeyLog } from '../model/key-log.js';
import { toldAfterSwap, toldForward, type StreamFacts } from '../stream/stream.js';
import { waysOf, type Way } from '../stream/way.js';
import { runPids } from '../state/fence.js';
import type { MigrationRecord } from '../state/migrations.js';
import { setVerification } from '../state/tables.js';
import { onlyTable } from '../state/only-table.js';
import { nameSuffix } from '../state/schema-sql.js';
import { planOf, targetOf } from '../state/stored-plan.js';
import { whereabouts } from '../state/whereabouts.js';
import { forwardStream } from '../run/apply-facts.js';
import { turnWorks } from '../run/table-works.js';
import { windowsOf } from '../run/windows.js';
import { compareRows } from '../verify/verifier.js';
import { verifySettings } from '../verify/compare-sql.js';
import { elsewhere } from './elsewhere.js';
import { resolveMigration } from '../run/find-table.js';
import { userSignal } from '../run/interrupt.js';
import type { CommonOptions } from '../run/run-options.js';
import { connectingSignal, explained } from './server-errors.js';
import { settingsFrom } from '../settings/given.js';
import type { RunSettings } from '../settings/run-settings.js';
import { differencesFound, verifyPlanOf } from '../run/verify-facts.js';

export interface VerifyReport extends Readonly<EventMap['verify:done']> {
  readonly id: number;
  readonly table: string;
  /** The source before the swap, the old table after it. */
  readonly comparedWith: string;
}

export interface VerifyOptions extends CommonOptions {
  readonly settings?: Partial<Pick<RunSettings, 'workers' | 'chunkTimeMs'>> & {
    readonly mode?: 'full' | 'sample';
  };
}

/** A run that is at work applies the log about that often. */
const applyPauseMs = 1_000;

/**
 * Before the swap the shadow is compared with the source; what is in the change log is left out. After it the new table is
 * compared with the old one; rows that were written since are left out, and rows that were deleted since count as missing.
 *
 * @throws DifferentError `differences`; RefusedError `not-comparable`, `no-such-migration`
 */
export async function verify(options: VerifyOptions, id: number): Promise<VerifyReport> {
  return await explained(options, 'nothing was changed', async () => {
    let before: MigrationRecord | null = null;
    try {
      return await compareTables(options, id, (record) => (before = record));
    } catch (error) {
      if (!isServerError(error) || before === null) throw error;
      // Swapped, finalized, aborted or renamed meanwhile: what is to be compared has other names now, or is gone.
      if (!isUnknownName(error) && !(await isElsewhere(options, before))) throw error;
      return await compareTables(options, id);
    }
  });
}

/** Are its tables others than they were? */
async function isElsewhere(options: VerifyOptions, { id, phase }: MigrationRecord): Promise<boolean> {
  await using session = await Session.open({
    own: true,
    connection: options.connection,
    applicationName: `pg-ghost ${id} verify`,
    ...connectingSignal(options),
  });
  const now = await resolveMigration(session, id);
  return phaseTable[now.phase].beside !== phaseTable[phase].beside;
}

async function compareTables(
  options: VerifyOptions,
  id: number,
  found: (record: MigrationRecord) => void = () => {},
): Promise<VerifyReport> {
  const started = performance.now();
  const { mode = 'full', ...given } = options.settings ?? {};
  const settings = settingsFrom(given);
  const { connection } = options;
  const applicationName = `pg-ghost ${id} verify`;
  await using control = await Session.open({
    own: true,
    connection,
    applicationName,
    ...connectingSignal(options),
  });
  const record = await resolveMigration(control, id);
  found(record);
  if (!phaseTable[record.phase].isComparable) throw notComparable(record);
  const table = onlyTable(record);
  const [migrationPlan, target] = [planOf(record), targetOf(record)];
  if (target === null) throw notComparable(record);
  if (isSwapped(record.phase) && record.swap === null) throw notComparable(record);
  const turned = await turnedStream(control, record);
  const stream = turned ?? (await streamBetween(control, record, waysOf(migrationPlan, target).forward));
  await control.set({ ...migrationPlan.settings, ...ownSettings });
  const plan = await verifyPlanOf(control, stream, turned === null ? record.swap : null);
  if (turned === null && record.swap !== null && migrationPlan.key.needsHelperIndex)
    throw notComparable(record);
  if (stream.log?.lags === true && (await runPids(control, id)).runner === null) throw nobodyReads(id);
  const signal = userSignal(options);
  const emit = createEmitter([options.onEvent]).withId(id);
  const result = await compareRows({
    plan,
    mode,
    crew: {
      wanted: () => settings.workers,
      join: () =>
        Session.open({
          own: true,
          connection,
          applicationName,
          settings: { ...migrationPlan.settings, ...ownSettings, ...verifySettings },
        }),
      leave: (session) => session.close(),
    },
    pieceTimeMs: () => settings.chunkTimeMs,
    rowsExpected: table.rowsCopied,
    caughtUp: () => waitForApply(control, id, stream.log, signal),
    onProgress: (progress) => emit('verify:progress', progress),
    signal,
  });
  const { rows, differences } = result;
  const report = {
    mode,
    rows,
    differences: differences.length,
    leftOut: plan.leftOut,
    seconds: (performance.now() - started) / 1000,
  };
  emit('verify:done', report);
  await setVerification(control, table, { mode, rows, differences: differences.length });
  if (differences.length > 0) throw differencesFound(id, plan, result, stateOf(record));
  return { id, table: displayName(table.table), comparedWith: displayName(plan.from), ...report };
}

/** A row that differs is looked at twice; where nobody applies the log, nothing changes in between. */
async function waitForApply(
  control: Session,
  id: number,
  log: KeyLog | null,
  signal: AbortSignal,
): Promise<void> {
  const { runner } = await runPids(control, id);
  if (runner === null && log !== null) {
    const truncations = qualified(log.truncations);
    const { isThere } = await control.row<{ isThere: boolean }>({
      text: `select to_regclass($1) is not null as "isThere"`,
      values: [truncations],
    });
    const { found } = isThere
      ? await control.row<{ found: boolean }>(`select exists (select from ${truncations}) as found`)
      : { found: false };
    if (found) {
      throw new RefusedError([
        {
          code: 'not-comparable',
          message: `the table was truncated, and nobody runs migration ${id}: the shadow has not followed yet`,
          hint: advice`${toDo('resume', id)}`,
        },
      ]);
    }
  }
  if (runner !== null) await sleep(applyPauseMs, signal);
}

/** Where the writes since the swap are collected: from the table in use to the one that is kept, but for what is in the log. */
async function turnedStream(session: Session, record: MigrationRecord): Promise<StreamFacts | null> {
  if (!isEnded(record.phase) || (await windowsOf(session, record)) === null) return null;
  const { origin } = await whereabouts(session, record);
  if (origin !== 'here') throw elsewhere(record, origin);
  const direction = wayFrom(record.phase);
  const [table] = await turnWorks(session, record, direction);
  return forwardStream(
    { ...table, id: record.id, turn: { direction, isFirst: false } },
    table.waiting ?? table.plan.target,
  );
}

/**
 * Before the swap from the source to the shadow, as the log says; after it from the old table to the new one. Under the names
 * that they have now.
 */
async function streamBetween(session: Session, record: MigrationRecord, way: Way): Promise<StreamFacts> {
  const { origin, tables } = await whereabouts(session, record);
  if (origin !== 'here') throw elsewhere(record, origin);
  const found = onlyTable({ tables });
  const { id, swap } = record;
  const [from, to] = isSwapped(record.phase) ? [found.old, found.table] : [found.table, found.shadow];
  if (from !== null && to !== null) {
    return {
      id,
      way,
      from,
      to,
      log: swap === null ? keyLogOf(nameSuffix(onlyTable(record)), planOf(record)) : null,
      told: swap === null ? toldForward : toldAfterSwap,
    };
  }
  throw new RefusedError([
    {
      code: 'not-comparable',
      message: `a table of migration ${record.id} is not there any more`,
      hint: advice`${toDo('status', record.id)}`,
    },
  ]);
}

function notComparable({ id, phase, swap }: MigrationRecord): RefusedError {
  const why = isOver(phase)
    ? `migration ${id} is ${phase}: there is only one table left`
    : isSwapped(phase) && swap === null
      ? `an early version of pg-ghost swapped the tables of migration ${id}, and did not record which rows were written since`
      : isSwapped(phase)
        ? `the new table has no unique index over the key by which its rows are found`
        : `migration ${id} is in phase ${phase}: the shadow is not complete yet`;
  return new RefusedError([{ code: 'not-comparable', message: why, hint: advice`${toDo('status', id)}` }]);
}

function nobodyReads(id: number): RefusedError {
  return new RefusedError([
    {
      code: 'not-comparable',
      message: `nobody runs migration ${id}: what was written since is in its slot, and cannot be told from a difference`,
      hint: advice`${toDo('resume', id)}`,
    },
  ]);
}

function stateOf({ id, phase }: MigrationRecord): string {
  return isEnded(phase)
    ? 'the tables are swapped; rows that were deleted since the swap count as missing'
    : `nothing was changed; the source is untouched, and migration ${id} keeps its state (phase ${phase})`;
}
