import { expect, test } from 'vitest';
import { plainLook } from '../../src/report/paint.js';
import { planObject } from '../../src/report/plan-json.js';
import { renderPlan } from '../../src/report/plan-text.js';
import { aPlan } from './a-plan.js';

test('a plan to copy', () => {
  expect(renderPlan(aPlan, plainLook)).toBe(
    `
public.orders: copy, a shadow table with the new shape is built, kept in sync, and swapped in
  - changing the type of id from integer to bigint rewrites the table

Columns
  id      integer → bigint  converted
  sum     numeric           computed: total * 2
  state   text              added, default 'new'
  legacy  text              dropped
  2 columns unchanged

Size
  about 3,000,000 rows, table 584 MB, indexes 240 MB, TOAST 8 kB
  needs about 824 MB of disk while it runs; WAL not counted

Steps
  phase    what happens                                locks
  prepare  create the change log and the triggers      SHARE ROW EXCLUSIVE on public.orders:
                                                       blocks writes, a few ms; create the
                                                       triggers
  copy     copy all rows in chunks
  cutover  swap the tables                             ACCESS EXCLUSIVE on public.orders: blocks
                                                       reads and writes, a few ms; the swap

In the way now
  pid 4711  app, psql  idle in transaction  open for 32s  holds AccessShareLock

What depends on it
  recreated in the swap (1)
    view  public.open_orders
          it binds to the old table
  carried (3)
    index    public.orders_pkey, public.orders_customer_id_idx
             built on the shadow
    comment  2 comments
             on the shadow

Warnings
  ! prepared SELECT * fails once with 0A000: this is a longer text that does not fit into the width
    of the terminal

How to go back
  - before the swap: pg-ghost abort
  - after it: the old table is kept until pg-ghost finalize
`.trim(),
  );
});

test('a refused plan says why and what to do, and nothing about a way back', () => {
  const refused = {
    ...aPlan,
    verdict: 'refused' as const,
    reasons: [
      { code: 'a', message: 'it is partitioned', hint: 'change the partitions' },
      { code: 'b', message: 'it has no key' },
    ],
    columns: [],
    steps: [],
    locks: [],
    dependents: [],
    warnings: [],
    estimates: null,
  };
  expect(renderPlan(refused, plainLook)).toBe(
    `
public.orders: refused, this change cannot be made; nothing was changed
  - it is partitioned
    change the partitions
  - it has no key
`.trim(),
  );
});

test('a native plan shows the statements', () => {
  const native = {
    ...aPlan,
    verdict: 'native' as const,
    reasons: [],
    nativeStatements: ['ALTER TABLE public.orders ADD COLUMN x integer'],
    columns: [],
    steps: [],
    locks: [],
    dependents: [],
    obstacles: [],
    warnings: [],
    rollback: [],
    estimates: { rows: null, tableBytes: 8192, indexBytes: 0, toastBytes: 0, diskNeededBytes: 0 },
  };
  expect(renderPlan(native, plainLook)).toBe(
    `
public.orders: native, PostgreSQL changes the table itself, without rewriting it

Size
  rows not known (never analyzed), table 8 kB, indexes 0 B

Statements
  ALTER TABLE public.orders ADD COLUMN x integer;

In the way now
  nothing: no session that can be seen holds a lock or an old transaction
`.trim(),
  );
});

test('the plan as JSON has what scripts rely on', () => {
  expect(planObject(aPlan)).toMatchObject({
    table: 'public.orders',
    verdict: 'copy',
    reasons: aPlan.reasons,
    columns: aPlan.columns,
    locks: aPlan.locks,
    dependents: aPlan.dependents,
    warnings: aPlan.warnings,
    estimates: aPlan.estimates,
  });
});
