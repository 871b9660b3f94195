/** The table of phases, and that everybody asks it. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import {
  isEnded,
  isOver,
  isRolledBack,
  isSwapped,
  next,
  phases,
  phaseStoredBy,
  phaseTable,
  wayFrom,
  type Phase,
  type PhaseRow,
  type Transition,
} from '../../src/model/phase.js';
import { isActiveSql } from '../../src/state/phase-sql.js';

const those = (has: (row: PhaseRow) => boolean): Phase[] => phases.filter((phase) => has(phaseTable[phase]));

/** From the beginning, as long as something follows. */
function way(transition: Transition, from: Phase): Phase[] {
  const following = next(from, transition);
  return following === null ? [from] : [from, ...way(transition, following)];
}

test('done leads from the first phase over every other one to swapped, in the order of the displays', () => {
  expect(way('done', 'prepare')).toEqual(phases.slice(0, phases.indexOf('swapped') + 1));
  expect(next('swapped', 'finalize')).toBe('finalized');
  expect(those(({ isShown }) => isShown)).toEqual(phases.slice(0, phases.indexOf('cutover') + 1));
});

test('a resumed run begins where what was half done is made whole', () => {
  expect(phases.map((phase) => [phase, next(phase, 'resumed')])).toEqual([
    ['prepare', 'prepare'],
    ['copy', 'copy'],
    ['purge', 'purge'],
    // Rows that were put right are still in the shadow as they were.
    ['index', 'purge'],
    // The backlog has grown since.
    ['catch-up', 'catch-up'],
    ['settle', 'catch-up'],
    ['verify', 'catch-up'],
    ['cutover', 'catch-up'],
    // Never stored.
    ['validate', null],
    ['swapped', 'validate'],
    ['rolled-back', 'validate'],
    ['finalized', null],
    ['aborted', null],
  ]);
  for (const phase of phases) {
    const again = next(phase, 'resumed');
    // One that begins there and dies at once begins there again.
    if (again !== null && phaseTable[again].storedBy !== 'nobody') expect(next(again, 'resumed')).toBe(again);
    if (again !== null) expect(isEnded(again)).toBe(false);
  }
});

test('a migration can be aborted until the swap, and finalized after it; then nothing leads anywhere', () => {
  for (const phase of phases) {
    const isActive = !isEnded(phase) && !isSwapped(phase);
    const isKept = phase === 'swapped' || phase === 'rolled-back';
    expect([phase, next(phase, 'abort')]).toEqual([phase, isActive ? 'aborted' : null]);
    expect([phase, next(phase, 'finalize')]).toEqual([phase, isKept ? 'finalized' : null]);
    // Only a copy has block numbers that mean nothing after that.
    expect([phase, next(phase, 'source-moved')]).toEqual([phase, phase === 'copy' ? 'copy' : null]);
    expect(Object.keys(phaseTable[phase].leadsTo).length === 0).toBe(isOver(phase));
  }
  expect(phases.filter(isOver)).toEqual(['finalized', 'aborted']);
  expect(phases.filter(isSwapped)).toEqual(['validate', 'swapped']);
  expect(phases.filter(isRolledBack)).toEqual(['rolled-back']);
  expect(phases.filter((phase) => wayFrom(phase) === 'back')).toEqual(['validate', 'swapped']);
});

test('whoever stores a phase is the only one', () => {
  expect(phaseStoredBy('insert')).toBe('prepare');
  expect(phaseStoredBy('copy start')).toBe('copy');
  expect(phaseStoredBy('swap')).toBe('swapped');
  expect(phaseStoredBy('swap back')).toBe('rolled-back');
  for (const writer of ['insert', 'copy start', 'swap', 'swap back'] as const)
    expect(those(({ storedBy }) => storedBy === writer)).toHaveLength(1);
  // What the run stores as it enters it is the run's to do; what a command stores is an end.
  for (const phase of those(({ storedBy }) => storedBy === 'run')) expect(isEnded(phase)).toBe(false);
  for (const phase of those(({ storedBy }) => storedBy === 'command')) expect(isOver(phase)).toBe(true);
});

test('what a run does and shows in them', () => {
  expect(those(({ endsAtCriticalLimit }) => endsAtCriticalLimit)).toEqual([
    'copy',
    'purge',
    'index',
    'catch-up',
    'settle',
    'verify',
  ]);
  expect(those(({ compactsLog }) => compactsLog)).toEqual(['copy', 'purge', 'index', 'settle']);
  expect(those(({ isComparable }) => isComparable)).toEqual([
    'catch-up',
    'settle',
    'verify',
    'cutover',
    'validate',
    'swapped',
    'rolled-back',
  ]);
  expect(those(({ beside }) => beside === 'nothing yet')).toEqual(['prepare']);
  expect(those(({ copied }) => copied !== 'everything')).toEqual(['prepare', 'copy', 'aborted']);
});

test('what the state calls active is what the table calls so', () => {
  expect(isActiveSql).toBe(`phase not in ('swapped', 'rolled-back', 'finalized', 'aborted')`);
});

test('nobody knows a phase by its name but for what is shown of that one', () => {
  const folder = fileURLToPath(new URL('../../src', import.meta.url));
  const found = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .flatMap((path) => {
      const text = readFileSync(join(folder, path), 'utf8');
      return [...text.matchAll(/\bphase (?:[!=]==|not in|in|=|<>) (?:\(?'[a-z-]+')/gi)].map(
        ([match]) => `${path}: ${match}`,
      );
    });
  expect(found.toSorted()).toEqual([
    // Figures of that one phase.
    "cli/demo/figures.ts: phase === 'copy'",
    "report/metrics.ts: phase === 'verify'",
    // Statements of versions of the state, which stay as they were made.
    "state/upgrades.ts: phase = 'swapped'",
  ]);
});
