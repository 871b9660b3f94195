import { expect, test } from 'vitest';
import { fragment, joined, param, toQuery, toText } from '../../src/sql/fragment.js';
import { sql } from '../../src/sql/quote.js';

test('parameters get their numbers in the whole, wherever they come from', () => {
  const older = fragment`age > ${param(30)}`;
  const where = joined([older, fragment`name = ${param('x')}`, 'true'], ' and ');
  expect(toQuery(fragment`select ${param('first')}::text from t where ${where} limit ${5}`)).toEqual({
    text: 'select $1::text from t where age > $2 and name = $3 and true limit 5',
    values: ['first', 30, 'x'],
  });
});

test('one parameter in two places is sent once; two with one value are two', () => {
  const bound = param('7');
  expect(toQuery(fragment`${bound}::int, ${param('7')}::text, ${bound}::int`)).toEqual({
    text: '$1::int, $2::text, $1::int',
    values: ['7', '7'],
  });
});

test('lines are set out as in a plain statement, and what is put in stays as it is', () => {
  const inner = "select '\n      two lines'";
  const text = sql`
    select *
    from (
    ${inner}
    ) as x`;
  expect(
    toQuery(fragment`
      select *
      from (
      ${fragment`${inner}`}
      ) as x`),
  ).toEqual({ text });
});

test('a statement that takes no parameters has none', () => {
  expect(toText(fragment`vacuum ${'t'}`)).toBe('vacuum t');
  expect(() => toText(fragment`vacuum ${param('t')}`)).toThrow('without parameters');
});
