/**
 * The phases of a migration, as data: a row for each. Whoever has to know something of a phase asks its row; what a run does in
 * it is in `run/phase-table.ts`.
 */

import type { Direction } from './direction.js';

/** In the order in which they are passed, stored and shown. */
export const phases = [
  'prepare',
  'copy',
  'purge',
  'index',
  'catch-up',
  'settle',
  'verify',
  'cutover',
  'validate',
  'swapped',
  'rolled-back',
  'finalized',
  'aborted',
] as const;

export type Phase = (typeof phases)[number];

/** What leads from one phase to another. `resumed`: a run finds it in the state. */
export type Transition = 'done' | 'resumed' | 'source-moved' | 'abort' | 'finalize';

export interface PhaseRow {
  /**
   * Whose transaction writes it into the state: that of the migration's first row; that in which a copy begins (the first one
   * switches capture on); of the run as it enters the phase; the swap's own, or that of the swap back; that in which a command
   * removes what is left.
   */
  readonly storedBy: 'insert' | 'copy start' | 'run' | 'swap' | 'swap back' | 'command' | 'nobody';
  /** What is not here cannot happen. */
  readonly leadsTo: Readonly<Partial<Record<Transition, Phase>>>;
  /** Nothing runs in it any more, and the table may be in another migration. */
  readonly isEnd: boolean;
  /** What the migration has beside the user's table. While that is nothing yet, nothing is worth keeping. */
  readonly beside: 'nothing yet' | 'shadow' | 'old table' | 'new table' | 'nothing left';
  /** How much of the rows; `chunks`: they are counted. */
  readonly copied: 'nothing' | 'chunks' | 'everything';
  /** Both tables are there whole, with an index to find a row by. */
  readonly isComparable: boolean;
  /**
   * At once, whatever it is at. Before capture is on there is nothing to keep; the swap asks right before each try
   * (run/postponement.ts); and what was swapped is brought to its end.
   */
  readonly endsAtCriticalLimit: boolean;
  /** The log is kept short beside the work: nothing of it can be applied yet, or nothing is. */
  readonly compactsLog: boolean;
  /** It has a line in the displays of a run. */
  readonly isShown: boolean;
}

const table = {
  prepare: {
    storedBy: 'insert',
    // Its catalog work and its state are undone and done again.
    leadsTo: { done: 'copy', resumed: 'prepare', abort: 'aborted' },
    isEnd: false,
    beside: 'nothing yet',
    copied: 'nothing',
    isComparable: false,
    endsAtCriticalLimit: false,
    compactsLog: false,
    isShown: true,
  },
  copy: {
    storedBy: 'copy start',
    leadsTo: { done: 'purge', resumed: 'copy', 'source-moved': 'copy', abort: 'aborted' },
    isEnd: false,
    beside: 'shadow',
    copied: 'chunks',
    isComparable: false,
    endsAtCriticalLimit: true,
    compactsLog: true,
    isShown: true,
  },
  purge: {
    storedBy: 'run',
    leadsTo: { done: 'index', resumed: 'purge', abort: 'aborted' },
    isEnd: false,
    beside: 'shadow',
    copied: 'everything',
    isComparable: false,
    endsAtCriticalLimit: true,
    compactsLog: true,
    isShown: true,
  },
  index: {
    storedBy: 'run',
    // Rows that were put right after an index could not be built are still in the shadow as they were: purge takes them out.
    leadsTo: { done: 'catch-up', resumed: 'purge', abort: 'aborted' },
    isEnd: false,
    beside: 'shadow',
    copied: 'everything',
    isComparable: false,
    endsAtCriticalLimit: true,
    compactsLog: true,
    isShown: true,
  },
  'catch-up': {
    storedBy: 'run',
    leadsTo: { done: 'settle', resumed: 'catch-up', abort: 'aborted' },
    isEnd: false,
    beside: 'shadow',
    copied: 'everything',
    isComparable: true,
    endsAtCriticalLimit: true,
    compactsLog: false,
    isShown: true,
  },
  settle: {
    storedBy: 'run',
    // The backlog has grown since; in the two that follow as well.
    leadsTo: { done: 'verify', resumed: 'catch-up', abort: 'aborted' },
    isEnd: false,
    beside: 'shadow',
    copied: 'everything',
    isComparable: true,
    endsAtCriticalLimit: true,
    compactsLog: true,
    isShown: true,
  },
  verify: {
    storedBy: 'run',
    leadsTo: { done: 'cutover', resumed: 'catch-up', abort: 'aborted' },
    isEnd: false,
    beside: 'shadow',
    copied: 'everything',
    isComparable: true,
    endsAtCriticalLimit: true,
    compactsLog: false,
    isShown: true,
  },
  cutover: {
    storedBy: 'run',
    leadsTo: { done: 'validate', resumed: 'catch-up', abort: 'aborted' },
    isEnd: false,
    beside: 'shadow',
    copied: 'everything',
    isComparable: true,
    endsAtCriticalLimit: false,
    compactsLog: false,
    isShown: true,
  },
  validate: {
    // The swap's commit says `swapped` already; what is left to do is read from the catalog.
    storedBy: 'nobody',
    leadsTo: { done: 'swapped' },
    isEnd: false,
    beside: 'old table',
    copied: 'everything',
    isComparable: true,
    endsAtCriticalLimit: false,
    compactsLog: false,
    isShown: false,
  },
  swapped: {
    storedBy: 'swap',
    // Foreign keys may be left to validate, and the log to drop.
    leadsTo: { resumed: 'validate', finalize: 'finalized' },
    isEnd: true,
    beside: 'old table',
    copied: 'everything',
    isComparable: true,
    endsAtCriticalLimit: false,
    compactsLog: false,
    isShown: false,
  },
  'rolled-back': {
    storedBy: 'swap back',
    leadsTo: { resumed: 'validate', finalize: 'finalized' },
    isEnd: true,
    beside: 'new table',
    copied: 'everything',
    isComparable: true,
    endsAtCriticalLimit: false,
    compactsLog: false,
    isShown: false,
  },
  finalized: {
    storedBy: 'command',
    leadsTo: {},
    isEnd: true,
    beside: 'nothing left',
    copied: 'everything',
    isComparable: false,
    endsAtCriticalLimit: false,
    compactsLog: false,
    isShown: false,
  },
  aborted: {
    storedBy: 'command',
    leadsTo: {},
    isEnd: true,
    beside: 'nothing left',
    copied: 'nothing',
    isComparable: false,
    endsAtCriticalLimit: false,
    compactsLog: false,
    isShown: false,
  },
} as const satisfies Readonly<Record<Phase, PhaseRow>>;

/** Those in which a run has work to do. */
export type RunningPhase = {
  [Each in Phase]: (typeof table)[Each]['isEnd'] extends true ? never : Each;
}[Phase];

export const phaseTable: Readonly<Record<Phase, PhaseRow>> = table;

/** The phase that follows, or null where this cannot happen. */
export function next(phase: Phase, transition: Transition): Phase | null {
  return phaseTable[phase].leadsTo[transition] ?? null;
}

export function isEnded(phase: Phase): phase is Exclude<Phase, RunningPhase> {
  return phaseTable[phase].isEnd;
}

/** The new table is in use, and the one from before is kept. */
export function isSwapped(phase: Phase): boolean {
  return phaseTable[phase].beside === 'old table';
}

/** The table from before is in use again, and the new one is kept. */
export function isRolledBack(phase: Phase): boolean {
  return phaseTable[phase].beside === 'new table';
}

/** Which way the rows that are written at rest go to the table that is kept. */
export function wayFrom(phase: Phase): Direction {
  return isSwapped(phase) ? 'back' : 'forward';
}

/** There is nothing left of the migration but the record of it. */
export function isOver(phase: Phase): boolean {
  return phaseTable[phase].beside === 'nothing left';
}

/** The one phase that is stored by this, and by no step of a run from one phase to the next. */
export function phaseStoredBy(writer: 'insert' | 'copy start' | 'swap' | 'swap back'): Phase {
  const found = phases.find((phase) => phaseTable[phase].storedBy === writer);
  if (found === undefined) throw new Error(`no phase is stored by the ${writer}`);
  return found;
}
