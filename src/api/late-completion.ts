/** What a run that died right behind its swap has left to do, for the command that finds it swapped already. */
import { Session } from '../db/session.js';
import type { Emitter } from '../run/emitter.js';
import { claimIdle } from '../run/claim.js';
import { removeLeftovers } from '../run/cleanup.js';
import { withLedger } from '../run/ledger-book.js';
import type { CommonOptions } from '../run/run-options.js';
import { settleWindows } from '../run/windows.js';
import type { RunSettings } from '../settings/run-settings.js';
import type { MigrationRecord } from '../state/migrations.js';
import { swappedTables } from '../state/stored-plan.js';
import { completeSwap } from '../swap/after-swap.js';

export interface LateCompletion {
  readonly options: Pick<CommonOptions, 'connection'>;
  readonly settings: RunSettings;
  readonly control: Session;
  readonly record: MigrationRecord;
  readonly emitter: Emitter;
  readonly signal: AbortSignal;
}

/**
 * What a rollback has made ready for its swap looks like what a run has left: nothing is done where somebody is at work.
 *
 * @throws RunnerIsAlive
 */
export async function completeLate(work: LateCompletion): Promise<void> {
  const { options, settings, control, record, emitter, signal } = work;
  const { id } = record;
  await claimIdle(control, id, signal);
  await removeLeftovers(control, record);
  await settleWindows(control, record);
  await using watcher = await Session.open({
    own: true,
    connection: options.connection,
    applicationName: `pg-ghost ${id} watch`,
  });
  await withLedger(control, id, (onLock) =>
    completeSwap({
      session: control,
      watcher,
      tables: swappedTables(record),
      lockTimeoutMs: settings.lockTimeoutMs,
      deadlineMs: settings.cutoverDeadlineMs,
      onLock,
      emit: emitter.withId(id),
      signal,
    }),
  );
}
