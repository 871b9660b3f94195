/** `migrate`: from a request to the swapped tables. Decides whether to begin, to continue, or to refuse. */
import { advice, doing, named, toDo } from '../advice.js';
import { isDeepStrictEqual } from 'node:util';
import { Session } from '../db/session.js';
import { findTable, type FoundTable } from '../catalog/table.js';
import { ownSettings } from '../db/settings.js';
import { SqlState, sqlState } from '../db/sqlstate.js';
import { RefusedError } from '../errors.js';
import type { EventMap } from '../model/event.js';
import type { CopyPlan, NativePlan, Plan } from '../model/plan.js';
import type { ChangeRequest } from '../model/change-request.js';
import { createEmitter, type Emitter } from '../run/emitter.js';
import { parseName } from '../sql/parse.js';
import { displayName, qualified } from '../sql/quote.js';
import { runPids } from '../state/fence.js';
import { insertMigration, listMigrations, type MigrationRecord } from '../state/migrations.js';
import { readProgress } from '../state/stored-progress.js';
import { readServerIdentity, type ServerIdentity } from '../state/server-identity.js';
import { dropEmptyState, ensureState, openState } from '../state/schema.js';
import { onlyTable } from '../state/only-table.js';
import { schemasOf } from '../state/schema-sql.js';
import { planOf } from '../state/stored-plan.js';
import { whereabouts } from '../state/whereabouts.js';
import { removeStraySlots } from '../run/stray-slots.js';
import { limitsOf } from '../settings/lock-limits.js';
import { activeUnderName, elsewhere, migrationsOf } from './elsewhere.js';
import { resolveMigration, resolveTable } from '../run/find-table.js';
import { runNative } from '../run/native.js';
import { planOn } from './plan.js';
import { firstTurn } from '../run/context.js';
import { runMigration } from '../run/run-migration.js';
import type { RunOutcome } from '../run/attempt.js';
import type { MigrateOptions } from '../run/run-options.js';
import { settingsFrom } from '../settings/given.js';
import { refusalOfCopy, requestUnder } from '../settings/native.js';
import type { RunSettings } from '../settings/run-settings.js';
import { RunnerIsAlive } from '../run/claim.js';
import { userSignal } from '../run/interrupt.js';
import { staleSeconds } from '../run/pulse.js';
import { refuseAnotherServer } from '../run/reconnect.js';
import { completeLate } from './late-completion.js';
import { explained } from './server-errors.js';
import { watchState } from '../state/watch-state.js';
import { isEnded, isOver, isRolledBack } from '../model/phase.js';
import { refuseRenamed } from '../run/source-check.js';

/** What the last event of the run says, and the plan. */
export interface MigrationResult extends Readonly<EventMap['migration:done']> {
  /** null for a native change: there is nothing to finalize or to abort. */
  readonly id: number | null;
  readonly plan: Plan;
}

/**
 * Makes the change. Continues the table's unfinished migration when the request is the same.
 *
 * @throws RefusedError nothing was changed
 * @throws FailedError, CutoverNotObtainedError, OutcomeUnknownError, InterruptedError: the state is kept, and the same
 *   call continues
 */
export async function migrate(options: MigrateOptions): Promise<MigrationResult> {
  const state = advice`what was stored is kept: ${named('status')} says where it stands`;
  return await explained(options, state, () => beginOrContinue(options));
}

async function beginOrContinue(options: MigrateOptions): Promise<MigrationResult> {
  const settings = settingsFrom(options.settings);
  const emitter = createEmitter([options.onEvent]);
  const started = performance.now();
  const signal = userSignal(options);
  await using control = await Session.open({
    own: true,
    connection: options.connection,
    applicationName: 'pg-ghost control',
    signal,
  });
  const seconds = (): number => (performance.now() - started) / 1000;
  const request = await requestOf(control, options, settings);
  const { unfinished, swapped, stale } = await findEarlier(control, request);
  if (swapped !== null && isRolledBack(swapped.phase)) throw rolledBack(swapped);
  if (swapped !== null && isSameRequest(swapped.request, request)) {
    return await alreadySwapped(control, emitter, swapped, { options, seconds, settings, signal });
  }
  const plan =
    unfinished === null ? await planOn(control, request, settings, options.connection) : planOf(unfinished);
  if (unfinished !== null) refuseAnotherCapture(unfinished.id, plan, options.settings?.capture);
  if (unfinished !== null) refuseAnotherWindow(unfinished.id, plan, settings);
  if (unfinished === null) emitter.emit('plan:ready', { plan });
  refuseUnless(plan, settings, swapped);

  if (plan.verdict === 'native') {
    const holdMs = await native(options, plan, settings, control, emitter, signal);
    return report(emitter, null, plan, { old: null, rows: 0, seconds: seconds(), holdMs });
  }
  const server = await readServerIdentity(control);
  const record = unfinished ?? (await begin(control, emitter, plan, server));
  if (record.server !== null) refuseAnotherServer(record.id, record.server, server);
  if (unfinished === null) await options.onPoint?.('recorded');
  const outcome: RunOutcome = await runMigration({
    options,
    settings,
    control,
    record,
    fresh: unfinished === null,
    turn: firstTurn,
    server,
    stale,
    emit: emitter.withId(record.id),
    signal,
  }).catch((error: unknown) => {
    throw error instanceof RunnerIsAlive
      ? alreadyRunning(record.id, displayName(onlyTable(record).table), error.pid)
      : error;
  });
  return report(emitter, record.id, plan, { ...outcome, seconds: seconds() });
}

/** @throws RefusedError when the migration to resume has ended, or is about another change */
async function requestOf(
  control: Session,
  { request, resume }: MigrateOptions,
  settings: RunSettings,
): Promise<ChangeRequest> {
  const asked = request === undefined ? undefined : requestUnder(request, settings);
  if (resume === undefined) {
    if (asked === undefined)
      throw new TypeError('migrate needs a request, or the id of a migration to resume');
    return asked;
  }
  const record = await resolveMigration(control, resume);
  if (isOver(record.phase)) {
    throw new RefusedError([
      {
        code: 'already-ended',
        message: `migration ${resume} is already ${record.phase}, there is nothing to resume`,
      },
    ]);
  }
  if (asked !== undefined && !isSameRequest(record.request, asked)) throw anotherChange(record, asked);
  // By its own name: the search path may be another one now, and so may the name.
  const { table, record: recorded } = onlyTable(await whereabouts(control, record));
  return { ...record.request, table: qualified(table ?? recorded.table) };
}

interface Earlier {
  /** The one that the table is in now; its change is the one asked for. */
  readonly unfinished: MigrationRecord | null;
  /** One that has swapped and still keeps the old table. */
  readonly swapped: MigrationRecord | null;
  /** The backend of its runner, if that gave no sign of life for so long that it may be ended. */
  readonly stale: number | null;
}

/** What this table has to do with migrations already. Another change than the one that it is in is refused. */
async function findEarlier(control: Session, request: ChangeRequest): Promise<Earlier> {
  if (!(await openState(control, watchState))) return { unfinished: null, swapped: null, stale: null };
  const table = await findSource(control, request.table);
  const { active, swapped } = await migrationsOf(control, table);
  if (swapped !== null && active === null && swapped.origin !== 'here')
    throw elsewhere(swapped.record, swapped.origin);
  if (active === null) return { unfinished: null, swapped: swapped?.record ?? null, stale: null };
  if (active.origin !== 'here') {
    const { id, server } = active.record;
    // Every OID as it was, on a server of another identity: a copy of all of its files, or pg_upgrade.
    if (active.origin === 'copied' && server !== null) {
      const { systemIdentifier, timeline } = await readServerIdentity(control);
      refuseAnotherServer(id, server, { systemIdentifier, timeline });
    }
    throw elsewhere(active.record, active.origin);
  }
  const unfinished = active.record;
  refuseRenamed(unfinished.id, active.table.record.table, table);
  const { runner } = await runPids(control, unfinished.id);
  const name = displayName(active.table.record.table);
  if (runner !== null) {
    const progress = await readProgress(control, unfinished.id);
    if (progress === null || progress.ageSeconds < staleSeconds)
      throw alreadyRunning(unfinished.id, name, runner, progress?.ageSeconds);
  }
  if (isSameRequest(unfinished.request, request)) return { unfinished, swapped: null, stale: runner };
  throw anotherChange(unfinished, request);
}

/** @throws RefusedError `no-such-table`; FailedError `source-renamed` when it is the former name of a table in a migration */
async function findSource(control: Session, name: string): Promise<FoundTable> {
  const table = await findTable(control, name);
  if (table !== null) return table;
  const [own = '', schema = null] = parseName(name).toReversed();
  const active = await activeUnderName(control, { schema, name: own });
  if (active?.table.table != null)
    refuseRenamed(active.record.id, active.table.record.table, active.table.table);
  return await resolveTable(control, name);
}

/** Keys that came the one way would be missing in the other. What is not said, or left to us, is as it was begun. */
function refuseAnotherCapture(id: number, plan: Plan, asked: RunSettings['capture'] = 'auto'): void {
  if (plan.verdict !== 'copy' || asked === 'auto' || asked === plan.capture) return;
  throw new RefusedError([
    {
      code: 'another-capture',
      message: `migration ${id} was begun with --capture ${plan.capture}: what was written since is there alone`,
      hint: advice`leave out --capture to continue it; or ${toDo('abort', id)}, and begin anew with --capture ${asked}`,
    },
  ]);
}

/** Whether there is a window was planned; what is not said is as it was begun. */
function refuseAnotherWindow(id: number, plan: Plan, { withoutRollbackWindow: declined }: RunSettings): void {
  if (!declined || plan.verdict !== 'copy' || plan.back === null || plan.back.way === null) return;
  throw new RefusedError([
    {
      code: 'another-rollback-window',
      message: `migration ${id} was begun with a rollback window, and --no-rollback-window is none of its plan`,
      hint: advice`leave out --no-rollback-window to continue it; or ${toDo('abort', id)}, and begin anew with it`,
    },
  ]);
}

function anotherChange(record: MigrationRecord, asked: ChangeRequest): RefusedError {
  const { id, request } = record;
  const { table } = onlyTable(record);
  return new RefusedError([
    {
      code: 'another-change',
      message: `${displayName(table)} is in migration ${id} already, with another change:\n  there: ${describeRequest(request)}\n  asked: ${describeRequest(asked)}`,
      hint: advice`${doing('resume', id)} continues it, ${doing('abort', id)} undoes it`,
    },
  ]);
}

/** The table may have been named in another way. */
function isSameRequest(one: ChangeRequest, other: ChangeRequest): boolean {
  const essence = (request: ChangeRequest): object => ({
    ...request,
    table: '',
    // Where there is a change, a copy is a copy: `--native never` only decides whether to begin one.
    rewrite: request.rewrite && request.alter.length + request.statements.length + request.set.length === 0,
  });
  return isDeepStrictEqual(essence(one), essence(other));
}

/** Whether the change is wanted after all, or another one, is not for us to guess. */
function rolledBack({ id, tables }: MigrationRecord): RefusedError {
  return new RefusedError([
    {
      code: 'rolled-back',
      message: `migration ${id} of ${tables.map(({ table }) => displayName(table)).join(', ')} was rolled back, and keeps the new table`,
      hint: advice`${doing('rollforward', id)} brings it into use again; ${doing('finalize', id)} drops it, and a change can begin anew`,
    },
  ]);
}

/** The same command again after the swap, or after a run that died right behind it. */
async function alreadySwapped(
  control: Session,
  emitter: Emitter,
  record: MigrationRecord,
  {
    options,
    seconds,
    settings,
    signal,
  }: {
    readonly options: MigrateOptions;
    readonly seconds: () => number;
    readonly settings: RunSettings;
    readonly signal: AbortSignal;
  },
): Promise<MigrationResult> {
  const { id } = record;
  await completeLate({ options, settings, control, record, emitter, signal }).catch((error: unknown) => {
    throw error instanceof RunnerIsAlive
      ? alreadyRunning(id, displayName(onlyTable(record).table), error.pid)
      : error;
  });
  emitter.withId(id)('warning', {
    code: 'already-swapped',
    message: `migration ${id} has made this change already`,
    hint: advice`${doing('finalize', id)} drops the old table`,
  });
  const { old: kept, record: table } = onlyTable(await whereabouts(control, record));
  const plan = planOf(record);
  const old = displayName(kept ?? { schema: schemasOf(table).old, name: plan.table.name });
  return report(emitter, id, plan, {
    old,
    rows: table.rowsCopied,
    seconds: seconds(),
    holdMs: record.holdMs ?? 0,
  });
}

function alreadyRunning(id: number, table: string, pid: number | null, ageSeconds?: number): RefusedError {
  const heard = ageSeconds === undefined ? '' : `, last heard of ${ageSeconds.toFixed(1)} s ago`;
  const who = pid === null ? '' : ` (backend ${pid}${heard})`;
  return new RefusedError([
    {
      code: 'already-running',
      message: `${table} is being migrated right now by another run of migration ${id}${who}`,
      hint: advice`${doing('status', id)} shows how far it is${
        pid === null
          ? ''
          : `; if its machine is gone, run again when nothing was heard of it for ${staleSeconds} s, or select pg_terminate_backend(${pid}) first`
      }`,
    },
  ]);
}

function describeRequest(request: ChangeRequest): string {
  return [
    ...request.alter.map((alter) => `--alter ${JSON.stringify(alter)}`),
    ...request.statements.map((statement) => statement.trim()),
    ...request.set.map(({ column, expression }) => `--set ${JSON.stringify(`${column}=${expression}`)}`),
    ...(request.reverse ?? []).map(
      ({ column, expression }) => `--reverse ${JSON.stringify(`${column}=${expression}`)}`,
    ),
    ...(request.rewrite ? ['--rewrite'] : []),
  ].join(' ');
}

function refuseUnless(
  plan: Plan,
  settings: RunSettings,
  swapped: MigrationRecord | null,
): asserts plan is NativePlan | CopyPlan {
  // Before the plan's own reasons: the old table, which still uses the sequences, is among them.
  if (plan.verdict !== 'native' && swapped !== null) {
    throw new RefusedError([
      {
        code: 'not-finalized',
        message: `migration ${swapped.id} of ${displayName(plan.table)} still keeps the table from before it`,
        hint: advice`${toDo('finalize', swapped.id)} first`,
      },
    ]);
  }
  if (plan.verdict === 'refused') throw new RefusedError(plan.reasons);
  const refusal = refusalOfCopy(plan, settings);
  if (refusal !== null) throw new RefusedError([refusal]);
}

async function begin(
  control: Session,
  emitter: Emitter,
  plan: CopyPlan,
  server: ServerIdentity,
): Promise<MigrationRecord> {
  await ensureState(control, watchState);
  await removeStraySlots(control, emitter.emit);
  try {
    return await insertMigration(control, { request: plan.request, plans: [plan], server });
  } catch (error) {
    await dropEmptyState(control).catch(() => undefined);
    if (sqlState(error) !== SqlState.uniqueViolation) throw error;
    // Somebody else began one between our look and now.
    const { oid } = plan.source;
    const other = (await listMigrations(control)).find(
      ({ tables, phase }) => !isEnded(phase) && tables.some(({ sourceOid }) => sourceOid === oid),
    );
    if (other !== undefined) {
      // By chance the same number as that of a table in the database where another migration came from.
      const { origin } = await whereabouts(control, other);
      if (origin !== 'here') throw elsewhere(other, origin);
    }
    throw alreadyRunning(other?.id ?? 0, displayName(plan.table), null);
  }
}

async function native(
  options: MigrateOptions,
  plan: NativePlan,
  settings: RunSettings,
  control: Session,
  emitter: Emitter,
  signal: AbortSignal,
): Promise<number> {
  await using session = await Session.open({
    own: true,
    connection: options.connection,
    settings: { ...plan.settings, ...ownSettings },
    applicationName: 'pg-ghost native',
  });
  return await runNative({
    plan,
    tableOid: plan.source.oid,
    session,
    watcher: control,
    limits: limitsOf(settings),
    settings,
    emit: emitter.emit,
    signal,
    at: async (point) => options.onPoint?.(point),
    connection: options.connection,
  });
}

function report(
  emitter: Emitter,
  id: number | null,
  plan: Plan,
  outcome: { old: string | null; rows: number; seconds: number; holdMs: number },
): MigrationResult {
  const result = {
    table: displayName(plan.table),
    old: outcome.old,
    native: plan.verdict === 'native',
    rows: outcome.rows,
    seconds: round(outcome.seconds, 1),
    holdMs: round(outcome.holdMs, 1),
  };
  (id === null ? emitter.emit : emitter.withId(id))('migration:done', result);
  return { id, ...result, plan };
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
