/**
 * cutover: the gate, then the swap, tried until it is through or the deadline has passed (invariants 9, 10, 11).
 *
 * A write that the new shape cannot take may arrive at any moment, even for the drain under the lock: that swap is rolled
 * back, and catch-up then names the row.
 */
import { drain, planDrain, prepareDrain } from '../../apply/applier.js';
import type { ApplyPlan } from '../../apply/apply-plan.js';
import { applySettings } from '../../apply/apply-sql.js';
import { dropCaptureTriggerStatements } from '../../capture/triggers/trigger-sql.js';
import type { Fingerprint } from '../../catalog/fingerprint.js';
import { readEventTriggers } from '../../catalog/event-triggers.js';
import { readIntruders } from '../../catalog/intruders.js';
import { withDeparseSettings } from '../../catalog/deparse-settings.js';
import { readReferencesFrom } from '../../catalog/references.js';
import { readTableShape } from '../../catalog/shape.js';
import { findTable } from '../../catalog/table.js';
import type { TableShape } from '../../model/table-shape.js';
import { cutover } from '../../swap/cutover.js';
import { attachDefinitions, detachStatements } from '../../swap/dependents-sql.js';
import { swapStatements } from '../../swap/swap-sql.js';
import { alteredState, refuseAlteredStatement, unlockedSql, type Unlocked } from '../../swap/unlocked-sql.js';
import type { Session } from '../../db/session.js';
import { isRowError, sqlState } from '../../db/sqlstate.js';
import { extraRows } from '../../apply/audit.js';
import {
  CutoverNotObtainedError,
  DifferentError,
  FailedError,
  InterruptedError,
  PgGhostError,
} from '../../errors.js';
import type { MissedTry } from '../../model/event.js';
import type { LockedResult } from '../../locks/locked-transaction.js';
import { autovacuumRestoreStatements, unvalidatedConstraintStatements } from '../../ddl/bare-heap-sql.js';
import { compareBeforeSwap } from '../../ddl/compare-shapes.js';
import { dropHelperIndexStatements, helperIndexName } from '../../ddl/helper-index-sql.js';
import { displayName, qualified } from '../../sql/quote.js';
import type { Answer } from '../../state/commands.js';
import { setHold, swappedSql } from '../../state/migrations.js';
import { Applier } from '../applier.js';
import { expectedTarget, helperIndexFacts, killing, limitsOf, type RunContext } from '../context.js';
import { isOpen } from '../../settings/cutover-window.js';
import { lockSteps } from '../../swap/lock-steps.js';
import { awaitCutover, cutoverPatienceMs, notReady } from '../postponement.js';
import { verifyWith } from './verify.js';
import { awaitOldSnapshots } from '../old-snapshots.js';
import type { Transition } from '../phase-table.js';
import { followSource } from '../follow.js';
import {
  compareDefinitions,
  lookStatement,
  prepareLook,
  recordedCheck,
  SourceAltered,
  toMark,
} from '../source-check.js';
import { checkNewForeignKeys } from '../new-foreign-keys.js';
import { inspectSwapped } from '../inspect-swapped.js';

/** DDL that came before the swap is followed, and the swap tried again: whatever was prepared for it may be another one then. */
export async function swap(context: RunContext): Promise<Transition> {
  const patience = { spentMs: 0 };
  for (;;) {
    try {
      return await swapAsPlanned(context, patience);
    } catch (error) {
      if (!(error instanceof SourceAltered)) throw error;
      await followSource(context, 'complete', error);
    }
  }
}

/** @throws SourceAltered nothing was swapped */
async function swapAsPlanned(context: RunContext, patience: Patience): Promise<Transition> {
  const { control, sessions, id } = context;
  const target = await expectedTarget(context);
  await using applier = await Applier.open(context);
  const apply = applier.plan;
  if (context.balance.value === null) await applier.audit();
  await checkNewForeignKeys(context, applier);
  // The swap's own commit waits for the disk, and for synchronous standbys, like any other.
  const session = await sessions.open('cutover', applySettings);
  try {
    await prepareDrain(session, apply);
    await prepareLook(context, session);
    const work = { session, applier, target, apply, patience };
    const { holdMs } = await swapWhenAllowed(context, work);
    if (context.settings.rehearse) throw rehearsed(context, holdMs);
    context.steering.swap = 'done';
    await context.at('swapped');
    await setHold(control, id, holdMs);
  } finally {
    await sessions.release(session);
  }
  return 'done';
}

/** Rows that were put right by the time that they were looked for; an error of another kind would come for ever. */
const maxRepairedTries = 20;

/** Of the deadline, what tries that ended in front of DDL have used up: it does not begin anew with each. */
interface Patience {
  spentMs: number;
}

interface SwapWork {
  readonly session: Session;
  readonly applier: Applier;
  readonly target: TableShape;
  readonly apply: ApplyPlan;
  readonly patience: Patience;
}

/** Where the window closes before the lock has come, it is tried again in the next one. */
async function swapWhenAllowed(context: RunContext, work: SwapWork): Promise<LockedResult<number>> {
  const { applier } = work;
  for (;;) {
    if (context.settings.rehearse) return await swapOrExplain(context, work, { rehearse: true });
    await awaitCutover(context, {
      applier,
      reverify: () => verifyWith(context, applier),
      rehearse: () => rehearse(context, work),
    });
    try {
      return await swapOrExplain(context, work);
    } catch (error) {
      const { cutoverWindow: window } = context.settings;
      const isClosed = window !== null && !isOpen(window, new Date());
      if (!isClosed || !(error instanceof CutoverNotObtainedError) || context.steering.cutoverWasAskedFor)
        throw error;
      context.emit('warning', { code: error.code, message: error.message });
    }
  }
}

async function rehearse(context: RunContext, work: SwapWork): Promise<Answer> {
  try {
    const { holdMs, attempts, value } = await swapOrExplain(context, work, { rehearse: true });
    return {
      ok: true,
      said: `rehearsed and taken back at try ${attempts}: the lock would be held for ${holdMs.toFixed(1)} ms, ${value} keys drained`,
      details: { holdMs, attempts, drainedKeys: value },
    };
  } catch (error) {
    // The end of the run says nothing about the swap.
    if (!(error instanceof PgGhostError) || error instanceof InterruptedError) throw error;
    return { ok: false, said: `the swap would fail: ${error.message}`, details: error.toJSON() };
  }
}

/** Ends a run that was for the rehearsal alone. */
function rehearsed({ id }: RunContext, holdMs: number): InterruptedError {
  return new InterruptedError(
    'rehearsed',
    `the swap was rehearsed and taken back: the lock would be held for ${holdMs.toFixed(1)} ms`,
    {
      details: { holdMs },
      state: `nothing was swapped; migration ${id} keeps its state`,
      hint: `pg-ghost run --resume ${id} goes on to the swap`,
    },
  );
}

async function swapOrExplain(
  context: RunContext,
  work: SwapWork,
  options: { readonly rehearse?: boolean } = {},
): Promise<LockedResult<number>> {
  for (let tries = 1; ; tries += 1) {
    const started = performance.now();
    try {
      return await swapOnce(context, work, options);
    } catch (thrown) {
      const error =
        sqlState(thrown) === alteredState
          ? new SourceAltered(['a grant or a function was changed under the lock'])
          : thrown;
      if (error instanceof SourceAltered) {
        const waitedMs = performance.now() - started;
        work.patience.spentMs += waitedMs;
        if (work.patience.spentMs > cutoverPatienceMs(context)) throw alteredForTooLong(context, error);
        context.emit('cutover:missed', altered(error, waitedMs));
      }
      if (error instanceof RowsLost) {
        await findLost(work, tries);
        continue;
      }
      if (!isRowError(error) || tries >= maxRepairedTries) throw error;
      // Throws with the row's key, unless the row was put right meanwhile.
      await work.applier.catchUp();
    }
  }
}

/** What the swap makes anew from what was read, and whose grants or text nobody keeps still. */
function unlockedBy({ source, definitions }: RunContext['plan']): Unlocked {
  const { views, functions, rowTypeFunctions } = definitions.source;
  return {
    relations: [
      source.oid,
      ...views.map(({ oid }) => oid),
      ...source.sequences.filter(({ identity }) => identity).map(({ oid }) => oid),
    ],
    functions: [...functions, ...rowTypeFunctions].map(({ oid }) => oid),
  };
}

function altered({ differences }: SourceAltered, waitedMs: number): MissedTry {
  const reason = `the table was altered: ${differences.join('; ')}`;
  return { attempt: 1, waitedMs, why: 'altered', reason, tried: true, blockers: [], nextTryMs: 0 };
}

function alteredForTooLong(
  { id, plan }: RunContext,
  { differences }: SourceAltered,
): CutoverNotObtainedError {
  return new CutoverNotObtainedError(
    'cutover-not-obtained',
    `${displayName(plan.table)} was not swapped: somebody altered it before each try, at last: ${differences.join('; ')}`,
    {
      details: { why: 'altered', differences },
      state: 'the source is untouched and goes on being captured; the run follows when it continues',
      hint: `run the same command again when nobody alters the table; pg-ghost abort ${id} undoes`,
    },
  );
}

/** Under the lock it came out that the shadow has not as many rows as the source: two keys have become one. */
class RowsLost extends Error {
  constructor() {
    super('the tables do not have the same number of rows');
  }
}

/** Throws with the keys of two rows; or brings back what was lost, and then the swap is tried again. */
async function findLost({ applier, apply }: SwapWork, tries: number): Promise<void> {
  if ((await applier.audit()) > 0 && tries < maxRepairedTries) return;
  const extra = await extraRows(applier.session, apply);
  if (extra.length === 0 && tries < maxRepairedTries) return;
  const lines = extra.map((key) => `\n  ${key}: only in ${displayName(apply.shadow)}`);
  throw new DifferentError(
    'differences',
    `${displayName(apply.shadow)} does not have as many rows as ${displayName(apply.source)}${lines.join('')}`,
    {
      details: {
        columns: [],
        differences: extra.map((key) => ({ kind: 'extra', key: [key], source: null, shadow: null })),
      },
      state: `nothing was swapped; the source is untouched, and migration ${apply.id} keeps its state`,
      hint: `pg-ghost abort ${apply.id} undoes the migration`,
    },
  );
}

async function swapOnce(
  context: RunContext,
  { session, applier, target, apply, patience }: SwapWork,
  { rehearse: isRehearsal = false }: { readonly rehearse?: boolean },
): Promise<LockedResult<number>> {
  const { control, id, plan, schemas, emit, signal } = context;
  const source = await recordedCheck(context);
  const shadowOid = await gate(context, target);
  const locks = await lockSteps(control, plan);
  const { definitions } = plan;
  // Nothing comes of a rehearsal that the end of a window could be late for.
  const patienceMs =
    (isRehearsal ? context.settings.cutoverDeadlineMs : cutoverPatienceMs(context)) - patience.spentMs;
  const snapshotsUntil = performance.now() + patienceMs;
  const free = unlockedBy(plan);
  let unlocked = '';
  return cutover({
    id,
    displayTable: displayName(plan.table),
    table: qualified(plan.table),
    tableOid: plan.source.oid,
    session,
    watcher: context.watcher,
    locks,
    limits: { ...limitsOf(context), deadlineMs: patienceMs },
    ready: async () => notReady(context),
    ...killing(context),
    onLock: context.ledger.add,
    rehearse: isRehearsal,
    onTrying: (isTrying) => {
      if (!isRehearsal) context.steering.swap = isTrying ? 'tried' : 'ahead';
    },
    catchUp: async (endBlockers) => {
      await applier.catchUp();
      await awaitOldSnapshots(context, snapshotsUntil, endBlockers);
      await applier.catchUp();
      await planDrain(session, apply);
      await context.at('cutover-ready');
    },
    finish: async () => {
      await context.at('cutover-locked');
      const drained = await drain(session, apply, [unlockedSql(free), lookStatement(context)]);
      const { first, entries } = drained;
      unlocked = String(first[0]?.[0]?.['unlocked']);
      const now = toMark(context, (first[1]?.[0] as Fingerprint | undefined) ?? null);
      await source.check(session, { fileMayMove: true, now });
      if (!applier.isComplete(drained)) throw new RowsLost();
      await context.at('cutover-drained');
      return entries;
    },
    swap: () => [
      refuseAlteredStatement(free, unlocked),
      // Not before the drain: it needs the index, and every change of the shadow makes its plans void.
      ...dropHelperIndexStatements(helperIndexFacts(context)),
      ...autovacuumRestoreStatements(target, schemas.shadow),
      ...swapStatements({
        table: plan.table,
        shadowSchema: schemas.shadow,
        oldSchema: schemas.old,
        source: plan.source,
        target,
        columns: plan.columns,
        serials: plan.serials,
        dropCapture: dropCaptureTriggerStatements({ id, table: plan.table }),
        unvalidated: unvalidatedConstraintStatements(target, schemas.shadow),
        detach: detachStatements({ table: plan.table, ...definitions }),
        attach: attachDefinitions({ table: plan.table, target: definitions.target }),
        markSwapped: swappedSql(id),
      }),
    ],
    ...(await inspecting(context, session, shadowOid, target)),
    emit,
    signal,
  });
}

/** Event triggers fire at the statements of the swap too. Where there are none, nobody else can be in its transaction. */
async function inspecting(
  { control, plan }: RunContext,
  session: Session,
  oid: number,
  target: TableShape,
): Promise<{ readonly inspect?: () => Promise<void> }> {
  if ((await readEventTriggers(control)).length === 0) return {};
  return { inspect: () => inspectSwapped(session, { oid, target, definitions: plan.definitions.target }) };
}

/** Invariant 10: what would be swapped in has every object that it must have, and nothing else. @returns its OID */
async function gate(context: RunContext, target: TableShape): Promise<number> {
  const { control, id, plan, schemas } = context;
  // What the fingerprint does not see (a publication of the whole schema) is seen here.
  await compareDefinitions(control, context);
  const shadow = await findTable(control, { schema: schemas.shadow, name: plan.table.name });
  if (shadow === null) {
    throw new FailedError('shadow-gone', `the shadow of ${displayName(plan.table)} was dropped`, {
      state: 'the source is untouched',
      hint: `pg-ghost abort ${id}, then run again`,
    });
  }
  const differences = compareBeforeSwap(target, await readTableShape(control, shadow.oid), {
    ownIndexes: [helperIndexName(id)],
  });
  const references = await withDeparseSettings(control, () =>
    readReferencesFrom(control, {
      tableOid: plan.source.oid,
      staying: plan.serials.map(({ sequence }) => sequence.oid),
      from: shadow.oid,
    }),
  );
  const texts = [
    ...differences.map(({ text }) => text),
    // Whatever hangs on a table comes in the swap; what is there now is somebody else's.
    ...(await readIntruders(control, { oid: shadow.oid, owner: target.owner })).map(
      ({ what }) => `${what}: not expected`,
    ),
    ...references.map(({ name, to }) => `${name} refers to ${to}, which will be the old table's`),
  ];
  if (texts.length === 0) return shadow.oid;
  throw new FailedError(
    'shadow-incomplete',
    `the shadow of ${displayName(plan.table)} is not what it must be, so it was not swapped in:\n${texts.map((text) => `  ${text}`).join('\n')}`,
    {
      details: { differences: texts },
      state: `the source is untouched; migration ${id} keeps its state`,
      hint: `pg-ghost abort ${id}, then run again`,
    },
  );
}
