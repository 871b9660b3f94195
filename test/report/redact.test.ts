import { expect, test } from 'vitest';
import { createRedactor, secretsOf } from '../../src/report/redact.js';

const mask = createRedactor();

test.each([
  ['postgres://me:s3cret@db/shop', 'postgres://me:***@db/shop'],
  [
    'cannot use "postgresql://me:s3cret@db:5432/shop?x=1" here',
    'cannot use "postgresql://me:***@db:5432/shop?x=1" here',
  ],
  ['postgres://me:pa/ss@wo#rd@db/shop', 'postgres://me:***@db/shop'],
  ['postgres://:only@db', 'postgres://:***@db'],
  ['host=db password=s3cret user=me', 'host=db password=*** user=me'],
  ["password = 'two words' user=me", 'password = *** user=me'],
  [
    'postgres://db/shop?user=me&password=s3cret&sslmode=require',
    'postgres://db/shop?user=me&password=***&sslmode=require',
  ],
  ['PGPASSWORD=s3cret pg-ghost run', 'PGPASSWORD=*** pg-ghost run'],
  ['postgres://me@db/shop and https://example.com/a', 'postgres://me@db/shop and https://example.com/a'],
  ['password authentication failed for user "me"', 'password authentication failed for user "me"'],
])('%s', (text, expected) => {
  expect(mask(text)).toBe(expected);
});

test.each([
  ['postgres://me:s3cret@db/shop', ['s3cret']],
  ['postgres://me@db/shop', []],
  ['postgres://me:@db/shop', []],
  ['postgres://me:12/34@db/shop', ['12/34']],
  ['postgres://me:one#twotwo@db/shop', ['one#twotwo', 'one', 'twotwo']],
  ['postgres://db/shop?user=me&password=s3cret', ['s3cret']],
  ['not a url', []],
])('secrets of %s', (url, secrets) => {
  expect(secretsOf(url)).toEqual(secrets);
});

test('a password that is the name of the user or the database is no secret', () => {
  expect(secretsOf('postgres://postgres:postgres@db/shop')).toEqual([]);
  expect(secretsOf('postgres://me:shop@db/shop?sslmode=require')).toEqual([]);
});

test('a known password is masked wherever it stands, in every spelling', () => {
  const redact = createRedactor(secretsOf('postgres://me:p%40%22ss@db/shop'));
  expect(redact('it was p@"ss')).toBe('it was ***');
  expect(redact('it was p%40%22ss')).toBe('it was ***');
  expect(redact(JSON.stringify({ it: 'p@"ss' }))).toBe('{"it":"***"}');
});

test('but not inside of words', () => {
  const redact = createRedactor(['a']);
  expect(redact('a table, "a", data')).toBe('*** table, "***", data');
});

test('parts of a badly encoded password are masked where they are taken for host or database', () => {
  const url = 'postgres://me:12/hunter2@db/shop';
  const redact = createRedactor(secretsOf(url));
  expect(redact('cannot connect to me:12/hunter2@db/shop')).toBe('cannot connect to me:***@db/shop');
  expect(redact('database "hunter2" does not exist')).toBe('database "***" does not exist');
});
