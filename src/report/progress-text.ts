/** The view state as text: a block of lines for a terminal, one line for everything else. Pure. */
import { inWords } from '../advice.js';
import type { Blocker } from '../model/blocker.js';
import { clock, count, duration } from './format.js';
import type { Look } from './paint.js';
import { phaseTexts } from './phase-texts.js';
import { currentPhase, type LockWait, type PhaseView, type ProgressState } from '../model/progress.js';

/** Where the text of a phase begins; `catch-up` is the longest name. */
const indent = ' '.repeat(13);
/** More of them than this say less than their number. */
const blockersShown = 3;

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
    ...phaseTexts[phase].now(state, look).flat(),
    ...state.throttle.map((text) => `held up: ${text}`),
    ...(state.postponed === null ? [] : [`not swapped yet: ${inWords(state.postponed)}`]),
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
  const texts = phaseTexts[view.phase];
  const [first = '', ...rest] = [
    ...texts.now(state, look).map((parts) => parts.join(` ${symbols.separator} `)),
    ...state.throttle.map((text) => `held up: ${text}`),
    ...(state.postponed === null ? [] : [`not swapped yet: ${inWords(state.postponed)}`]),
    ...lockTexts(state.lock),
  ];
  const bar = texts.bar(state, look);
  const before = bar === null ? '' : `${bar} `;
  const room = look.width - indent.length;
  return [
    `${paint('cyan', mark)} ${paint('bold', name)} ${before === '' ? '' : paint('cyan', before)}${fit(first, room - before.length, look)}`.trimEnd(),
    ...rest.map((text) => indent + fit(text, room, look)),
  ];
}

function doneText(state: ProgressState, view: PhaseView, { symbols }: Look): string {
  const parts = [
    view.seconds === null ? (state.fresh ? null : 'done before') : duration(view.seconds),
    ...phaseTexts[view.phase].done(state),
  ];
  return parts.filter((part) => part !== null).join(` ${symbols.separator} `);
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
    texts.push(...blockers.slice(0, blockersShown).map((blocker) => `held by ${blockerText(blocker)}`));
    if (blockers.length > blockersShown) texts.push(`held by ${count(blockers.length - blockersShown)} more`);
  }
  return texts;
}

function waitText({ what, attempt }: LockWait, why: keyof typeof missedWhy): string {
  return why === 'old-snapshot' ? what : `lock for ${what}: try ${attempt}`;
}

/** A line that wraps would be counted wrongly when the block is drawn again. */
function fit(text: string, width: number, { symbols }: Look): string {
  const room = Math.max(10, width);
  return text.length <= room ? text : text.slice(0, room - symbols.ellipsis.length) + symbols.ellipsis;
}
