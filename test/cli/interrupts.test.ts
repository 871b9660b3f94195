import { EventEmitter } from 'node:events';
import { expect, test, vi } from 'vitest';
import { interruptionOf, Interrupts } from '../../src/cli/interrupts.js';
import { FailedError, InterruptedError, OutcomeUnknownError } from '../../src/errors.js';

function watched(finishing: string | null): {
  source: EventEmitter;
  told: string[];
  ends: () => number;
  interrupts: Interrupts;
} {
  const source = new EventEmitter();
  const told: string[] = [];
  let ended = 0;
  const end = (): void => void (ended += 1);
  return {
    source,
    told,
    ends: () => ended,
    interrupts: new Interrupts(source, { finishing, tell: (text) => told.push(text), end }),
  };
}

test('cancelled work that does not end is ended with the process, and only then', () => {
  vi.useFakeTimers();
  try {
    const [hanging, ending] = [watched('finishing'), watched('finishing')];
    for (const { source } of [hanging, ending]) source.emit('SIGTERM');
    vi.advanceTimersByTime(60_000);
    for (const { source } of [hanging, ending]) source.emit('SIGTERM');
    vi.advanceTimersByTime(2_900);
    ending.interrupts[Symbol.dispose]();
    expect(hanging.ends()).toBe(0);
    vi.advanceTimersByTime(200);
    expect([hanging.ends(), ending.ends()]).toEqual([1, 0]);
  } finally {
    vi.useRealTimers();
  }
});

test('the first signal stops, the second cancels, the third is the system’s', () => {
  const { source, told, interrupts } = watched('stopping after the current chunk');
  source.emit('SIGTERM');
  expect(interrupts.signal.aborted).toBe(true);
  expect(interrupts.cancelSignal.aborted).toBe(false);
  expect(source.listenerCount('SIGINT')).toBe(1);
  source.emit('SIGINT');
  expect(interrupts.cancelSignal.aborted).toBe(true);
  expect(source.listenerCount('SIGINT') + source.listenerCount('SIGTERM')).toBe(0);
  expect(told).toEqual([
    'stopping after the current chunk; once more cancels it',
    'cancelling; once more ends the program at once',
  ]);
});

test('where nothing has to be finished the first signal cancels', () => {
  const { source, interrupts } = watched(null);
  source.emit('SIGINT');
  expect(interrupts.cancelSignal.aborted).toBe(true);
  expect(source.listenerCount('SIGINT')).toBe(0);
});

test('its listeners go with it', () => {
  const { source, interrupts } = watched('stopping');
  interrupts[Symbol.dispose]();
  expect(source.eventNames()).toEqual([]);
});

const aftermath = { state: 'state kept', hint: 'again' };
const aborted = AbortSignal.abort();
const cancelled = Object.assign(new Error('canceling statement'), { severity: 'ERROR', code: '57014' });

test.each([
  ['an aborted wait', new DOMException('aborted', 'AbortError')],
  ['a cancelled statement', cancelled],
  ['the library’s own', new InterruptedError('interrupted', 'by us', { state: 'some' })],
])('%s counts as the interruption', (_, error) => {
  expect(interruptionOf(error, aborted, aftermath)).toMatchObject({ exitCode: 130, ...aftermath });
});

test.each([
  ['a failure', new FailedError('lost', 'the connection is lost')],
  ['an unknown outcome', new OutcomeUnknownError('unknown', 'who knows')],
  ['a bug', new TypeError('undefined is not a function')],
])('%s stays what it is', (_, error) => {
  expect(interruptionOf(error, aborted, aftermath)).toBe(error);
});

test('without a signal a cancelled statement is a failure', () => {
  expect(interruptionOf(cancelled, new AbortController().signal, aftermath)).toBe(cancelled);
});
