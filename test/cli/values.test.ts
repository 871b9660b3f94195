import { expect, test } from 'vitest';
import {
  collect,
  durationMs,
  migrationId,
  nonEmpty,
  setExpression,
  wholeNumber,
} from '../../src/cli/values.js';

const number = wholeNumber({ min: 1, max: 64 });
const deadline = durationMs({ min: 1000, max: 7 * 86_400_000 });

test.each([
  ['1', 1],
  ['64', 64],
  ['007', 7],
])('the whole number %s', (text, value) => {
  expect(number(text)).toBe(value);
});

test.each(['', '0', '65', '-1', '+1', '1.0', '1e1', '0x10', ' 1', '1 ', 'two', '9'.repeat(20), 'NaN', '٣'])(
  'not a whole number from 1 to 64: "%s"',
  (text) => {
    expect(() => number(text)).toThrow('It takes a whole number from 1 to 64.');
  },
);

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
])('the duration %s', (text, value) => {
  expect(deadline(text)).toBe(value);
});

test.each(['', '10', '10x', '1h 10foo', 'm', '-10m', '10m!', '1h30', '999ms', '8d', '0s', 'forever'])(
  'not a duration from 1s to 7d: "%s"',
  (text) => {
    expect(() => deadline(text)).toThrow(
      'It takes a duration with its unit from 1s to 7d, such as 90s, 10m or 1h30m.',
    );
  },
);

test.each([
  ['total=quantity * price', 'total', 'quantity * price'],
  ['Total = 1', 'Total', '1'],
  ['"Order No"=upper(code)', '"Order No"', 'upper(code)'],
  ['"a=b"=c = d', '"a=b"', 'c = d'],
  ['"say ""hi"""=1', '"say ""hi"""', '1'],
  ['größe=1', 'größe', '1'],
  ['a=case\n when b then 1 end', 'a', 'case\n when b then 1 end'],
])('--set %s', (text, column, expression) => {
  expect(setExpression(text)).toEqual({ column, expression });
});

test.each([
  '',
  'total',
  'total=',
  'total= ',
  '=1',
  'a b=1',
  '"open=1',
  '1st=2',
  '""=1',
  'public.orders.total=1',
])('not COLUMN=EXPRESSION: "%s"', (text) => {
  expect(() => setExpression(text)).toThrow('It takes COLUMN=EXPRESSION');
});

test.each([
  ['1', 1],
  ['2147483647', 2_147_483_647],
])('the id %s', (text, value) => {
  expect(migrationId(text)).toBe(value);
});

test.each(['0', '-1', '2147483648', '99999999999', 'x', '1.5', ''])('not an id: "%s"', (text) => {
  expect(() => migrationId(text)).toThrow('It takes the number of a migration');
});

test('options that may be repeated keep their order', () => {
  const parse = collect(nonEmpty);
  expect(parse('b', parse('a', undefined))).toEqual(['a', 'b']);
  expect(() => parse(' ', ['a'])).toThrow('It must not be empty.');
});
