import { expect, test } from 'vitest';
import { bytes, clock, count, counted, duration, milliseconds, percent } from '../../src/report/format.js';

test.each([
  [0, '0ms'],
  [0.12, '120ms'],
  [0.9996, '1000ms'],
  [1, '1s'],
  [11.25, '11.3s'],
  [59.94, '59.9s'],
  [125, '2m 5s'],
  [11_520, '3h 12m'],
  [200_000, '2d 7h'],
])('%d seconds are %s', (seconds, text) => {
  expect(duration(seconds)).toBe(text);
});

test.each([
  [0, '0 B'],
  [8192, '8 kB'],
  [612_368_384, '584 MB'],
  [1_610_612_736, '1.5 GB'],
  [16_642_998_272, '15.5 GB'],
])("%d bytes are %s, in PostgreSQL's units", (value, text) => {
  expect(bytes(value)).toBe(text);
});

test('counts', () => {
  expect(count(1_234_567.6)).toBe('1,234,568');
  expect(counted(1, 'row')).toBe('1 row');
  expect(counted(0, 'index', 'indexes')).toBe('0 indexes');
  expect(milliseconds(3.14159)).toBe('3.1 ms');
  expect(milliseconds(1234.5)).toBe('1,235 ms');
});

test('a clock', () => {
  expect([0, 7.9, 750, 3723].map(clock)).toEqual(['0:00', '0:07', '12:30', '1:02:03']);
});

test('100 % is said only when all is done', () => {
  expect(percent(999, 1000)).toBe(99);
  expect(percent(1000, 1000)).toBe(100);
  expect(percent(1001, 1000)).toBe(100);
  expect(percent(0, 0)).toBe(100);
});
