import { expect, test } from 'vitest';
import type { LockRole } from '../../src/model/lock-set.js';
import type { Plan, PlannedLock } from '../../src/model/plan.js';
import { plainLook } from '../../src/report/paint.js';
import { planObject } from '../../src/report/plan-json.js';
import { renderPlan } from '../../src/report/plan-text.js';
import { grid } from '../../src/report/text-layout.js';
import { textWidth } from '../../src/report/text-width.js';
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
  prepare  create the change log and the triggers
           SHARE ROW EXCLUSIVE on public.orders
             blocks writes, a few ms; create the triggers
  copy     copy all rows in chunks
  cutover  swap the tables
           ACCESS EXCLUSIVE on public.orders
             blocks reads and writes, a few ms; the swap

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

What ends the run
  - columns changed

How to go back
  - before the swap: pg-ghost abort
  - after it: the old table is kept until pg-ghost finalize
`.trim(),
  );
});

test('a refused plan says why and what to do, and nothing of what will not happen', () => {
  const refused = {
    ...aPlan,
    verdict: 'refused' as const,
    reasons: [
      { code: 'a', message: 'view public.a reads it', hint: 'drop the view' },
      { code: 'a', message: 'view public.b reads it', hint: 'drop the view' },
      { code: 'b', message: 'it has no key' },
    ],
    warnings: [],
    estimates: null,
  };
  expect(renderPlan(refused, plainLook)).toBe(
    `
public.orders: refused, this change cannot be made; nothing was changed
  - view public.a reads it
  - view public.b reads it
    drop the view
  - it has no key
`.trim(),
  );
  const verbose = renderPlan(refused, plainLook, { verbose: true });
  expect(verbose).toContain('What depends on it');
  expect(verbose).not.toContain('Steps');
});

test('a native plan shows the statements', () => {
  const native = {
    ...aPlan,
    verdict: 'native' as const,
    endsTheRun: [],
    reasons: [],
    nativeStatements: ['ALTER TABLE public.orders ADD COLUMN x integer'],
    columns: [],
    steps: [],
    locks: [],
    dependents: [],
    obstacles: [],
    warnings: [],
    rollback: [],
    estimates: {
      rows: null,
      tableBytes: 8192,
      indexBytes: 0,
      toastBytes: 0,
      diskNeededBytes: 0,
      holdMs: null,
    },
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

/** As many things of every kind as `size` on one table, as `plan` makes them. */
function crowded(size: number): Plan {
  const name = (index: number): string => `child_${String(index).padStart(5, '0')}`.padEnd(63, 'x');
  const tables = Array.from({ length: size }, (_, index) => `public.${name(index)}`);
  const lock = (phase: string, table: string, mode: string, role: LockRole): PlannedLock => ({
    phase,
    table,
    role,
    mode,
    why: `for ${table}`,
    blocks: mode === 'ACCESS EXCLUSIVE' ? 'reads and writes' : 'nothing',
    duration: role === 'table' ? 'milliseconds' : 'in the same transaction',
  });
  return {
    ...aPlan,
    steps: [
      ...aPlan.steps,
      {
        phase: 'validate',
        what: `validate ${tables.join(', ')}`,
        brief: `validate ${tables[0]} and ${size - 1} more`,
      },
    ],
    locks: [
      ...tables.map((table) => lock('cutover', table, 'ACCESS EXCLUSIVE', 'referencing table')),
      lock('cutover', 'public.orders', 'ACCESS EXCLUSIVE', 'table'),
      lock('cutover', 'public.orders_id_seq', 'ACCESS EXCLUSIVE', 'sequence'),
      ...tables.flatMap((table) => [
        lock('validate', table, 'SHARE UPDATE EXCLUSIVE', 'referencing table'),
        lock('validate', 'public.orders', 'ROW SHARE', 'table'),
      ]),
    ],
    dependents: tables.map((table) => ({
      kind: 'foreign-key-in',
      name: `constraint fk on table ${table}`,
      treatment: 'recreated',
      why: 'added NOT VALID in the swap',
    })),
    warnings: [{ code: 'many', message: tables.join(', '), brief: 'many' }],
  };
}

test('many locks of a kind are counted, and named when asked for', () => {
  const text = renderPlan(crowded(600), plainLook);
  expect(text).toContain(
    `
            ACCESS EXCLUSIVE on public.orders, on 600 referencing tables, and on sequence
              public.orders_id_seq; --verbose lists them
              blocks reads and writes, milliseconds; for public.orders
`,
  );
  expect(text).toContain('SHARE UPDATE EXCLUSIVE on 600 referencing tables; --verbose lists them');
  expect(text).toContain('recreated in the swap (600)');
  expect(text).toMatch(/and 596\s+more \(--verbose lists them\)/);
  expect(text.split('\n').length).toBeLessThan(90);
  const verbose = renderPlan(crowded(600), { ...plainLook, width: 200 }, { verbose: true });
  for (const { table, mode } of crowded(600).locks) expect(verbose).toContain(`${mode} on ${table}:`);
  expect(verbose).not.toContain('--verbose');
});

test('few locks of a kind are named', () => {
  expect(renderPlan(crowded(2), { ...plainLook, width: 400 })).toMatch(
    /ACCESS EXCLUSIVE on public\.orders, on referencing tables: public\.child_00000x+, public\.child_00001x+, and on sequence public\.orders_id_seq\n/,
  );
});

test('the time for the text grows with what it tells', () => {
  const started = process.cpuUsage();
  const text = renderPlan(crowded(20_000), plainLook, { verbose: true });
  const { user } = process.cpuUsage(started);
  expect(text.length).toBeGreaterThan(1_000_000);
  expect(user / 1e6).toBeLessThan(5);
});

test('a narrow terminal gets whole names', () => {
  const long = 'ä'.repeat(30) + 'x_y';
  const plan: Plan = {
    ...aPlan,
    table: { schema: 'Ein Schema', name: long },
    columns: [
      {
        target: `${long}_2`,
        targetType: 'numeric(12,2)',
        source: long,
        sourceType: 'numeric(10,2)',
        how: 'converted',
        expression: null,
      },
      ...aPlan.columns,
    ],
    locks: [
      {
        phase: 'cutover',
        table: `"Ein Schema"."${long} und noch"`,
        role: 'view',
        mode: 'ACCESS EXCLUSIVE',
        why: 'its query is replaced',
        blocks: 'reads and writes',
        duration: 'in the same transaction',
      },
    ],
  };
  const lines = renderPlan(plan, { ...plainLook, width: 60 }).split('\n');
  expect(lines.filter((line) => line.includes(`"Ein Schema"."${long} und noch"`))).toHaveLength(1);
  expect(lines.filter((line) => line.includes(`${long}_2`))).toHaveLength(1);
  // What is longer than the terminal is one word.
  for (const line of lines.filter((each) => each.length > 60)) expect(line).toContain(long);
});

test('wide letters take two columns', () => {
  expect(textWidth('注文')).toBe(4);
  expect(textWidth('cafe\u0301')).toBe(4);
  expect(
    grid([
      ['注文', 'a'],
      ['order', 'b'],
    ]),
  ).toEqual(['  注文   a', '  order  b']);
});

test('the plan as JSON has what scripts rely on', () => {
  expect(planObject(aPlan)).toMatchObject({
    table: 'public.orders',
    verdict: 'copy',
    reasons: aPlan.reasons,
    columns: aPlan.columns,
    locks: aPlan.locks,
    steps: aPlan.steps,
    dependents: aPlan.dependents,
    warnings: aPlan.warnings,
    estimates: aPlan.estimates,
  });
});

test('scripts get every name', () => {
  const { steps, locks, warnings, dependents } = planObject(crowded(600));
  const { steps: all, ...plan } = crowded(600);
  expect({ steps, locks, warnings, dependents }).toEqual({
    steps: all.map(({ phase, what }) => ({ phase, what })),
    locks: plan.locks,
    warnings: plan.warnings.map(({ code, message }) => ({ code, message })),
    dependents: plan.dependents,
  });
});
