/**
 * Back to the table from before the change, and forward to the new one again, with everything that was written meanwhile: the same
 * two tables exchange their parts, caught up, compared and swapped by the same engine.
 */
import { advice, doing, named, toDo } from '../advice.js';
import { Session } from '../db/session.js';
import { RefusedError } from '../errors.js';
import type { Direction } from '../model/direction.js';
import type { EventMap } from '../model/event.js';
import { isEnded, isOver, wayFrom } from '../model/phase.js';
import type { RunOutcome } from '../run/attempt.js';
import { RunnerIsAlive } from '../run/claim.js';
import type { Turn } from '../run/context.js';
import { createEmitter, type Emitter } from '../run/emitter.js';
import { resolveMigration } from '../run/find-table.js';
import { userSignal } from '../run/interrupt.js';
import { staleSeconds } from '../run/pulse.js';
import { refuseAnotherServer } from '../run/reconnect.js';
import { runMigration } from '../run/run-migration.js';
import type { MigrateOptions } from '../run/run-options.js';
import { settingsFrom } from '../settings/given.js';
import type { RunSettings } from '../settings/run-settings.js';
import { displayName } from '../sql/quote.js';
import { runPids } from '../state/fence.js';
import type { MigrationRecord } from '../state/migrations.js';
import { schemasOf } from '../state/schema-sql.js';
import { readServerIdentity } from '../state/server-identity.js';
import { readProgress } from '../state/stored-progress.js';
import { whereabouts } from '../state/whereabouts.js';
import { elsewhere } from './elsewhere.js';
import { completeLate } from './late-completion.js';
import { explained } from './server-errors.js';

/** No request: it is a migration that has swapped. */
export type TurnOptions = Omit<MigrateOptions, 'request' | 'resume'>;

export interface TurnResult extends Readonly<EventMap['turn:done']> {
  readonly id: number;
}

/**
 * The table from before is in use again, with what was written since the swap; the new one is kept. Given twice it says that it is done.
 *
 * @throws RefusedError nothing was changed: it has not swapped, has no rollback window, or somebody has altered the table since
 * @throws FailedError, DifferentError, CutoverNotObtainedError, OutcomeUnknownError, InterruptedError: the new table stays in use,
 *   and the same call begins again
 */
export async function rollback(options: TurnOptions, id: number): Promise<TurnResult> {
  return await explained(options, told, () => turn(options, id, 'back'));
}

/** The new table is in use once more, after a rollback. Throws as that does. */
export async function rollforward(options: TurnOptions, id: number): Promise<TurnResult> {
  return await explained(options, told, () => turn(options, id, 'forward'));
}

export interface SyncResult extends Readonly<EventMap['sync:done']> {
  readonly id: number;
}

/**
 * Brings what was written since the last swap to the table that is kept, so that going back takes seconds: until it has caught up, or
 * (`follow`) until it is stopped. Throws as `rollback` does, which it does not need before it.
 */
export async function sync(
  options: TurnOptions,
  id: number,
  { follow = false }: { readonly follow?: boolean } = {},
): Promise<SyncResult> {
  return await explained(options, told, async () => {
    const settings = settingsFrom(options.settings);
    const emitter = createEmitter([options.onEvent]);
    const started = performance.now();
    const signal = userSignal(options);
    await using control = await openControl(options, id, signal);
    const record = await resolveMigration(control, id);
    refuseUnswapped(record, 'back');
    await refuseElsewhere(control, record);
    const direction = wayFrom(record.phase);
    const run = { options, settings, control, record, emitter, signal };
    const { keys } = await runTurn(run, { direction, isFirst: false, sync: { follow } });
    const result = {
      table: displayName(record.tables[0].table),
      keys,
      seconds: (performance.now() - started) / 1000,
    };
    emitter.withId(id)('sync:done', result);
    return { id, ...result };
  });
}

const told = advice`the table that was in use is in use; ${named('status')} says which`;

async function turn(options: TurnOptions, id: number, direction: Direction): Promise<TurnResult> {
  const settings = settingsFrom(options.settings);
  const emitter = createEmitter([options.onEvent]);
  const started = performance.now();
  const signal = userSignal(options);
  await using control = await openControl(options, id, signal);
  const record = await resolveMigration(control, id);
  refuseUnswapped(record, direction);
  await refuseElsewhere(control, record);
  const done = (swapped: MigrationRecord, holdMs: number): TurnResult =>
    report(emitter, swapped, direction, { seconds: (performance.now() - started) / 1000, holdMs });
  const run = { options, settings, control, record, emitter, signal };
  if (wayFrom(record.phase) === direction) {
    const { holdMs } = await runTurn(run, { direction, isFirst: false });
    // The session from before may be gone: a run goes on with another.
    return done(record, holdMs);
  }
  await completeLate(run).catch((error: unknown) => {
    throw busy(record, error);
  });
  emitter.withId(id)('warning', {
    code: direction === 'back' ? 'already-rolled-back' : 'already-swapped',
    message:
      direction === 'back'
        ? `migration ${id} was rolled back already`
        : `the new table of migration ${id} is in use already`,
    hint: advice`${doing(direction === 'back' ? 'rollforward' : 'rollback', id)} turns it round; ${doing('finalize', id)} drops the table that is kept`,
  });
  return done(record, 0);
}

interface TurnRun {
  readonly options: TurnOptions;
  readonly settings: RunSettings;
  readonly control: Session;
  readonly record: MigrationRecord;
  readonly emitter: Emitter;
  readonly signal: AbortSignal;
}

async function openControl(options: TurnOptions, id: number, signal: AbortSignal): Promise<Session> {
  return await Session.open({
    own: true,
    connection: options.connection,
    applicationName: `pg-ghost ${id} control`,
    signal,
  });
}

async function refuseElsewhere(control: Session, record: MigrationRecord): Promise<void> {
  const { origin } = await whereabouts(control, record);
  if (origin !== 'here') throw elsewhere(record, origin);
}

async function runTurn({ emitter, ...run }: TurnRun, turned: Turn): Promise<RunOutcome> {
  const { control, record } = run;
  const { id } = record;
  const server = await readServerIdentity(control);
  if (record.server !== null) refuseAnotherServer(id, record.server, server);
  const stale = await staleRunner(control, record);
  return await runMigration({
    ...run,
    fresh: false,
    turn: turned,
    server,
    stale,
    emit: emitter.withId(id),
  }).catch((error: unknown) => {
    throw busy(record, error);
  });
}

function busy(record: MigrationRecord, error: unknown): unknown {
  return error instanceof RunnerIsAlive ? atWork(record, error.pid) : error;
}

function refuseUnswapped({ id, phase }: MigrationRecord, direction: Direction): void {
  if (isOver(phase)) {
    throw new RefusedError([{ code: 'already-ended', message: `migration ${id} is already ${phase}` }]);
  }
  if (isEnded(phase)) return;
  throw new RefusedError([
    {
      code: 'not-swapped',
      message: `migration ${id} has not swapped its tables yet (it is in phase ${phase})`,
      hint:
        direction === 'back'
          ? advice`there is nothing to roll back; ${toDo('abort', id)} undoes it`
          : advice`${toDo('resume', id)} to continue it`,
    },
  ]);
}

/** @returns a backend that may be ended; null where nobody runs it */
async function staleRunner(control: Session, record: MigrationRecord): Promise<number | null> {
  const { runner } = await runPids(control, record.id);
  if (runner === null) return null;
  const progress = await readProgress(control, record.id);
  if (progress === null || progress.ageSeconds < staleSeconds) throw atWork(record, runner);
  return runner;
}

function atWork({ id, tables }: MigrationRecord, pid: number | null): RefusedError {
  return new RefusedError([
    {
      code: 'already-running',
      message: `${tables.map(({ table }) => displayName(table)).join(', ')} is being worked on right now by another command for migration ${id}${pid === null ? '' : ` (backend ${pid})`}`,
      hint: advice`${doing('status', id)} shows how far it is`,
    },
  ]);
}

function report(
  emitter: Emitter,
  { id, tables }: MigrationRecord,
  direction: Direction,
  cost: { readonly seconds: number; readonly holdMs: number },
): TurnResult {
  const [first] = tables;
  const rooms = schemasOf(first);
  const kept = { schema: direction === 'back' ? rooms.shadow : rooms.old, name: first.table.name };
  const result = {
    table: displayName(first.table),
    direction,
    kept: displayName(kept),
    ...cost,
  };
  emitter.withId(id)('turn:done', result);
  return { id, ...result };
}
