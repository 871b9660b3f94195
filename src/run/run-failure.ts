/** Turns whatever ended a run into one of our errors, and keeps it where `status` finds it. */
import { advice, doing, toDo, type Text } from '../advice.js';
import { CaptureLost } from '../capture/capture.js';
import { isConnectionLost, isServerError, messageOf } from '../db/sqlstate.js';
import { FailedError, InterruptedError, OutcomeUnknownError, PgGhostError } from '../errors.js';
import { CommitOutcomeUnknown } from '../locks/commit-outcome.js';
import { isRolledBack, isSwapped, phaseTable, wayFrom, type Phase } from '../model/phase.js';
import { displayName } from '../sql/quote.js';
import { TakenOver } from '../state/fence.js';
import { deleteMigration, findMigration, setError } from '../state/migrations.js';
import { findRelation } from '../state/own-objects.js';
import { dropEmptyState } from '../state/schema.js';
import { firstTable, onAnySession, type RunContext, type TableContext, type Turn } from './context.js';
import { cameFromFunction, namingEventTrigger } from './event-trigger-failure.js';
import { SessionLost } from './interrupt.js';
import { undoPrepare } from './phases/prepare.js';
import { readMark } from './source-check.js';
import { toldOfTurn } from './turn-failure.js';

/** @returns the error to throw */
export async function failed(context: RunContext, at: Phase, error: unknown): Promise<unknown> {
  const { control, id } = context;
  const phase = await standing(context, at);
  const known = await named(
    context,
    (await sourceIsGone(context, phase, error)) ?? describe(context, phase, error),
  );
  // Not ours any more: whoever has it now keeps its state.
  if (!(known instanceof PgGhostError) || known.code === 'taken-over') return known;
  if (nothingIsKept(phase) && !control.lost.aborted) {
    await undoPrepare(context, (session) => deleteMigration(session, id));
    await dropEmptyState(control);
    if (known instanceof InterruptedError) return interruptedBeforeCapture();
    return known.code === 'source-renamed' ? renamedBeforeCapture(known) : known;
  }
  const { turn } = context;
  const isDone = isSwapped(phase) || isRolledBack(phase);
  const told = turn.isFirst
    ? known
    : toldOfTurn(known, { id, direction: turn.direction, isExchanged: isDone });
  const {
    code,
    message,
    told: { hint },
  } = told;
  await onAnySession(context, (session) => setError(session, id, { code, message, hint })).catch(
    () => undefined,
  );
  return told;
}

/** What the state says where it can be asked: the swap may have been the last that was done, and what came right behind it has failed. */
async function standing({ control, id, turn }: RunContext, at: Phase): Promise<Phase> {
  if (control.lost.aborted) return at;
  const record = await findMigration(control, id).catch(() => null);
  return record !== null && isExchanged(record.phase, turn) ? record.phase : at;
}

function isExchanged(phase: Phase, { direction, isFirst }: Turn): boolean {
  return isFirst ? isSwapped(phase) : wayFrom(phase) !== direction;
}

/** Nothing has been captured or copied yet: all of it is undone. */
function nothingIsKept(phase: Phase): boolean {
  return phaseTable[phase].beside === 'nothing yet';
}

async function named(context: RunContext, error: unknown): Promise<unknown> {
  if (!cameFromFunction(error)) return error;
  return await onAnySession(context, (session) => namingEventTrigger(session, error, '')).catch(() => error);
}

function interruptedBeforeCapture(): InterruptedError {
  return new InterruptedError(
    'interrupted-early',
    'stopped as asked, before anything was captured or copied',
    {
      state: 'nothing was changed, nothing is left behind',
      hint: 'run the same command again to begin anew',
    },
  );
}

function renamedBeforeCapture({ code, message, details }: PgGhostError): FailedError {
  return new FailedError(code, message, {
    details,
    state: 'nothing was changed, nothing is left behind',
    hint: 'run again under the name that it has now',
  });
}

/** Whichever statement was the first to miss it. */
async function sourceIsGone(context: RunContext, phase: Phase, error: unknown): Promise<PgGhostError | null> {
  if (error instanceof PgGhostError || context.control.lost.aborted || isSwapped(phase)) return null;
  for (const table of context.tables) {
    const found = await isGone(table, phase);
    if (found !== null) return found;
  }
  return null;
}

async function isGone(context: TableContext, phase: Phase): Promise<PgGhostError | null> {
  return await readMark(context.control, context).then(
    () => (nothingIsKept(phase) ? null : shadowIsGone(context)),
    (found: unknown) => {
      if (!(found instanceof PgGhostError)) return null;
      // Capture may not be there yet: that is no reason, and would hide the real one.
      return nothingIsKept(phase) && found.code === 'capture-interrupted' ? null : found;
    },
  );
}

/** Dropped, renamed or moved: no statement of ours would find it. */
async function shadowIsGone(context: TableContext): Promise<PgGhostError | null> {
  const { control, id, no, plan, schemas, waiting } = context;
  const record = await findMigration(control, id);
  if (record === null) return null;
  const table = record.tables.find((each) => each.no === no);
  const shadow = await findRelation(control, waiting?.oid ?? table?.shadowOid ?? null);
  if (shadow !== null && shadow.schema === schemas.shadow && shadow.name === plan.table.name) return null;
  const what = shadow === null ? 'was dropped' : `was renamed to ${displayName(shadow)}`;
  return new FailedError('shadow-gone', `the shadow of ${displayName(plan.table)} ${what}`, {
    state: 'the source is untouched',
    hint: advice`${toDo('abort', id)}, then run again`,
  });
}

function describe(context: RunContext, phase: Phase, error: unknown): unknown {
  const { id, signal } = context;
  if (error instanceof TakenOver) return takenOver(id);
  if (error instanceof CommitOutcomeUnknown) return outcomeUnknown(context, error);
  // Cancelled statements, closed sessions: all of it is what the interruption looks like from below.
  if (signal.reason instanceof PgGhostError) return signal.reason;
  if (error instanceof PgGhostError) return error;
  if (error instanceof CaptureLost) return captureLost(id, error);
  const kept = isSwapped(phase)
    ? keptAfterSwap(id)
    : {
        state: nothingIsKept(phase)
          ? 'nothing was changed'
          : `the source is untouched; migration ${id} keeps its state (phase ${phase})`,
        hint: nothingIsKept(phase)
          ? 'remove the cause and run the same command again'
          : advice`remove the cause and run the same command again, or ${toDo('abort', id)} to undo`,
      };
  if (isConnectionLost(error) || error instanceof SessionLost) {
    const message = messageOf(error instanceof SessionLost ? error.cause : error);
    return new FailedError('connection-lost', `the connection to the server was lost: ${message}`, {
      ...kept,
      cause: error,
      hint: 'run the same command again to continue, as soon as the server can be reached',
    });
  }
  if (isServerError(error)) {
    return new FailedError('server-error', `PostgreSQL: ${error.message} (SQLSTATE ${error.code})`, {
      ...kept,
      cause: error,
    });
  }
  return error;
}

function keptAfterSwap(id: number): { readonly state: string; readonly hint: Text } {
  return {
    state: 'the tables are swapped, and the new one is in use; what follows the swap may not be complete',
    hint: advice`remove the cause and run the same command again, or ${toDo('finalize', id)} when nobody needs the old table`,
  };
}

/** The run has come to its end before it could go on by itself. */
function captureLost(id: number, error: CaptureLost): FailedError {
  return new FailedError(
    'slot-lost',
    `the slot of migration ${id} is gone, or the server does not keep its WAL any more: ${error.message}`,
    {
      state: 'writes are missing in the log; the source is untouched',
      hint: advice`run the same command again: it makes a new slot, and finds what was missed; or ${toDo('abort', id)}`,
      cause: error,
    },
  );
}

export function takenOver(id: number): FailedError {
  return new FailedError('taken-over', `migration ${id} was ended or taken over by another session`, {
    state: 'this run has stopped, and has written nothing since then',
    hint: advice`${doing('status', id)} says where it stands`,
  });
}

/** Invariant 11: nobody knows, and the server could not be asked for as long as we were patient. */
function outcomeUnknown(context: RunContext, error: CommitOutcomeUnknown): OutcomeUnknownError {
  const { id, plan } = firstTable(context);
  return new OutcomeUnknownError(
    'outcome-unknown',
    `the connection was lost at the commit of the swap, and the server cannot be asked what became of it: ${messageOf(error.cause)}`,
    {
      state: 'either the swap is complete or nothing of it happened; nothing in between is possible',
      hint: advice`when the server is back: ${doing('status', id)} says "swapped" or an earlier phase (${displayName(plan.table)} is the new table in the first case); the same run command goes on from there`,
      cause: error.cause,
    },
  );
}
