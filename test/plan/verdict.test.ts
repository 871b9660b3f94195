import { expect, test } from 'vitest';
import { readChange } from '../../src/plan/change/change.js';
import type { Trial, TrialStep } from '../../src/plan/trial/types.js';
import type { ChangeRequest } from '../../src/model/change-request.js';
import { decide } from '../../src/plan/verdict.js';
import { column, trialOf } from './shapes.js';

function verdictOf(parts: Partial<ChangeRequest>, steps: readonly Partial<TrialStep>[]): string[] {
  const change = readChange({
    table: 'orders',
    alter: [],
    statements: [],
    set: [],
    rewrite: false,
    ...parts,
  });
  const trial = trialOf([[column(1, 'id')], ...steps.map(() => [column(1, 'id')])]);
  const seen: Trial = { ...trial, steps: trial.steps.map((step, index) => ({ ...step, ...steps[index] })) };
  return decide(change, seen).reasons.map(({ message }) => message);
}

test('every statement is judged by what it did, and the reason names its actions', () => {
  expect(
    verdictOf(
      {
        alter: [
          'add column c int, alter id type bigint, alter id set default 1',
          'alter id set not null',
          'drop column c',
        ],
      },
      [{ filenode: 2 }, { filenode: 2, scans: 1 }, { filenode: 2 }],
    ),
  ).toEqual([
    'add column c int, alter id type bigint: PostgreSQL would write the whole table anew under ACCESS EXCLUSIVE',
    'alter id set not null: PostgreSQL would check every row under ACCESS EXCLUSIVE',
  ]);
});

test('the scan that builds an index is not a check of the rows', () => {
  const built = { indexes: [{ name: 'i', filenode: 9 }] };
  const parts = { statements: ['create index i on orders (id)'] };
  expect(verdictOf(parts, [{ ...built, scans: 1 }])).toEqual([
    'create index i on orders (id): PostgreSQL would build index i under SHARE',
  ]);
  expect(verdictOf(parts, [{ ...built, scans: 2 }])).toHaveLength(2);
});

test('where the server does not count scans, what may scan does', () => {
  expect(verdictOf({ alter: ['alter id set not null'] }, [{ scans: null }])).toEqual([
    'alter id set not null: PostgreSQL would check every row under ACCESS EXCLUSIVE',
  ]);
  expect(verdictOf({ alter: ['alter id drop not null'] }, [{ scans: null }])).toEqual([
    'alter id drop not null: changes the catalog only; holds ACCESS EXCLUSIVE for a moment',
  ]);
});

test('--set and --rewrite copy by themselves', () => {
  expect(verdictOf({ set: [{ column: 'id', expression: '1' }], rewrite: true }, [])).toEqual([
    '--set id: a new value for every row',
    '--rewrite: the table is to be rebuilt',
  ]);
});
