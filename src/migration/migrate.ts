/** `migrate`: from a request to the swapped tables. Decides whether to begin, to continue, or to refuse. */
import { isDeepStrictEqual } from 'node:util';
import { Session } from '../db/session.js';
import { SqlState, sqlState } from '../db/sqlstate.js';
import { RefusedError } from '../errors.js';
import type { ChangeRequest, Plan } from '../plan/types.js';
import { createEmitter, type Emitter } from '../report/emitter.js';
import { displayName } from '../sql/quote.js';
import { runPids } from '../state/fence.js';
import { findActiveMigration, insertMigration, type MigrationRecord } from '../state/migrations.js';
import { dropEmptyState, ensureState, hasState } from '../state/schema.js';
import { resolveTable } from './find-table.js';
import { runNative } from './native.js';
import { planOn } from './plan.js';
import { runMigration, type RunOutcome } from './run.js';
import { defaultRunSettings, type MigrateOptions, type MigrationResult, type RunSettings } from './types.js';
import { runSignal } from './interrupt.js';

/**
 * Makes the change. Continues the table's unfinished migration when the request is the same.
 *
 * @throws RefusedError nothing was changed
 * @throws FailedError, CutoverNotObtainedError, OutcomeUnknownError, InterruptedError: the state is kept, and the same
 *   call continues
 */
export async function migrate(options: MigrateOptions): Promise<MigrationResult> {
  const settings: RunSettings = { ...defaultRunSettings, ...options.settings };
  const request: ChangeRequest =
    settings.native === 'never' ? { ...options.request, rewrite: true } : options.request;
  const emitter = createEmitter([options.onEvent]);
  const started = performance.now();
  await using control = await Session.open({
    connection: options.connection,
    applicationName: 'pg-ghost control',
  });
  const interrupt = runSignal(options, control);
  const unfinished = await findUnfinished(control, request);
  const plan = unfinished?.plan ?? (await planOn(control, request));
  if (unfinished === null) emitter.emit('plan:ready', { plan });
  refuseUnless(plan, settings);
  const seconds = (): number => (performance.now() - started) / 1000;

  if (plan.verdict === 'native') {
    const holdMs = await native(options, plan, settings, control, emitter, interrupt.signal);
    return report(emitter, null, plan, { old: null, rows: 0, seconds: seconds(), holdMs });
  }
  const record = unfinished ?? (await begin(control, plan));
  const outcome: RunOutcome = await runMigration({
    options,
    settings,
    control,
    record,
    fresh: unfinished === null,
    emit: emitter.withId(record.id),
    signal: interrupt.signal,
  });
  return report(emitter, record.id, plan, { ...outcome, seconds: seconds() });
}

/** The migration that this table is in already. Another change than the one it is in is refused. */
async function findUnfinished(control: Session, request: ChangeRequest): Promise<MigrationRecord | null> {
  if (!(await hasState(control))) return null;
  const table = await resolveTable(control, request.table);
  const record = await findActiveMigration(control, table.oid);
  if (record === null) return null;
  const { runner } = await runPids(control, record.id);
  const name = displayName(record.table);
  if (runner !== null) throw alreadyRunning(record.id, name, runner);
  const same = isDeepStrictEqual({ ...record.request, table: '' }, { ...request, table: '' });
  if (same) return record;
  throw new RefusedError([
    {
      code: 'another-change',
      message: `${name} is in migration ${record.id} already, with another change: ${describeRequest(record.request)}`,
      hint: `run that command again to continue it, or pg-ghost abort ${record.id} to undo it`,
    },
  ]);
}

export function alreadyRunning(id: number, table: string, pid: number | null): RefusedError {
  const who = pid === null ? '' : ` (backend ${pid})`;
  return new RefusedError([
    {
      code: 'already-running',
      message: `${table} is being migrated right now by another run of migration ${id}${who}`,
      hint: `pg-ghost status ${id} shows how far it is`,
    },
  ]);
}

function describeRequest(request: ChangeRequest): string {
  return [
    ...request.alter.map((alter) => `--alter ${JSON.stringify(alter)}`),
    ...request.statements.map((statement) => statement.trim()),
    ...request.set.map(({ column, expression }) => `--set ${JSON.stringify(`${column}=${expression}`)}`),
    ...(request.rewrite ? ['--rewrite'] : []),
  ].join(' ');
}

function refuseUnless(plan: Plan, settings: RunSettings): void {
  if (plan.verdict === 'refused') throw new RefusedError(plan.reasons);
  if (plan.verdict === 'copy' && settings.native === 'only') {
    throw new RefusedError([
      {
        code: 'needs-copy',
        message: `the change needs a new table: ${plan.reasons.map((reason) => reason.message).join('; ')}`,
        hint: 'leave out --native only to copy it online',
      },
    ]);
  }
}

async function begin(control: Session, plan: Plan): Promise<MigrationRecord> {
  if (plan.source === null) throw new Error('a plan to copy has a source');
  await ensureState(control);
  try {
    return await insertMigration(control, plan, plan.source.oid);
  } catch (error) {
    await dropEmptyState(control).catch(() => undefined);
    if (sqlState(error) !== SqlState.uniqueViolation) throw error;
    // Somebody else began one between our look and now.
    const other = await findActiveMigration(control, plan.source.oid);
    throw alreadyRunning(other?.id ?? 0, displayName(plan.table), null);
  }
}

async function native(
  options: MigrateOptions,
  plan: Plan,
  settings: RunSettings,
  control: Session,
  emitter: Emitter,
  signal: AbortSignal,
): Promise<number> {
  if (plan.source === null) throw new Error('a native plan has a source');
  await using session = await Session.open({
    connection: options.connection,
    settings: plan.settings,
    applicationName: 'pg-ghost native',
  });
  return runNative({
    plan,
    tableOid: plan.source.oid,
    session,
    watcher: control,
    limits: {
      lockTimeoutMs: settings.lockTimeoutMs,
      maxHoldMs: settings.maxHoldMs,
      deadlineMs: settings.cutoverDeadlineMs,
    },
    emit: emitter.emit,
    signal,
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
