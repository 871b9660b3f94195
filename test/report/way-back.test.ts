import { expect, test } from 'vitest';
import { inWords } from '../../src/advice.js';
import type { WayBack } from '../../src/model/way-back.js';
import { withoutRollbackWindow } from '../../src/plan/inverse/decline.js';
import { copyRollback } from '../../src/report/plan/way-back.js';
import { aPlan } from './a-plan.js';

const keeps: WayBack = {
  verdict: 'keeps',
  way: null,
  loses: [],
  needs: [],
  against: [],
  sampled: [],
  isTried: false,
  ids: [],
  narrower: [],
};

const cases: readonly (readonly [Partial<WayBack> | null, string])[] = [
  [{}, 'keeps everything'],
  [{ sampled: ['n'], isTried: true }, 'keeps everything (n: as far as a sample shows)'],
  [{ sampled: ['n'] }, 'keeps everything (n: not tried on rows)'],
  [
    {
      verdict: 'loses',
      loses: [
        { what: 'added', column: 'a' },
        { what: 'dropped', column: 'x' },
        { what: 'dropped', column: 'y' },
        { what: 'recomputed', column: 'g' },
        { what: 'converted', column: 'n' },
      ],
    },
    'loses column x, y of new rows, the values of new column a, what is written to g, which is generated again, what the change itself takes from n, in rows written since',
  ],
  [
    {
      verdict: 'needs-reverse',
      needs: [
        { column: 'v', why: 'computed' },
        { column: 'w', why: 'computed' },
        { column: 'y', why: 'no-default' },
      ],
    },
    'needs --reverse for v, w, y (its new value is computed; it is NOT NULL and has no default for new rows); without it, until new writes only',
  ],
  [
    { verdict: 'impossible', against: [{ what: 'no-index', columns: ['a', 'b'] }] },
    'not possible because the new table has no unique index over the key (a, b); until new writes only',
  ],
  [{ verdict: 'declined' }, 'until new writes only, which the old table does not get (--no-rollback-window)'],
  [null, 'until new writes only: no way back was planned'],
];

test.each(cases)('%j', (back, text) => {
  const { message } = copyRollback(back === null ? null : { ...keeps, ...back });
  expect(inWords(message)).toBe(
    `rollback: ${text}; before the cutover aborting migration ID undoes everything`,
  );
});

test('without a window there is no way back, and nothing to be warned of in it', () => {
  const plan = withoutRollbackWindow({
    ...aPlan,
    warnings: [
      { code: 'old-shape-narrower', facts: { narrower: [{ what: 'not null', column: 'x' }] } },
      { code: 'index-only', facts: {} },
    ],
  });
  expect(plan).toMatchObject({
    back: { verdict: 'declined', way: null },
    warnings: [{ code: 'index-only' }],
  });
});
