/** All that the library says to do comes out of the program as what is to be typed. */
import { expect, test } from 'vitest';
import { advice, doing, named, toDo } from '../../src/advice.js';
import type { Library } from '../../src/cli/invocation.js';
import { FailedError, RefusedError } from '../../src/errors.js';
import type { EventListener } from '../../src/model/event.js';
import { invoke } from './invoke.js';

const at = new Date('2026-01-02T03:04:05Z');

/** A run that warns, waits, and fails. */
const failing: Partial<Library> = {
  migrate: ({ onEvent }) => {
    const tell: EventListener = (event) => onEvent?.(event);
    tell({
      event: 'warning',
      id: 7,
      at,
      code: 'leftovers',
      message: 'the log is left',
      hint: advice`${doing('finalize', 7)} does it`,
    });
    tell({ event: 'cutover:postponed', id: 7, at, why: advice`postponed until ${named('cutover')}` });
    return Promise.reject(
      new FailedError('code', 'it failed', {
        state: advice`${named('status')} says where it stands`,
        hint: advice`${toDo('abort', 7)}, then run again`,
        details: { hint: advice`${toDo('resume', 7)}` },
      }),
    );
  },
};

const run = ['run', '--dsn', 'postgres://localhost/x', '--table', 't', '--rewrite'];

test('events and failures, as JSON', async () => {
  const { stdout } = await invoke([...run, '--json'], { library: failing });
  expect(stdout.objects).toMatchObject([
    { event: 'warning', message: 'the log is left; pg-ghost finalize 7 does it' },
    { event: 'cutover:postponed', why: 'postponed until pg-ghost cutover' },
    {
      event: 'error',
      state: 'pg-ghost status says where it stands',
      hint: 'pg-ghost abort 7, then run again',
      details: { hint: 'pg-ghost run --resume 7' },
    },
  ]);
  expect(stdout.objects[0]).not.toHaveProperty('hint');
});

test('events and failures, for people', async () => {
  const { stdout, stderr } = await invoke(run, { library: failing });
  expect(stdout.text).toContain('not swapped yet: postponed until pg-ghost cutover');
  expect(stderr.text).toContain('the log is left; pg-ghost finalize 7 does it');
  expect(stderr.text).toContain(
    'state: pg-ghost status says where it stands\nhint:  pg-ghost abort 7, then run again\n',
  );
});

test('reasons of a refusal', async () => {
  const reasons = [{ code: 'a', message: 'one', hint: advice`${doing('abort', 7)} undoes it` }];
  const library: Partial<Library> = {
    abort: () => Promise.reject(new RefusedError(reasons)),
    status: () => Promise.resolve([]),
  };
  const { stderr } = await invoke(['abort', '7', '--dsn', 'postgres://localhost/x'], { library });
  expect(stderr.text).toContain('pg-ghost abort 7 undoes it');
});
