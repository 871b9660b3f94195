import { expect, test } from 'vitest';
import type { Constraint } from '../../src/model/table-shape.js';
import { isNotNull } from '../../src/plan/mapping/not-null-proof.js';
import { column } from './shapes.js';

const check = (condition: string, more: Partial<Constraint> = {}): Constraint => ({
  oid: 1,
  name: 'c',
  type: 'check',
  definition: `CHECK (${condition})`,
  columns: ['a', 'b'],
  validated: true,
  enforced: true,
  deferrable: false,
  initiallyDeferred: false,
  index: null,
  comment: null,
  ...more,
});

test.each<[string, boolean]>([
  ['(a IS NOT NULL)', true],
  ['((a IS NOT NULL) AND (b > 0))', true],
  ['((b > 0) AND ((b < 9) AND (a IS NOT NULL)))', true],
  ['(NOT (a IS NULL))', true],
  ['((a IS NOT NULL) OR ((a IS NOT NULL) AND (b > 0)))', true],
  ['((a IS NOT NULL) IS TRUE)', true],
  ['(num_nulls(a, b) = 0)', true],
  ['(num_nonnulls(a, b) = 2)', true],
  ['(num_nonnulls(a, b) = 1)', false],
  ['(num_nulls(b) = 0)', false],
  ['(app.num_nulls(a, b) = 0)', false],
  ['(num_nulls(VARIADIC a) = 0)', false],
  ['(b IS NOT NULL)', false],
  ['((a IS NOT NULL) OR (b > 0))', false],
  ['(a > 0)', false],
  ['(a IS NULL)', false],
  ['(NOT (a IS NOT NULL))', false],
  ['((a IS NOT NULL) IS NOT TRUE)', false],
  ['((a + 1) IS NOT NULL)', false],
  ['((a).b IS NOT NULL)', false],
])('CHECK %s', (condition, proves) => {
  expect(isNotNull({ constraints: [check(condition)] }, column(1, 'a'))).toBe(proves);
});

test('what no row was looked at for is no proof', () => {
  const a = column(1, 'a');
  const constraints = (more: Partial<Constraint>): { constraints: Constraint[] } => ({
    constraints: [check('(a IS NOT NULL)', more)],
  });
  expect(isNotNull(constraints({ definition: 'CHECK ((a IS NOT NULL)) NO INHERIT' }), a)).toBe(true);
  expect(
    isNotNull(constraints({ definition: 'CHECK ((a IS NOT NULL)) NOT VALID', validated: false }), a),
  ).toBe(false);
  expect(
    isNotNull(
      constraints({ definition: 'CHECK ((a IS NOT NULL)) NOT ENFORCED', validated: false, enforced: false }),
      a,
    ),
  ).toBe(false);
});
