/** The lock sets of several tables as one. */
import { expect, test } from 'vitest';
import { mergedLockSet, type LockTarget } from '../../src/model/lock-set.js';

function target(name: string, role: LockTarget['role']): LockTarget {
  const oid = name.codePointAt(0) ?? 0;
  const kind = role === 'view' ? 'view' : 'table';
  return {
    oid,
    name: { schema: 'public', name },
    kind,
    role,
    mode: 'ACCESS EXCLUSIVE',
    reason: { because: 'table' },
  };
}

const namesOf = (sets: readonly (readonly LockTarget[])[]): string =>
  mergedLockSet(sets)
    .map(({ name }) => name.name)
    .join(' ');

const orders = [
  target('v', 'view'),
  target('l', 'referencing table'),
  target('o', 'table'),
  target('c', 'referenced table'),
];

test('that of one table stays as it is', () => {
  expect(mergedLockSet([orders])).toBe(orders);
});

test('each relation once, in the order of roles', () => {
  const items = [
    target('v', 'view'),
    target('w', 'view'),
    target('i', 'table'),
    target('c', 'referenced table'),
  ];
  expect(namesOf([orders, items])).toBe('v w l o i c');
  expect(namesOf([items, orders])).toBe('v w l i o c');
});

test('of two tables the one that references the other comes first, whichever is named first', () => {
  const lines = [target('l', 'table'), target('o', 'referenced table'), target('p', 'referenced table')];
  expect(namesOf([orders, lines])).toBe('v l o c p');
  expect(namesOf([lines, orders])).toBe('v l o p c');
});
