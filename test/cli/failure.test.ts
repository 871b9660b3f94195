import { CommanderError } from '@commander-js/extra-typings';
import { expect, test } from 'vitest';
import { describeFailure, failureLines } from '../../src/cli/failure.js';
import { FailedError, InterruptedError, RefusedError, UsageError } from '../../src/errors.js';
import { plainPaint } from '../../src/report/paint.js';
import { createRedactor } from '../../src/report/redact.js';

const redact = createRedactor(['s3cret']);
const lines = (error: unknown, options = {}): string[] =>
  failureLines(describeFailure(error, redact), plainPaint, options);

const serverError = Object.assign(new Error('relation "x" does not exist'), {
  severity: 'ERROR',
  code: '42P01',
  detail: 'Key (email)=(someone@example.com)',
});

test('message, cause, state, hint', () => {
  const error = new FailedError('no-index', 'the index could not be built', {
    state: 'state kept',
    hint: 'pg-ghost abort 1\nor try again',
    cause: new FailedError('inner', 'inner', { cause: serverError }),
  });
  expect(lines(error)).toEqual([
    'error: the index could not be built',
    'cause: PostgreSQL 42P01: relation "x" does not exist',
    'state: state kept',
    'hint:  pg-ghost abort 1\n       or try again',
  ]);
});

test('a cause that the message quotes is not told twice', () => {
  const error = new FailedError('no-drop', 'could not drop it: relation "x" does not exist', {
    cause: serverError,
  });
  expect(lines(error)).toEqual(['error: could not drop it: relation "x" does not exist']);
});

test('all reasons of a refusal, each with its hint', () => {
  const error = new RefusedError([
    { code: 'a', message: 'it is partitioned', hint: 'change the partitions' },
    { code: 'b', message: 'it has no key' },
  ]);
  expect(lines(error)).toEqual([
    'refused:',
    '  - it is partitioned',
    '    change the partitions',
    '  - it has no key',
    'state: nothing was changed',
  ]);
  expect(describeFailure(error, redact)).toMatchObject({
    code: 'refused',
    exitCode: 3,
    reasons: error.reasons,
  });
});

test('an interruption is not called an error', () => {
  expect(lines(new InterruptedError('interrupted', 'stopped as asked', { state: 'state kept' }))).toEqual([
    'stopped: stopped as asked',
    'state: state kept',
  ]);
});

test('an unexpected error is a bug, and its stack is for --log-level debug', () => {
  const bug = new TypeError('undefined is not a function');
  const told = [
    'error: undefined is not a function',
    'hint:  this is a bug in pg-ghost; --log-level debug shows where',
  ];
  expect(lines(bug)).toEqual(told);
  expect(lines(bug, { stack: true })).toEqual([...told, bug.stack]);
  expect(describeFailure('thrown text', redact)).toMatchObject({
    code: 'unexpected',
    message: 'thrown text',
    exitCode: 1,
  });
  expect(lines(serverError)[0]).toBe('error: PostgreSQL 42P01: relation "x" does not exist');
});

test('errors of the command line are wrong usage', () => {
  const error = new CommanderError(1, 'commander.unknownOption', "error: unknown option '--foo'");
  expect(describeFailure(error, redact)).toMatchObject({
    code: 'usage',
    exitCode: 2,
    message: "unknown option '--foo'",
  });
});

test('a password is masked in every part', () => {
  const url = 'postgres://me:s3cret@db/shop';
  const cause = Object.assign(new Error(`bad URL ${url}`), { input: url });
  const error = new UsageError('bad-dsn', `cannot read ${url}`, {
    state: `nothing at ${url}`,
    hint: 'is s3cret right?',
    details: { url, nested: [{ url }], none: null, count: 1 },
    cause,
  });
  const failure = describeFailure(error, redact);
  expect(JSON.stringify(failure)).not.toContain('s3cret');
  expect(failure.details).toEqual({
    url: 'postgres://me:***@db/shop',
    nested: [{ url: 'postgres://me:***@db/shop' }],
    none: null,
    count: 1,
  });
  const bug = describeFailure(cause, redact);
  expect(bug.stack).toContain('postgres://me:***@db/shop');
  expect(JSON.stringify(bug)).not.toContain('s3cret');
});
