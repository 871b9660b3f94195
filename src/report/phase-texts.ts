/** What there is to say of each phase: while it is at work, and when it is done. Pure. */
import type { Phase } from '../model/phase.js';
import type { ProgressState } from '../model/progress.js';
import { bytes, count, counted, duration, percent } from './format.js';
import type { Look } from './paint.js';

const barWidth = 24;
/** More names than this say less than their number. */
const namesShown = 3;

export interface PhaseTexts {
  /** Lines, each in parts. */
  readonly now: (state: ProgressState, look: Look) => string[][];
  /** null: it has none. */
  readonly bar: (state: ProgressState, look: Look) => string | null;
  readonly done: (state: ProgressState) => string[];
  /** A log of lines has told by then what `done` says. */
  readonly isLogged: boolean;
}

const nothing: PhaseTexts = { now: backlog, bar: () => null, done: () => [], isLogged: false };

export const phaseTexts: Readonly<Record<Phase, PhaseTexts>> = {
  prepare: nothing,
  copy: {
    now: (state) => [...(state.copy === null ? [] : copyDetails(state.copy)), ...backlog(state)],
    bar: ({ copy }, look) => (copy === null ? null : barOf(copy, look)),
    done: ({ copy }) => (copy === null ? [] : [counted(copy.rowsCopied, 'row')]),
    isLogged: false,
  },
  purge: {
    ...nothing,
    done: ({ purgedRows: rows }) =>
      rows === null ? [] : [`${counted(rows, 'row')} written meanwhile taken out`],
  },
  index: {
    ...nothing,
    now: (state, look) => [
      ...(state.index === null ? [] : [indexDetails(state.index, look)]),
      ...backlog(state),
    ],
    done: ({ index }) => (index === null ? [] : [counted(index.total, 'index', 'indexes')]),
    isLogged: true,
  },
  'catch-up': {
    ...nothing,
    now: ({ apply }) => (apply === null ? [] : [applyDetails(apply)]),
    done: ({ apply }) => (apply === null ? [] : [`${counted(apply.keysApplied, 'key')} applied`]),
    isLogged: true,
  },
  settle: nothing,
  verify: {
    ...nothing,
    now: (state) => [...(state.verify === null ? [] : verifyDetails(state.verify)), ...backlog(state)],
    done: ({ verified }) => (verified === null ? [] : verifiedFacts(verified)),
  },
  cutover: nothing,
  validate: nothing,
  swapped: nothing,
  'rolled-back': nothing,
  finalized: nothing,
  aborted: nothing,
};

/** It grows and shrinks until the swap, whatever else goes on. */
function backlog({ apply }: ProgressState): string[][] {
  return apply !== null && apply.backlog > 0 ? [applyDetails(apply)] : [];
}

function barOf(copy: NonNullable<ProgressState['copy']>, { symbols }: Look): string {
  const full = Math.floor((percent(copy.blocksDone, copy.blocksTotal) / 100) * barWidth);
  return symbols.barFull.repeat(full) + symbols.barEmpty.repeat(barWidth - full);
}

function copyDetails(copy: NonNullable<ProgressState['copy']>): string[][] {
  return [
    [`${percent(copy.blocksDone, copy.blocksTotal)} %`, counted(copy.rowsCopied, 'row')],
    [
      ...(copy.rowsPerSecond === null ? [] : [`${count(copy.rowsPerSecond)} rows/s`]),
      ...(copy.bytesPerSecond === null ? [] : [`${bytes(copy.bytesPerSecond)}/s`]),
      copy.etaSeconds === null ? 'no estimate yet' : `${duration(Math.ceil(copy.etaSeconds))} left`,
    ],
    [
      counted(copy.workers, 'worker'),
      `chunks of ${counted(copy.chunkBlocks, 'block')} in ${duration(copy.chunkMs / 1000)}`,
    ],
  ];
}

function verifyDetails(verify: NonNullable<ProgressState['verify']>): string[][] {
  const total = verify.rowsTotal;
  return [
    [
      ...(total === null || total === 0 ? [] : [`${percent(Math.min(verify.rowsDone, total), total)} %`]),
      `${counted(verify.rowsDone, 'row')} compared`,
    ],
    [
      ...(verify.rowsPerSecond === null ? [] : [`${count(verify.rowsPerSecond)} rows/s`]),
      verify.etaSeconds === null ? 'no estimate yet' : `${duration(Math.ceil(verify.etaSeconds))} left`,
    ],
    ...(verify.differences === 0 ? [] : [[`${counted(verify.differences, 'difference')} so far`]]),
  ];
}

function indexDetails(index: NonNullable<ProgressState['index']>, look: Look): string[] {
  return [
    `${count(index.done)} of ${counted(index.total, 'index', 'indexes')}`,
    ...(index.running.length > 0 ? [`building ${listed(index.running, look)}`] : []),
  ];
}

function listed(names: readonly string[], { symbols }: Look): string {
  const shown = names.slice(0, namesShown).join(', ');
  return names.length > namesShown ? `${shown}, ${symbols.ellipsis}` : shown;
}

function applyDetails(apply: NonNullable<ProgressState['apply']>): string[] {
  return [
    `backlog ${count(apply.backlog)}`,
    ...(apply.keysPerSecond === null ? [] : [`${count(apply.keysPerSecond)} keys/s`]),
    ...(apply.keysApplied === 0 ? [] : [`batches of ${duration(apply.batchMs / 1000)}`]),
  ];
}

function verifiedFacts(verified: NonNullable<ProgressState['verified']>): string[] {
  const what = verified.mode === 'sample' ? 'a sample: ' : '';
  const leftOut = verified.leftOut.map(({ column }) => column).join(', ');
  return [
    `${what}${counted(verified.rows, 'row')} compared, ${counted(verified.differences, 'difference')}`,
    ...(leftOut === '' ? [] : [`not compared: ${leftOut}`]),
  ];
}
