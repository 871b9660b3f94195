/** Where migrations stand, for people and scripts. */
import { advice, doing, toDo, type Text } from '../advice.js';
import { readBacklog } from '../capture/backlog.js';
import { lastDrawnFor } from '../catalog/drawn-ids.js';
import { Session } from '../db/session.js';
import { SqlState, sqlState } from '../db/sqlstate.js';
import type { LedgerEntry } from '../locks/ledger.js';
import type { ChangeRequest } from '../model/change-request.js';
import type { CaptureMode } from '../model/capture-mode.js';
import { idsPerSecond, isNearLimit, remainingIds, secondsLeft } from '../model/id-room.js';
import type { ProgressState } from '../model/progress.js';
import { displayName } from '../sql/quote.js';
import { runPids } from '../state/fence.js';
import { stateVersion } from '../state/layout.js';
import type { MigrationRecord } from '../state/migrations.js';
import { readChunks } from '../state/chunks.js';
import { readLocks } from '../state/lock-entries.js';
import { onlyTable } from '../state/only-table.js';
import { captureModeOf, idRoomsOf } from '../state/stored-plan.js';
import type { TableRecord } from '../state/tables.js';
import { nameSuffix } from '../state/schema-sql.js';
import { readProgress } from '../state/stored-progress.js';
import { whereabouts, type TablePlaces, type Whereabouts } from '../state/whereabouts.js';
import { lookUpMigrations } from '../run/find-table.js';
import type { Direction } from '../model/direction.js';
import { isEnded, isOver, isRolledBack, isSwapped, phaseTable, wayFrom, type Phase } from '../model/phase.js';
import { findWindow, type RollbackWindow } from '../state/windows.js';
import { breakOffWhenAsked, connectingSignal, explained } from './server-errors.js';
import { readSlotStatus, type SlotStatus } from './slot-status.js';
import type { CommonOptions } from '../run/run-options.js';

/** How long a rollback can still have room for each row. */
export interface IdsLeft {
  /** Of the table from before. */
  readonly column: string;
  /** What the sequence gave last; as text, like the others: bigint. */
  readonly last: string;
  /** The last one that the table from before can hold. */
  readonly limit: string;
  readonly remaining: string;
  /** Four fifths are used. */
  readonly isNear: boolean;
  /** At the rate since the swap; null where none were drawn, or that is not known. */
  readonly secondsLeft: number | null;
}

export interface MigrationStatus {
  readonly id: number;
  readonly phase: Phase;
  /** As it was called when the migration began. */
  readonly table: string;
  /** As it is called now, when that is something else; null otherwise, and when it is gone. */
  readonly renamedTo: string | null;
  /**
   * `here`: the migration was begun in this database. `copied`, `restored`: in one that this was made from, as a whole or from
   * a dump; it can only be aborted or finalized here.
   */
  readonly origin: 'here' | 'copied' | 'restored';
  /** null once it is swapped in or gone. */
  readonly shadow: string | null;
  /** null before the swap and after finalize. */
  readonly old: string | null;
  /** After a swap or a rollback: the one of the two that is not in use. null where there is none of ours. */
  readonly kept: string | null;
  /** What was written since the last swap is collected, so that the table that is kept can come into use again; null where it is not. */
  readonly window: {
    /** `rollback` or `rollforward` brings it. */
    readonly to: Direction;
    /** Of the last swap; ISO 8601. */
    readonly since: string;
    /** Columns that the table from before holds fewer ids of; none after a rollback. */
    readonly ids: readonly IdsLeft[];
  } | null;
  readonly capture: CaptureMode;
  /** Of capture from the WAL; null where there is none. */
  readonly slot: SlotStatus | null;
  /** Of the copy, 0-100. */
  readonly percent: number;
  readonly rowsCopied: number;
  /** Log entries not yet applied; an estimate. */
  readonly backlog: number;
  /** Backend that runs it now; null when nobody does. */
  readonly runnerPid: number | null;
  readonly paused: boolean;
  readonly throttledBy: string | null;
  /** What `set` can change, by its names, as it is in the run now; null when nobody runs it. Of a limit null is off. */
  readonly settings: Readonly<Record<string, number | string | boolean | null>> | null;
  /** The error that stopped the last run. */
  readonly error: { readonly code: string; readonly message: string; readonly hint: Text | null } | null;
  /** The last comparison of the tables that came to its end. */
  readonly verification: {
    readonly mode: 'full' | 'sample' | 'off';
    readonly rows: number;
    readonly differences: number;
    readonly at: string;
  } | null;
  readonly request: ChangeRequest;
  readonly createdAt: string;
  readonly updatedAt: string;
  /** What its run does, and how long ago it said so; null when no run has said anything yet. */
  readonly progress: { readonly ageSeconds: number; readonly state: ProgressState } | null;
  /** Every lock on a user's table, and what it cost. */
  readonly locks: readonly (LedgerEntry & { readonly at: string })[];
  /** What to do next, for whoever looks at this. */
  readonly next: Text;
}

/** All migrations of the database, or the one. */
export async function status(options: CommonOptions, id?: number): Promise<MigrationStatus[]> {
  return await explained(options, 'nothing was changed', () => read(options, id));
}

async function read(options: CommonOptions, id: number | undefined): Promise<MigrationStatus[]> {
  await using session = await Session.open({
    own: true,
    connection: options.connection,
    applicationName: 'pg-ghost status',
    ...connectingSignal(options),
  });
  breakOffWhenAsked(options, session);
  try {
    return await look(session, id);
  } catch (error) {
    // The log was dropped (an abort, a finalize) between one look and the next: where it stands now has none.
    if (sqlState(error) !== SqlState.undefinedTable) throw error;
    return await look(session, id);
  }
}

async function look(session: Session, id: number | undefined): Promise<MigrationStatus[]> {
  const { layout, records } = await lookUpMigrations(session, id);
  const statuses: MigrationStatus[] = [];
  for (const record of records) statuses.push(await describe(session, record, layout));
  return statuses;
}

async function describe(session: Session, record: MigrationRecord, layout: number): Promise<MigrationStatus> {
  const { id, phase } = record;
  const table = onlyTable(record);
  const { verification } = table;
  const { origin, tables } = await whereabouts(session, record);
  const found = onlyTable({ tables });
  const { copied, beside } = phaseTable[phase];
  const chunks = copied === 'chunks' ? await readChunks(session, table, layout) : [];
  const blocksCopied = chunks.reduce((sum, chunk) => sum + (chunk.to - chunk.from), 0);
  const capture = captureModeOf(table);
  const window = isOver(phase) ? null : await findWindow(session, table, layout);
  const direction = wayFrom(phase);
  const { runner } = isOver(phase) ? { runner: null } : await runPids(session, id);
  const heard = await heardOf(session, id, layout);
  const maxRetainedWal = heard.settings?.['max-retained-wal'];
  const slot = await readSlotStatus(session, {
    identity: record.identity,
    isNeeded: beside === 'shadow' || beside === 'nothing yet',
    maxRetainedWal: typeof maxRetainedWal === 'number' ? maxRetainedWal : null,
  });
  return {
    id,
    phase,
    table: displayName(table.table),
    renamedTo: renamedTo(record, found),
    origin,
    shadow: beside === 'shadow' && found.shadow !== null ? displayName(found.shadow) : null,
    old: beside === 'old table' && found.old?.isOutside === false ? displayName(found.old) : null,
    kept: found.kept?.isOutside === false ? displayName(found.kept) : null,
    window:
      window === null
        ? null
        : {
            to: direction,
            since: window.since,
            ids: direction === 'back' ? await readIdsLeft(session, table, window) : [],
          },
    capture,
    slot,
    percent: percent(record, blocksCopied),
    rowsCopied: table.rowsCopied + chunks.reduce((sum, chunk) => sum + chunk.rows, 0),
    backlog:
      beside === 'shadow' || window !== null
        ? await readBacklog(session, nameSuffix(table, window === null ? 'forward' : direction))
        : 0,
    runnerPid: runner,
    ...heldUp(heard, runner),
    error: record.error,
    verification:
      verification === null ? null : { ...verification, at: new Date(verification.at).toISOString() },
    progress: heard.progress,
    locks: (await readLocks(session, id, layout)).map(({ at, entry }) => ({ ...entry, at })),
    request: record.request,
    createdAt: record.createdAt,
    updatedAt: record.updatedAt,
    next: whatNext(record, { ...found, origin, capture, window }, runner, layout),
  };
}

async function readIdsLeft(
  session: Session,
  table: TableRecord,
  { since, drawn }: RollbackWindow,
): Promise<IdsLeft[]> {
  const left: IdsLeft[] = [];
  if (table.shadowOid === null) return left;
  for (const room of idRoomsOf(table)) {
    const last = await lastDrawnFor(session, table.shadowOid, room.newColumn);
    if (last === null) continue;
    const first = drawn.find(({ column }) => column === room.newColumn)?.last ?? null;
    const { seconds } = await session.row<{ seconds: number }>({
      text: 'select extract(epoch from clock_timestamp() - $1::timestamptz)::float8 as seconds',
      values: [since],
    });
    const remaining = remainingIds(room, last);
    left.push({
      column: room.column,
      last,
      limit: room.limit,
      remaining: String(remaining),
      isNear: isNearLimit(room, last),
      secondsLeft: first === null ? null : secondsLeft(remaining, idsPerSecond(room, first, last, seconds)),
    });
  }
  return left;
}

interface Heard {
  readonly progress: MigrationStatus['progress'];
  readonly settings: MigrationStatus['settings'];
}

/** The run's own last word. */
async function heardOf(session: Session, id: number, layout: number): Promise<Heard> {
  const stored = await readProgress(session, id, layout);
  if (stored === null) return { progress: null, settings: null };
  const { state, settings } = stored.word;
  return { progress: { ageSeconds: stored.ageSeconds, state }, settings };
}

/** Nobody is held up, and nothing is set, where nobody runs. */
function heldUp(
  { progress, settings }: Heard,
  runner: number | null,
): Pick<MigrationStatus, 'paused' | 'throttledBy' | 'settings'> {
  const reasons = runner === null ? [] : (progress?.state.throttle ?? []);
  return {
    paused: runner !== null && (progress?.state.paused ?? false),
    throttledBy: reasons.length === 0 ? null : reasons.join('; '),
    settings: runner === null ? null : settings,
  };
}

/** null where it is not known, and where nothing is to be told: an ended migration is none of the table's business. */
function renamedTo(
  { phase }: MigrationRecord,
  { table: now, record: { table } }: TablePlaces,
): string | null {
  if (now === null || isOver(phase)) return null;
  return now.schema === table.schema && now.name === table.name ? null : displayName(now);
}

function percent(record: MigrationRecord, blocksCopied: number): number {
  switch (phaseTable[record.phase].copied) {
    case 'nothing':
      return 0;
    case 'chunks': {
      const total = onlyTable(record).blocksTotal ?? 0;
      return total === 0 ? 0 : Math.min(100, Math.floor((1000 * blocksCopied) / total) / 10);
    }
    case 'everything':
      return 100;
  }
}

function whatNext(
  record: MigrationRecord,
  found: TablePlaces &
    Pick<Whereabouts, 'origin'> & {
      readonly capture: CaptureMode;
      readonly window: RollbackWindow | null;
    },
  runner: number | null,
  layout: number,
): Text {
  const { id, phase } = record;
  const { capture, window } = found;
  const renamed = renamedTo(record, found);
  if (isSwapped(phase) && found.old?.isOutside === true)
    return advice`the old table was moved to ${displayName(found.old)} and is yours now; ${doing('finalize', id)} removes the rest`;
  if (runner !== null && isEnded(phase)) return `a command for it runs now, in backend ${runner}`;
  if (isSwapped(phase) && window !== null)
    return advice`${doing('rollback', id)} brings the table from before back, with everything that was written since; ${doing('finalize', id)} drops it once nobody needs it`;
  if (isSwapped(phase)) return advice`${doing('finalize', id)} drops the old table once nobody needs it`;
  if (isRolledBack(phase))
    return advice`it was rolled back: ${doing('rollforward', id)} brings the new table into use again, ${doing('finalize', id)} drops it`;
  if (isEnded(phase)) return 'nothing to do';
  if (layout < stateVersion)
    return 'an earlier version of pg-ghost began it: continue or abort it with that version';
  if (found.origin !== 'here') {
    const how = found.origin === 'copied' ? 'a copy of another database' : 'a dump of another database';
    return advice`it came here with ${how}: ${doing('abort', id)} removes it`;
  }
  if (runner !== null) return `runs now, in backend ${runner}`;
  if (renamed !== null)
    return advice`the table was renamed to ${renamed}: rename it back and ${toDo('resume', id)}, or ${toDo('abort', id)}`;
  const kept = capture === 'logical' ? '; until then the server keeps its WAL for it' : '';
  return advice`${doing('resume', id)} continues it, as the same run command does; ${doing('abort', id)} undoes it${kept}`;
}
