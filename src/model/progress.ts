/** Where a run stands, as data: events in, view state out. What a display shows is decided here, how it looks elsewhere. */
import type { Text } from '../advice.js';
import type { EventMap, MigrationEvent } from './event.js';
import { type Phase, phases, phaseStoredBy, phaseTable } from './phase.js';

/** Those that a display has a line for. */
export const shownPhases = phases.filter((phase) => phaseTable[phase].isShown);

export interface PhaseView {
  readonly phase: Phase;
  readonly mark: 'done' | 'current' | 'pending';
  /** null while it runs, and for phases that an earlier run did. */
  readonly seconds: number | null;
}

/** A lock that is not ours yet. */
export interface LockWait {
  readonly what: string;
  /** The number of the try that runs, or that was missed last. */
  readonly attempt: number;
  /** What the try that runs now allows itself; null between two tries. */
  readonly timeoutMs: number | null;
  /** The last try that failed. */
  readonly missed: {
    readonly why: EventMap['lock:missed']['why'];
    readonly reason: string | null;
    readonly blockers: EventMap['cutover:missed']['blockers'];
    readonly nextTryMs: number;
  } | null;
}

export interface ProgressState {
  readonly id: number | null;
  readonly table: string | null;
  readonly shadow: string | null;
  /** False when an earlier run began it. */
  readonly fresh: boolean;
  /** Of the first event; ms since the epoch. */
  readonly startedAt: number | null;
  /** Empty until a migration has started: a native change has none. */
  readonly phases: readonly PhaseView[];
  readonly copy: EventMap['copy:progress'] | null;
  readonly purgedRows: number | null;
  readonly index: EventMap['index:progress'] | null;
  readonly apply: EventMap['apply:progress'] | null;
  readonly verify: EventMap['verify:progress'] | null;
  readonly verified: EventMap['verify:done'] | null;
  readonly lock: LockWait | null;
  /** Why copy and verification are held up; empty when they are not. */
  readonly throttle: readonly string[];
  /** Somebody has asked for it. */
  readonly paused: boolean;
  /** Why the swap is not tried now. */
  readonly postponed: Text | null;
  /** Blocked backends x milliseconds of all locks so far. */
  readonly harmMs: number;
  /** How often somebody altered the table, and the shadow followed. */
  readonly followed: number;
  /** Why the run is without a connection; null when it has one. */
  readonly retrying: string | null;
  readonly finished: boolean;
}

export const initialProgress: ProgressState = {
  id: null,
  table: null,
  shadow: null,
  fresh: true,
  startedAt: null,
  phases: [],
  copy: null,
  purgedRows: null,
  index: null,
  apply: null,
  verify: null,
  verified: null,
  lock: null,
  throttle: [],
  paused: false,
  postponed: null,
  harmMs: 0,
  followed: 0,
  retrying: null,
  finished: false,
};

export function reduceProgress(before: ProgressState, event: MigrationEvent): ProgressState {
  const state = {
    ...before,
    id: event.id ?? before.id,
    startedAt: before.startedAt ?? event.at.getTime(),
  };
  switch (event.event) {
    case 'migration:started':
      return {
        ...state,
        table: event.table,
        shadow: event.shadow,
        fresh: event.fresh,
        phases: phasesAt(event.phase, []),
      };
    case 'phase:started':
      return { ...state, lock: null, phases: phasesAt(event.phase, state.phases) };
    case 'phase:done':
      return {
        ...state,
        lock: null,
        phases: state.phases.map((view) =>
          view.phase === event.phase ? { ...view, mark: 'done', seconds: event.seconds } : view,
        ),
      };
    case 'copy:restarted':
      return {
        ...state,
        copy: null,
        purgedRows: null,
        index: null,
        phases: phasesAt(phaseStoredBy('copy start'), []),
      };
    case 'source:followed':
      return { ...state, followed: (state.followed ?? 0) + 1 };
    case 'copy:progress':
      return { ...state, copy: event };
    case 'purge:done':
      return { ...state, purgedRows: event.rows };
    case 'index:progress':
      return { ...state, index: event };
    case 'apply:progress':
      return { ...state, apply: event };
    case 'verify:progress':
      return { ...state, verify: event };
    case 'verify:done':
      return { ...state, verified: event };
    case 'cutover:try':
      return {
        ...state,
        postponed: null,
        lock: {
          what: 'the swap',
          attempt: event.attempt,
          timeoutMs: event.lockTimeoutMs,
          missed: state.lock?.missed ?? null,
        },
      };
    case 'cutover:missed':
    case 'lock:missed':
      return { ...state, postponed: null, lock: missedLock(event) };
    case 'cutover:done':
    case 'cutover:rehearsed':
      return { ...state, lock: null };
    case 'native:done':
    case 'migration:done':
    case 'turn:done':
    case 'sync:done':
      return { ...state, lock: null, finished: true };
    case 'throttle':
      return { ...state, throttle: event.kind === 'go' ? [] : event.reasons.map(({ text }) => text) };
    case 'cutover:postponed':
      return { ...state, lock: null, postponed: event.why };
    case 'run:retrying':
      // What the next attempt is held up by, it reads anew.
      return { ...state, lock: null, throttle: [], retrying: event.message };
    case 'run:resumed':
      return { ...state, retrying: null };
    case 'lock:taken':
      return { ...state, harmMs: state.harmMs + event.blockedMs };
    case 'run:asked':
      return event.ok ? asked(state, event.name) : state;
    case 'lock:blocker':
    case 'plan:ready':
    case 'slot:progress':
    case 'index:started':
    case 'index:done':
    case 'warning':
      return state;
  }
}

function asked(state: ProgressState, name: EventMap['run:asked']['name']): ProgressState {
  switch (name) {
    case 'pause':
      return { ...state, paused: true };
    case 'unpause':
      return { ...state, paused: false };
    case 'cutover':
      // While it is paused the swap stays what it was: put off until that is over.
      return state.paused ? state : { ...state, postponed: null };
    default:
      return state;
  }
}

export function currentPhase(state: ProgressState): Phase | null {
  return state.phases.find((view) => view.mark === 'current')?.phase ?? null;
}

/** Everything before the phase is done, everything after it is to come: a restarted copy goes back in the list. */
function phasesAt(phase: Phase, before: readonly PhaseView[]): PhaseView[] {
  const at = phases.indexOf(phase);
  return shownPhases.map((each, index) => {
    const seconds = before.find((view) => view.phase === each)?.seconds ?? null;
    if (index < at) return { phase: each, mark: 'done', seconds };
    return { phase: each, mark: index === at ? 'current' : 'pending', seconds: null };
  });
}

function missedLock(event: Extract<MigrationEvent, { event: 'cutover:missed' | 'lock:missed' }>): LockWait {
  const { attempt, why, reason, blockers, nextTryMs } = event;
  return {
    what: event.event === 'lock:missed' ? event.what : 'the swap',
    attempt,
    timeoutMs: null,
    missed: { why, reason, blockers, nextTryMs },
  };
}
