import { expect, test } from 'vitest';
import { parserOf } from '../../src/cli/values.js';
import { UsageError } from '../../src/errors.js';
import {
  amount,
  choice,
  connections,
  timeSpan,
  onOrOff,
  query,
  ratio,
  text,
  wholeNumber,
  window,
} from '../../src/settings/kinds.js';

const number = parserOf(wholeNumber('N', { min: 1, max: 64 }));
const deadlineKind = timeSpan('DURATION', { min: 1000, max: 7 * 86_400_000 });
const deadline = parserOf(deadlineKind);

test.each([
  ['1', 1],
  ['64', 64],
  ['007', 7],
])('the whole number %s', (given, value) => {
  expect(number(given)).toBe(value);
});

test.each(['', '0', '65', '-1', '+1', '1.0', '1e1', '0x10', ' 1', '1 ', 'two', '9'.repeat(20), 'NaN', '٣'])(
  'not a whole number from 1 to 64: "%s"',
  (given) => {
    expect(() => number(given)).toThrow('It takes a whole number from 1 to 64.');
  },
);

test('the largest amount is one', () => {
  const bytes = amount('BYTES', 1e15);
  expect([bytes.parse('1000000000000000'), bytes.parse('1000000000000001')]).toEqual([1e15, null]);
});

test.each([
  ['1s', 1000],
  ['90s', 90_000],
  ['10m', 600_000],
  ['1h30m', 5_400_000],
  ['1h 30m', 5_400_000],
  ['1.5h', 5_400_000],
  ['10 minutes', 600_000],
  ['5000ms', 5000],
  ['7d', 604_800_000],
])('the duration %s', (given, value) => {
  expect(deadline(given)).toBe(value);
  expect(deadline(String(deadlineKind.format(value)))).toBe(value);
});

test.each(['', '10', '10x', '1h 10foo', 'm', '-10m', '10m!', '1h30', '999ms', '8d', '0s', 'forever'])(
  'not a duration from 1s to 7d: "%s"',
  (given) => {
    expect(() => deadline(given)).toThrow(
      'It takes a duration with its unit from 1s to 7d, such as 90s, 10m or 1h30m.',
    );
  },
);

test('durations are written in the largest units', () => {
  expect([0, 5000, 600_000, 5_400_000, 86_401_250].map((ms) => deadlineKind.format(ms))).toEqual([
    '0s',
    '5s',
    '10m',
    '1h30m',
    '1d1s250ms',
  ]);
});

test('ratios', () => {
  const { parse } = ratio({ min: 0, max: 100 });
  expect(['0', '0.5', '100'].map(parse)).toEqual([0, 0.5, 100]);
  expect(['', '-1', '100.1', '101', '1e1', '.5', '5.'].map(parse)).toEqual(Array(7).fill(null));
});

test('choices, switches, texts, windows', () => {
  const how = choice({ a: 'this', b: 'that' });
  expect(['a', 'c', ''].map(how.parse)).toEqual(['a', null, null]);
  expect(['on', 'true', ''].map(onOrOff.parse)).toEqual([true, null, null]);
  expect(['/tmp/x', ' ', ''].map(text('PATH', 'a path').parse)).toEqual(['/tmp/x', null, null]);
  expect(window.parse('02:00-04:00')).toMatchObject({ from: 120, to: 240, zone: 'UTC' });
  expect(window.parse('02:00-04:00 Berlin/Europe')).toBeNull();
});

test('a query is one SELECT, and the error says what else it is', () => {
  expect(query.parse('select true')).toBe('select true');
  expect(query.parse('  ')).toBeNull();
  expect(() => query.parse('select 1; commit')).toThrow(UsageError);
});

test.each<[string, { accepts: (value: unknown) => boolean }, unknown[], unknown[]]>([
  [
    'whole numbers',
    wholeNumber('N', { min: 1, max: 64 }),
    [1, 64],
    [0, 65, 1.5, '4', NaN, Infinity, null, undefined, true, [4]],
  ],
  ['durations', deadlineKind, [1000, 1000.5], [999, '10m', NaN, null]],
  ['ratios', ratio({ min: 0, max: 100 }), [0, 0.5], [-0.1, 101, NaN, '1']],
  ['choices', choice({ a: '', b: '' }), ['a'], ['c', 0, null, 'toString']],
  ['switches', onOrOff, [true, false], ['on', 1, null]],
  ['texts', text('PATH', 'a path'), ['x'], ['', ' ', 1, null]],
  [
    'windows',
    window,
    [{ text: '', from: 0, to: 60, zone: 'UTC' }],
    [
      '02:00-04:00',
      { from: 0, to: 0, zone: 'UTC', text: '' },
      { text: '', from: 0, to: 60, zone: 'x' },
      null,
    ],
  ],
  ['connections', connections, [[], [{ url: 'postgres://db/x' }]], ['postgres://db/x', ['postgres://db/x']]],
])('%s of a program', (_, { accepts }, good, bad) => {
  expect(good.filter((value) => !accepts(value))).toEqual([]);
  expect(bad.filter((value) => accepts(value))).toEqual([]);
});

test('a connection string that cannot be read is refused by itself', () => {
  expect(() => connections.accepts([{ url: 'postgres://db:port/x' }])).toThrow(UsageError);
});
