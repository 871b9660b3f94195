import { expect, test } from 'vitest';
import { displayName, displayQualified, qualified } from '../../src/sql/quote.js';

test.each([
  { schema: 'public', name: 'orders' },
  { schema: 'Sales', name: 'order "x"' },
  { schema: 'a.b', name: 'c d' },
])('names for people, from parts or as written in SQL: %o', (name) => {
  expect(displayQualified(qualified(name))).toBe(displayName(name));
});

test('what is no quoted name stays as it is', () => {
  expect(displayQualified('relation 16384')).toBe('relation 16384');
});
