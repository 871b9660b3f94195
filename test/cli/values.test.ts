import { expect, test } from 'vitest';
import { collect, migrationId, nonEmpty, setExpression } from '../../src/cli/values.js';

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
