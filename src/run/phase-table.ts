/**
 * The phases of a migration and what leads from one to the next: pure, and complete by type.
 *
 * A phase is stored when it begins; a run that died in it comes back as `resumed`. Some phases are entered again one
 * or two steps earlier, where their own start makes whatever was half done whole:
 *  - `prepare`: its catalog work and its state are undone and done again.
 *  - `index`: rows that were repaired after an index could not be built are still in the shadow as they were, so it
 *    starts at `purge`, which takes them out.
 *  - `settle`, `verify`, `cutover`: the backlog has grown, so they start at `catch-up`.
 */
import type { Phase } from '../model/phase.js';

export type Transition = 'done' | 'resumed' | 'source-moved' | 'abort' | 'finalize';

export const transitions: Readonly<Record<Phase, Readonly<Record<Transition, Phase | null>>>> = {
  prepare: { done: 'copy', resumed: 'prepare', 'source-moved': null, abort: 'aborted', finalize: null },
  copy: { done: 'purge', resumed: 'copy', 'source-moved': 'copy', abort: 'aborted', finalize: null },
  purge: { done: 'index', resumed: 'purge', 'source-moved': null, abort: 'aborted', finalize: null },
  index: { done: 'catch-up', resumed: 'purge', 'source-moved': null, abort: 'aborted', finalize: null },
  'catch-up': { done: 'settle', resumed: 'catch-up', 'source-moved': null, abort: 'aborted', finalize: null },
  settle: { done: 'verify', resumed: 'catch-up', 'source-moved': null, abort: 'aborted', finalize: null },
  verify: { done: 'cutover', resumed: 'catch-up', 'source-moved': null, abort: 'aborted', finalize: null },
  cutover: { done: 'validate', resumed: 'catch-up', 'source-moved': null, abort: 'aborted', finalize: null },
  // Never stored: what is left of it is read from the catalog.
  validate: { done: 'swapped', resumed: null, 'source-moved': null, abort: null, finalize: null },
  // Foreign keys may be left to validate, and the log to drop.
  swapped: { done: null, resumed: 'validate', 'source-moved': null, abort: null, finalize: 'finalized' },
  finalized: { done: null, resumed: null, 'source-moved': null, abort: null, finalize: null },
  aborted: { done: null, resumed: null, 'source-moved': null, abort: null, finalize: null },
};

/** The phase that follows, or null where this cannot happen. */
export function next(phase: Phase, transition: Transition): Phase | null {
  return transitions[phase][transition];
}

/** Nothing runs in these any more. */
export function isEnded(phase: Phase): boolean {
  return next(phase, 'done') === null;
}
