/** Where a comparison would not see every difference, it says so. */
import { expect, test } from 'vitest';
import type { ColumnMapping } from '../../src/model/column-mapping.js';
import { unseenDifferences } from '../../src/verify/unseen.js';

const column = (target: string, more: Partial<ColumnMapping> = {}): ColumnMapping => ({
  target,
  targetType: 'text',
  source: target,
  sourceType: 'text',
  how: 'computed',
  expression: null,
  ...more,
});

function unseen(columns: readonly ColumnMapping[], more: { bothWays?: boolean; leftOut?: string[] } = {}) {
  const leftOut = more.leftOut ?? [];
  const names = columns.map(({ target }) => target ?? '');
  return unseenDifferences(
    {
      bothWays: more.bothWays ?? true,
      compared: names.filter((name) => !leftOut.includes(name)).map((name) => ({ name })),
      leftOut: leftOut.map((name) => ({ column: name, why: 'it is told' })),
    } as never,
    { columns, to: { columns: names.map((name) => ({ name })) } } as never,
  );
}

test.each([
  ['everything is compared', [column('a'), column('b', { expression: 'lower(a)' })], {}, 0],
  ['a default reads nothing of the row', [column('a', { how: 'default' })], { leftOut: ['a'] }, 0],
  [
    'nor does this',
    [column('a', { volatile: true, expression: 'gen_random_uuid()' })],
    { leftOut: ['a'] },
    0,
  ],
  ['this does', [column('a', { volatile: true, expression: 'b || random()' })], { leftOut: ['a'] }, 1],
  [
    'this may',
    [column('a', { volatile: true, expression: '(select max(x) from u)' })],
    { leftOut: ['a'] },
    1,
  ],
  ['keys may become equal', [column('a')], { bothWays: false }, 1],
] as const)('%s', (_, columns, more, count) => {
  expect(unseen(columns, { ...more, leftOut: [...('leftOut' in more ? more.leftOut : [])] })).toHaveLength(
    count,
  );
});
