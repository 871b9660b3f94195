/** verify: is every row of the shadow what the change makes of the source's row (invariant 10)? Apply goes on meanwhile. */
import { relaxedCommit } from '../../db/settings.js';
import { DifferentError } from '../../errors.js';
import { setVerification } from '../../state/tables.js';
import { compareRows } from '../../verify/verifier.js';
import { verifySettings } from '../../verify/compare-sql.js';
import { LogApplier } from '../log-applier.js';
import { forwardStream } from '../apply-facts.js';
import { whileApplying } from '../background-apply.js';
import { expectedTarget, type TableContext } from '../context.js';
import { runCrew, throttled } from '../run-crew.js';
import type { Transition } from '../../model/phase.js';
import { differencesFound, verifyPlanOf } from '../verify-facts.js';
import { findTableRecord } from '../../state/migrations.js';

/** Rows that were lost to keys that collided for a while are brought back, and everything is compared again. */
const maxLost = 5;

export async function verifyPhase(context: TableContext): Promise<Transition> {
  await using applier = await LogApplier.open(context);
  // Pieces that are compared stay compared: what is followed changes no row.
  await verifyWith(context, {
    catchUp: () => applier.catchUpFollowing(),
    audit: () => applier.audit(() => applier.catchUpFollowing()),
  });
  return 'done';
}

/** What is needed of it here. */
type Applying = Pick<LogApplier, 'catchUp' | 'audit'>;

/**
 * Once more, while the swap is postponed, with the apply session that is there.
 * @throws SourceAltered when `applier` does
 */
export async function verifyWith(context: TableContext, applier: Applying): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    // Two keys that became one explain a row that differs better than the difference does.
    await applier.audit();
    try {
      return await compareAll(context, applier);
    } catch (error) {
      const isLost = error instanceof DifferentError && (await applier.audit()) > 0;
      if (!isLost || tries >= maxLost) throw error;
    }
  }
}

async function compareAll(context: TableContext, applier: Applying): Promise<void> {
  const { id, control, settings, capture, emit, at, signal } = context;
  const mode = settings.verify;
  if (mode === 'off') {
    emit('warning', {
      code: 'not-verified',
      message: 'the rows of the two tables are not compared: --verify off',
    });
    await setVerification(control, context, { mode, rows: 0, differences: 0 });
    return;
  }
  const started = performance.now();
  const plan = await verifyPlanOf(control, forwardStream(context, await expectedTarget(context)));
  const rowsExpected = (await findTableRecord(control, context))?.rowsCopied ?? null;
  await capture.upTo('verify', signal);
  const result = await whileApplying(context, applier, async (applying) =>
    compareRows({
      plan,
      mode,
      crew: runCrew(context, 'verify', { settings: { ...relaxedCommit, ...verifySettings } }),
      pieceTimeMs: () => context.settings.chunkTimeMs,
      rowsExpected,
      ...throttled(context),
      onProgress: (progress) => emit('verify:progress', progress),
      at,
      ...applying,
    }),
  );
  const { rows, differences } = result;
  emit('verify:done', {
    mode,
    rows,
    differences: differences.length,
    leftOut: plan.leftOut,
    seconds: (performance.now() - started) / 1000,
  });
  await setVerification(control, context, { mode, rows, differences: differences.length });
  if (differences.length > 0) {
    throw differencesFound(
      id,
      plan,
      result,
      `nothing was swapped; the source is untouched, and migration ${id} keeps its state`,
    );
  }
  await at('verified');
}
