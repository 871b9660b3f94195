/** A change that is metadata only: the ALTER itself, on the table itself, under the same careful locking. */
import { isDeepStrictEqual } from 'node:util';
import { readDefinitions } from '../catalog/read-definitions.js';
import type { ConnectionOptions } from '../db/conninfo/connection-options.js';
import { Session } from '../db/session.js';
import { localSettings, ownSettings } from '../db/settings.js';
import { FailedError, InterruptedError, OutcomeUnknownError, RefusedError } from '../errors.js';
import { isConnectionLost, isServerError, messageOf, sqlState } from '../db/sqlstate.js';
import { underLock } from '../locks/locked-transaction.js';
import type { LockLimits } from '../locks/lock-request.js';
import { lockNotObtained, tellMisses } from '../locks/describe-miss.js';
import { sameObjects } from '../plan/trial/definitions/taken-off.js';
import { inStoredForm } from '../sql/stored-form.js';
import { withoutNames } from '../model/definitions.js';
import { strongestOf } from '../model/lock-mode.js';
import type { NativePlan } from '../model/plan.js';
import { commitOutcome, CommitOutcomeUnknown, transactionId } from '../locks/commit-outcome.js';
import { killing } from './context.js';
import { lockSteps } from '../swap/lock-steps.js';
import type { AtPoint } from './points.js';
import type { RunSettings } from '../settings/run-settings.js';
import { findRelation } from '../state/own-objects.js';
import type { Emit } from '../model/event.js';
import { displayName, qualified } from '../sql/quote.js';

export interface NativeWork {
  readonly plan: NativePlan;
  readonly tableOid: number;
  readonly session: Session;
  readonly watcher: Session;
  readonly limits: LockLimits;
  readonly settings: RunSettings;
  readonly emit: Emit;
  readonly signal: AbortSignal;
  readonly at: AtPoint;
  readonly connection: ConnectionOptions;
}

/** The user's mean what they mean under the user's settings; what is put back around them was printed under ours. */
function statementsOf({ settings, statements, around }: NativePlan): string[] {
  return [
    ...(around?.takeOff ?? []).map(inStoredForm),
    ...statements.flatMap((statement) => [
      ...localSettings(settings),
      statement,
      ...localSettings(ownSettings),
    ]),
    ...(around?.putBack ?? []).map(inStoredForm),
  ];
}

/** @returns how long the lock was held, in milliseconds */
export async function runNative(work: NativeWork): Promise<number> {
  const { plan, emit } = work;
  const what = 'the change itself';
  let xid: string | null = null;
  try {
    const { holdMs } = await underLock({
      session: work.session,
      watcher: work.watcher,
      request: {
        what,
        table: qualified(plan.table),
        tableOid: work.tableOid,
        mode: strongestOf(plan.statementLocks.map(({ mode }) => mode)),
        ...(await lockSteps(work.session, [
          { ...plan, views: plan.around?.target.views ?? [], sequences: [] },
        ])),
      },
      limits: work.limits,
      work: async () => {
        await stillThere(work);
        await assertUnchanged(work);
        xid = await transactionId(work.session);
        await work.at('native-locked');
        return { last: statementsOf(plan), value: undefined };
      },
      onMiss: tellMisses(emit, what),
      onLock: ({ oid: _, ...entry }) => emit('lock:taken', entry),
      ...killing(work),
      signal: work.signal,
    });
    await work.at('native-done');
    emit('native:done', { holdMs });
    return holdMs;
  } catch (error) {
    if (error instanceof InterruptedError) throw error;
    if (error instanceof CommitOutcomeUnknown) {
      const outcome = xid === null ? null : await commitOutcome(work.connection, xid);
      if (outcome === 'committed') {
        await work.at('native-done');
        emit('native:done', { holdMs: 0 });
        return 0;
      }
      if (outcome === 'aborted') throw lostBeforeCommit(error.cause);
      throw new OutcomeUnknownError(
        'outcome-unknown',
        `the connection was lost at the commit of the change of ${displayName(plan.table)}`,
        {
          state: 'either the whole change is there or nothing of it',
          hint: 'look at the table (\\d in psql), and run the same command again when the change is not there',
          cause: error,
        },
      );
    }
    if (isConnectionLost(error)) throw lostBeforeCommit(error);
    if (!isServerError(error)) {
      throw lockNotObtained(error, {
        what: `${displayName(plan.table)} was not changed`,
        state: 'nothing was changed',
        hint: 'run the same command again at a quieter moment, or with a longer --cutover-deadline',
      });
    }
    throw new RefusedError(
      [
        {
          code: 'native-failed',
          message: `PostgreSQL refused the change: ${messageOf(error)}${detailOf(error)}`,
          hint: 'nothing was changed; drop or change what is named before, and make it again afterwards',
        },
      ],
      { cause: error },
    );
  }
}

function lostBeforeCommit(error: unknown): FailedError {
  return new FailedError('connection-lost', `the connection to the server was lost: ${messageOf(error)}`, {
    state: 'nothing was changed',
    hint: 'run the same command again',
    cause: error,
  });
}

/** The statements name the table; what was planned for has its OID. */
async function stillThere({ session, plan, tableOid }: NativeWork): Promise<void> {
  const now = await findRelation(session, tableOid);
  if (now?.schema === plan.table.schema && now.name === plan.table.name) return;
  throw new RefusedError([
    {
      code: 'native-failed',
      message: `${displayName(plan.table)} was ${now === null ? 'dropped' : `renamed to ${displayName(now)}`} meanwhile`,
    },
  ]);
}

/** Classes whose DETAIL names objects, and never shows a row. */
const aboutObjects = ['0A', '2B'];

function detailOf(error: { readonly detail?: string | undefined }): string {
  const state = sqlState(error) ?? '';
  return error.detail !== undefined && aboutObjects.includes(state.slice(0, 2))
    ? ` (${error.detail.split('\n').join('; ')})`
    : '';
}

/** What is put back after the change is what was planned with: under the lock, nobody changes it any more. */
async function assertUnchanged({ plan, session, tableOid }: NativeWork): Promise<void> {
  if (plan.around === null) return;
  const now = sameObjects(await readDefinitions(session, tableOid), plan.around);
  if (isDeepStrictEqual(withoutNames(now), withoutNames(plan.around.source))) return;
  throw new FailedError(
    'source-changed',
    `what hangs on ${displayName(plan.table)} was changed after the plan was made`,
    { state: 'nothing was changed', hint: 'run the same command again' },
  );
}
