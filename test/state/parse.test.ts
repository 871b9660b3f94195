/** What is stored as JSON beside plans: what is read back, what may be more or less, and what is not read. */
import { describe, expect, test } from 'vitest';
import type { z } from 'zod';
import { advice, named, toDo } from '../../src/advice.js';
import { FailedError } from '../../src/errors.js';
import { initialProgress, reduceProgress, type ProgressState } from '../../src/model/progress.js';
import type { EventMap, EventName } from '../../src/model/event.js';
import { changeRequest } from '../../src/state/parse/change-request.js';
import { answer, commandArguments } from '../../src/state/parse/command.js';
import { lockEntry } from '../../src/state/parse/lock-entry.js';
import { serverIdentity, storedError, storedVerification } from '../../src/state/parse/migration.js';
import { runWord } from '../../src/state/parse/progress.js';
import { readStored, readStoredIfAny } from '../../src/state/unreadable.js';

const json = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

const request = { table: 't', alter: ['ADD COLUMN c int'], statements: [], set: [], rewrite: false };
const error = {
  code: 'server-error',
  message: 'm',
  hint: advice`${toDo('abort', 7)}, or ${named('status')}`,
};
const verification = { mode: 'sample', rows: 3, differences: 0, at: '2026-11-29T07:00:00+00:00' };
const server = { systemIdentifier: '7', timeline: 1, databaseOid: 5 };
const lock = {
  what: 'the swap',
  attempt: 1,
  oid: 16_400,
  table: 'public.t',
  mode: 'ACCESS EXCLUSIVE',
  waitedMs: 0.5,
  heldMs: 2.5,
  blocked: 1,
  blockedMs: 3,
  outcome: 'committed',
};
const said = { ok: true, said: advice`it is paused until ${named('unpause')}`, details: { holdMs: 3 } };

/** A run in the middle of everything. */
function busy(): ProgressState {
  let state = initialProgress;
  const tell = <Name extends EventName>(event: Name, payload: EventMap[Name]): void => {
    state = reduceProgress(state, { event, id: 7, at: new Date(0), ...payload } as never);
  };
  tell('migration:started', { table: 'public.t', shadow: 'ghost_new_7.t', fresh: true, phase: 'prepare' });
  tell('phase:started', { phase: 'copy' });
  tell('copy:progress', {
    blocksDone: 1,
    blocksTotal: 2,
    rowsCopied: 3,
    bytesDone: 4,
    rowsPerSecond: null,
    bytesPerSecond: 5.5,
    etaSeconds: null,
    workers: 2,
    chunkBlocks: 6,
    chunkMs: 7.5,
  });
  tell('phase:done', { phase: 'copy', seconds: 1.5 });
  tell('purge:done', { rows: 3 });
  tell('index:progress', { done: 1, total: 2, running: ['t_pkey'] });
  tell('apply:progress', { backlog: 1, keysApplied: 2, keysPerSecond: null, batchMs: 3 });
  tell('verify:progress', {
    rowsDone: 1,
    rowsTotal: null,
    rowsPerSecond: null,
    etaSeconds: null,
    workers: 1,
    pieceMs: 2,
    differences: 0,
  });
  tell('verify:done', {
    mode: 'full',
    rows: 3,
    differences: 0,
    leftOut: [{ column: 'c', why: 'volatile' }],
    seconds: 1,
  });
  tell('throttle', { kind: 'pause', reasons: [{ signal: 'lag', text: 'a replica lags' }] });
  tell('run:asked', { name: 'pause', ok: true, said: 'paused' });
  tell('cutover:postponed', { why: advice`until ${named('cutover')}` });
  tell('lock:missed', {
    what: 'switching capture on',
    attempt: 1,
    waitedMs: 2,
    why: 'old-snapshot',
    reason: null,
    tried: true,
    blockers: [
      {
        pid: 1,
        backendType: 'client backend',
        user: 'u',
        application: null,
        state: 'active',
        transactionSeconds: 3.5,
        lockModes: ['SI READ', 'SHARE'],
      },
    ],
    nextTryMs: 5,
  });
  return state;
}

const nouns: readonly (readonly [string, z.ZodType, unknown])[] = [
  ['request', changeRequest, { ...request, matviews: 'recreate', allowPublicationAll: true }],
  ['error', storedError, error],
  ['error', storedError, { ...error, hint: null }],
  ['verification', storedVerification, verification],
  ['server', serverIdentity, server],
  ['server', serverIdentity, { systemIdentifier: '7', timeline: 1 }],
  ['lock', lockEntry, lock],
  ['arguments', commandArguments, { workers: '4' }],
  ['answer', answer, said],
  ['answer', answer, { ok: false, said: 'no' }],
];

test('is read back as it was', () => {
  for (const [what, schema, value] of nouns)
    expect(readStored({ id: 7 }, what, schema, json(value))).toEqual(value);
  for (const state of [initialProgress, busy()]) {
    const settings = { workers: 2, 'max-lag': null, rehearse: false, verify: 'full' };
    const read = readStored({ id: 7 }, 'progress', runWord, json({ ...state, settings }));
    expect(read).toEqual({ state: json(state), settings });
  }
  expect(readStoredIfAny({ id: 7 }, 'error', storedError, null)).toBeNull();
});

test('what a later version adds to what is only shown is kept, and stands in the way of nothing', () => {
  const more = { of: ['a later version'] };
  for (const [what, schema, value] of nouns.filter(([what]) => what !== 'request')) {
    const added = { ...(value as object), more };
    expect(readStored({ id: 7 }, what, schema, added)).toEqual(added);
  }
  const progress = { ...busy(), copy: { ...busy().copy, more }, more, settings: null };
  expect(readStored({ id: 7 }, 'progress', runWord, json(progress))).toMatchObject({
    state: { more, copy: { more } },
  });
  // Of a request it may be another change.
  expect(() => readStored({ id: 7 }, 'request', changeRequest, { ...request, more })).toThrow(
    /request: .*more/,
  );
});

test("what an earlier version's run did not say is as it is at the beginning", () => {
  const { paused: _paused, followed: _followed, verify: _verify, throttle: _throttle, ...early } = busy();
  expect(readStored({ id: 7 }, 'progress', runWord, json(early))).toEqual({
    state: { ...(json(busy()) as object), paused: false, followed: 0, verify: null, throttle: [] },
    settings: null,
  });
  expect(readStored({ id: 7 }, 'progress', runWord, {})).toEqual({ state: initialProgress, settings: null });
});

describe('one that does not fit', () => {
  const cases: readonly (readonly [string, z.ZodType, unknown, string])[] = [
    ['request', changeRequest, { ...request, alter: 'ADD COLUMN c int' }, 'request.alter: '],
    ['request', changeRequest, { ...request, rewrite: undefined }, 'request.rewrite: '],
    ['error', storedError, { code: 'c', hint: null }, 'error.message: '],
    [
      'error',
      storedError,
      { ...error, hint: { say: [{ action: 'dance', id: 1, as: 'order' }] } },
      'error.hint',
    ],
    [
      'verification',
      storedVerification,
      { ...verification, differences: 'none' },
      'verification.differences: ',
    ],
    ['verification', storedVerification, { ...verification, at: 'yesterday' }, 'verification.at: '],
    ['server', serverIdentity, { ...server, timeline: '1' }, 'server.timeline: '],
    ['lock', lockEntry, { ...lock, mode: 'EXCLUSIVELY' }, 'lock.mode: '],
    ['arguments', commandArguments, ['workers=4'], 'arguments: '],
    ['answer', answer, { said: 'yes' }, 'answer.ok: '],
    ['progress', runWord, 'copying', 'progress: '],
    [
      'progress',
      runWord,
      { phases: [{ phase: 'dance', mark: 'done', seconds: 1 }] },
      'progress.state.phases.0.phase: ',
    ],
    ['progress', runWord, { copy: { blocksDone: 1 } }, 'progress.state.copy.blocksTotal: '],
  ];

  test.each(cases)('%s', (what, schema, value, where) => {
    const found = unreadable(() => readStored({ id: 7 }, what, schema, value));
    expect(found).toMatchObject({ code: 'state-unreadable', state: 'nothing was changed' });
    expect(found.message).toContain('migration 7');
    expect(found.message).toContain(where);
  });

  test('says what can be done, as far as it is known where the migration stands', () => {
    const look = (phase: 'copy' | 'swapped'): FailedError =>
      unreadable(() => readStored({ id: 7, phase }, 'error', storedError, {}));
    expect(look('copy').hint).toContain('abort migration 7');
    expect(look('swapped').hint).not.toContain('abort');
  });
});

function unreadable(read: () => unknown): FailedError {
  try {
    read();
  } catch (found) {
    if (found instanceof FailedError) return found;
    throw found;
  }
  throw new Error('it was read');
}
