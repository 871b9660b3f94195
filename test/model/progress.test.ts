import { expect, test } from 'vitest';
import { currentPhase, shownPhases } from '../../src/model/progress.js';
import { plainLook } from '../../src/report/paint.js';
import { renderProgress } from '../../src/report/progress-text.js';
import { after, blocker, copying, event, started } from '../report/events.js';

const marks = (...events: Parameters<typeof after>): string =>
  after(...events)
    .phases.map(({ mark }) => mark[0])
    .join('');

test('phases go by one after the other', () => {
  expect(shownPhases).toEqual([
    'prepare',
    'copy',
    'purge',
    'index',
    'catch-up',
    'settle',
    'verify',
    'cutover',
  ]);
  expect(marks(started)).toBe('cppppppp');
  expect(marks(started, event('phase:done', { phase: 'prepare', seconds: 0.1 }))).toBe('dppppppp');
  expect(marks(started, event('phase:started', { phase: 'index' }))).toBe('dddcpppp');
  expect(marks(started, event('phase:started', { phase: 'swapped' }))).toBe('dddddddd');
});

test('a run that goes on begins in the middle', () => {
  const resumed = event('migration:started', { table: 't', shadow: 's', fresh: false, phase: 'purge' });
  expect(marks(resumed)).toBe('ddcppppp');
  expect(after(resumed).phases[0]).toEqual({ phase: 'prepare', mark: 'done', seconds: null });
});

test('a restarted copy forgets what came after it', () => {
  const state = after(
    started,
    event('phase:started', { phase: 'index' }),
    event('copy:progress', copying),
    event('index:progress', { done: 1, total: 2, running: [] }),
    event('copy:restarted', { why: 'TRUNCATE' }),
  );
  expect(currentPhase(state)).toBe('copy');
  expect(state).toMatchObject({ copy: null, index: null });
});

test('a missed lock is remembered during the next try and forgotten with its phase', () => {
  const missed = event('cutover:missed', {
    attempt: 1,
    waitedMs: 50,
    why: 'lock',
    reason: null,
    tried: true,
    blockers: [blocker],
    nextTryMs: 250,
  });
  const retry = event('cutover:try', { attempt: 2, lockTimeoutMs: 100 });
  expect(after(started, missed).lock).toMatchObject({
    attempt: 1,
    timeoutMs: null,
    missed: { nextTryMs: 250 },
  });
  expect(after(started, missed, retry).lock).toMatchObject({
    attempt: 2,
    timeoutMs: 100,
    missed: { why: 'lock' },
  });
  expect(after(started, missed, event('phase:done', { phase: 'cutover', seconds: 1 })).lock).toBeNull();
});

test('the end of old snapshots is waited for: the swap is not postponed any more, and it is no try', () => {
  const state = after(
    started,
    event('phase:started', { phase: 'cutover' }),
    event('cutover:postponed', { why: 'postponed until pg-ghost cutover' }),
    event('lock:missed', {
      what: 'the end of old snapshots',
      attempt: 1,
      waitedMs: 500,
      why: 'old-snapshot',
      reason: null,
      tried: false,
      blockers: [blocker],
      nextTryMs: 100,
    }),
  );
  expect(state.postponed).toBeNull();
  const picture = renderProgress(state, plainLook, 0).join('\n');
  expect(picture).toMatch(/the end of old snapshots: not there yet$/m);
  expect(picture).not.toContain('not swapped yet');
});

test('a rehearsal is over like a swap; what is postponed has no lock to wait for', () => {
  const tried = event('cutover:try', { attempt: 1, lockTimeoutMs: 0 });
  const postponed = event('cutover:postponed', { why: 'postponed until pg-ghost cutover' });
  const rehearsed = event('cutover:rehearsed', { holdMs: 3, attempts: 1, captureMs: 0, drainedKeys: 0 });
  expect(after(started, postponed, tried, rehearsed)).toMatchObject({ lock: null, postponed: null });
  expect(after(started, tried, postponed)).toMatchObject({
    lock: null,
    postponed: 'postponed until pg-ghost cutover',
  });
});

test('a lost connection ends what held the run up: the next attempt reads it anew', () => {
  const held = event('throttle', { kind: 'pause', reasons: [{ signal: 'lag', text: 'replica lag' }] });
  const retrying = event('run:retrying', { message: 'gone', forSeconds: 600 });
  expect(after(started, held).throttle).toEqual(['replica lag']);
  expect(after(started, held, retrying)).toMatchObject({ throttle: [], retrying: 'gone' });
});
