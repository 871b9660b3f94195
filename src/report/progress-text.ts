/** The view state as text: a block of lines for a terminal, one line for everything else. Pure. */
import type { Blocker } from '../model/blocker.js';
import type { Phase } from '../model/phase.js';
import { bytes, clock, count, counted, duration, percent } from './format.js';
import type { Look } from './paint.js';
import { currentPhase, type LockWait, type PhaseView, type ProgressState } from '../model/progress.js';

const barWidth = 24;
/** Where the text of a phase begins; `catch-up` is the longest name. */
const indent = ' '.repeat(13);
/** More names than this say less than their number. */
const namesShown = 3;

/** What a terminal shows while the work goes on: one line for each phase, details under the current one. */
export function renderProgress(state: ProgressState, look: Look, now: number): string[] {
  const { paint, symbols } = look;
  if (state.id === null) return [paint('dim', 'planning')];
  const names = [state.table, state.shadow].filter((name) => name !== null).join(` ${symbols.arrow} `);
  const elapsed = state.startedAt === null ? '' : `  ${clock(Math.max(0, now - state.startedAt) / 1000)}`;
  return [
    `${paint('bold', `migration ${state.id}`)}  ${fit(names, look.width - 30, look)}${elapsed}`,
    ...state.phases.flatMap((view) => phaseLines(state, view, look)),
    ...(state.retrying === null
      ? []
      : [paint('yellow', fit(`without a connection: ${state.retrying}; trying again`, look.width, look))]),
  ];
}

/** The same in one line, without colours: `copy · 52 % · 1,560,000 rows · 312,000 rows/s`. */
export function progressLine(state: ProgressState, look: Look): string {
  const phase = currentPhase(state);
  if (phase === null) return state.id === null ? 'planning' : 'between two phases';
  const parts = [
    phase,
    ...details(state, phase, look).flat(),
    ...state.throttle.map((text) => `held up: ${text}`),
    ...(state.postponed === null ? [] : [`not swapped yet: ${state.postponed}`]),
    ...lockTexts(state.lock),
  ];
  return parts.join(` ${look.symbols.separator} `);
}

/** `pid 4711 (psql, user app, idle in transaction, open for 32s, AccessShareLock)` */
export function blockerText(blocker: Blocker): string {
  const { application, user, backendType, state, transactionSeconds, lockModes } = blocker;
  const facts = [
    backendType === 'client backend' ? application : backendType,
    user === null ? null : `user ${user}`,
    state,
    transactionSeconds === null ? null : `open for ${duration(transactionSeconds)}`,
    lockModes.join(', '),
  ].filter((fact) => fact !== null && fact !== '');
  return `pid ${blocker.pid}${facts.length > 0 ? ` (${facts.join(', ')})` : ''}`;
}

function phaseLines(state: ProgressState, view: PhaseView, look: Look): string[] {
  const { paint, symbols } = look;
  const name = view.phase.padEnd(10);
  const mark = symbols[view.mark];
  if (view.mark === 'pending') return [paint('dim', `${mark} ${name}`.trimEnd())];
  if (view.mark === 'done') {
    return [`${paint('green', mark)} ${name} ${paint('dim', doneText(state, view, look))}`.trimEnd()];
  }
  const [first = '', ...rest] = [
    ...details(state, view.phase, look).map((parts) => parts.join(` ${symbols.separator} `)),
    ...state.throttle.map((text) => `held up: ${text}`),
    ...(state.postponed === null ? [] : [`not swapped yet: ${state.postponed}`]),
    ...lockTexts(state.lock),
  ];
  const bar = view.phase === 'copy' && state.copy !== null ? `${barOf(state.copy, look)} ` : '';
  const room = look.width - indent.length;
  return [
    `${paint('cyan', mark)} ${paint('bold', name)} ${bar === '' ? '' : paint('cyan', bar)}${fit(first, room - bar.length, look)}`.trimEnd(),
    ...rest.map((text) => indent + fit(text, room, look)),
  ];
}

function barOf(copy: NonNullable<ProgressState['copy']>, { symbols }: Look): string {
  const full = Math.floor((percent(copy.blocksDone, copy.blocksTotal) / 100) * barWidth);
  return symbols.barFull.repeat(full) + symbols.barEmpty.repeat(barWidth - full);
}

function doneText(state: ProgressState, view: PhaseView, { symbols }: Look): string {
  const parts = [view.seconds === null ? (state.fresh ? null : 'done before') : duration(view.seconds)];
  if (view.phase === 'copy' && state.copy !== null) parts.push(counted(state.copy.rowsCopied, 'row'));
  if (view.phase === 'purge' && state.purgedRows !== null) {
    parts.push(`${counted(state.purgedRows, 'row')} written meanwhile taken out`);
  }
  if (view.phase === 'index' && state.index !== null)
    parts.push(counted(state.index.total, 'index', 'indexes'));
  if (view.phase === 'catch-up' && state.apply !== null)
    parts.push(`${counted(state.apply.keysApplied, 'key')} applied`);
  if (view.phase === 'verify') parts.push(...verifiedFacts(state.verified));
  return parts.filter((part) => part !== null).join(` ${symbols.separator} `);
}

/** Also in the log's line for the end of the phase. */
export function verifiedFacts(verified: ProgressState['verified']): string[] {
  if (verified === null) return [];
  const what = verified.mode === 'sample' ? 'a sample: ' : '';
  const leftOut = verified.leftOut.map(({ column }) => column).join(', ');
  return [
    `${what}${counted(verified.rows, 'row')} compared, ${counted(verified.differences, 'difference')}`,
    ...(leftOut === '' ? [] : [`not compared: ${leftOut}`]),
  ];
}

/** Lines, each in parts. */
function details(state: ProgressState, phase: Phase, look: Look): string[][] {
  const lines: string[][] = [];
  if (phase === 'copy' && state.copy !== null) lines.push(...copyDetails(state.copy));
  if (phase === 'index' && state.index !== null) lines.push(indexDetails(state.index, look));
  if (phase === 'verify' && state.verify !== null) lines.push(...verifyDetails(state.verify));
  // The backlog grows and shrinks until the swap, whatever else goes on.
  if (state.apply !== null && (phase === 'catch-up' || state.apply.backlog > 0))
    lines.push(applyDetails(state.apply));
  return lines;
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

function applyDetails(apply: NonNullable<ProgressState['apply']>): string[] {
  return [
    `backlog ${count(apply.backlog)}`,
    ...(apply.keysPerSecond === null ? [] : [`${count(apply.keysPerSecond)} keys/s`]),
    ...(apply.keysApplied === 0 ? [] : [`batches of ${duration(apply.batchMs / 1000)}`]),
  ];
}

const missedWhy = {
  lock: 'not obtained',
  hold: 'took longer than --max-hold and was rolled back',
  deadlock: 'gave way to another session',
  harm: 'too many waited behind it',
  altered: 'taken back, the table was altered right before',
  'old-transaction': 'not tried, an old transaction has it',
  wraparound: 'not tried, an autovacuum to prevent wraparound has it',
  'not-ready': 'not tried',
  'old-snapshot': 'not there yet',
} as const;

/** Which lock is waited for, and who holds it; nothing where there is none. */
export function lockTexts(lock: LockWait | null): string[] {
  if (lock === null) return [];
  const texts: string[] = [];
  if (lock.timeoutMs !== null) {
    const how = lock.timeoutMs === 0 ? 'without waiting' : `waiting up to ${duration(lock.timeoutMs / 1000)}`;
    texts.push(`lock for ${lock.what}: try ${lock.attempt}, ${how}`);
  }
  if (lock.missed !== null) {
    const { why, reason, nextTryMs, blockers } = lock.missed;
    const isTried = lock.timeoutMs === null && why !== 'old-snapshot';
    const next = isTried ? `, next in ${duration(nextTryMs / 1000)}` : '';
    const tryText = lock.timeoutMs === null ? waitText(lock, why) : 'last try';
    const because = reason === null ? '' : `, ${reason}`;
    texts.push(`${tryText}: ${missedWhy[why]}${because}${next}`);
    texts.push(...blockers.slice(0, namesShown).map((blocker) => `held by ${blockerText(blocker)}`));
    if (blockers.length > namesShown) texts.push(`held by ${count(blockers.length - namesShown)} more`);
  }
  return texts;
}

function waitText({ what, attempt }: LockWait, why: keyof typeof missedWhy): string {
  return why === 'old-snapshot' ? what : `lock for ${what}: try ${attempt}`;
}

function listed(names: readonly string[], { symbols }: Look): string {
  const shown = names.slice(0, namesShown).join(', ');
  return names.length > namesShown ? `${shown}, ${symbols.ellipsis}` : shown;
}

/** A line that wraps would be counted wrongly when the block is drawn again. */
function fit(text: string, width: number, { symbols }: Look): string {
  const room = Math.max(10, width);
  return text.length <= room ? text : text.slice(0, room - symbols.ellipsis.length) + symbols.ellipsis;
}
