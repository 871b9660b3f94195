import { commandLine } from '../../src/cli/command-line.js';
import { expect, test } from 'vitest';
import { refusedFor, type CopyPlan } from '../../src/model/plan.js';
import { plainLook } from '../../src/report/paint.js';
import { planObject } from '../../src/report/plan-json.js';
import { describePlan } from '../../src/report/plan/describe-plan.js';
import { renderPlan } from '../../src/report/plan-text.js';
import { grid } from '../../src/report/text-layout.js';
import { textWidth } from '../../src/report/text-width.js';
import { aNativePlan, aPlan, crowded } from './a-plan.js';

test('a plan to copy', () => {
  expect(renderPlan(aPlan, plainLook, { say: commandLine })).toBe(
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
  prepare   record the migration; build the empty new table; log the keys (id) of every write to
            public.orders by trigger
            SHARE ROW EXCLUSIVE on public.orders
              blocks writes, a moment, with a short lock_timeout and retries; create the trigger
              that logs keys
  copy      copy public.orders block by block into the new table, which has no index yet
            ACCESS SHARE on public.orders
              blocks nothing, one chunk at a time; read the rows
  purge     delete from the new table what was written to meanwhile, as the log says
  index     build 2 indexes on the new table: orders_pkey, orders_customer_id_idx
  catch-up  apply the logged keys until little is left
            ACCESS SHARE on public.orders
              blocks nothing, one batch at a time; read the rows that changed
  settle    vacuum and analyze the new table
  verify    compare the rows of the new table with public.orders, as the change maps them: every
            one, unless --verify says otherwise; the log goes on being applied
            ACCESS SHARE on public.orders
              blocks nothing, one piece at a time; read the rows
  cutover   under one short lock: apply the rest, move public.orders to ghost_old_<id>, and the new
            table to its place, with all that hangs on it
            ACCESS EXCLUSIVE on public.orders, and on view public.open_orders
              blocks reads and writes, milliseconds, at most --max-hold; a moment, with a short
              lock_timeout and retries; apply the rest and swap the tables

In the way now
  pid 4711              app, psql     idle in transaction  open for 32s  holds ACCESS SHARE
  prepared transaction  app, order 7  old transaction, no lock on the table

What depends on it
  recreated in the swap (1)
    view  view public.open_orders
          its query is replaced in the swap; owner, grants and all else stay
  carried (3)
    index  public.orders_pkey, public.orders_customer_id_idx
           built on the new table under the same name
    owner  app
           owns the new table

Warnings
  ! identity column id: the values are copied as they are, and the sequence goes on where it stands
    at the swap

What ends the run
  - columns added, dropped, renamed or retyped; the table renamed, moved or dropped; inheritance;
    whatever else a plan refuses
  - the key orders_pkey (id) dropped; the capture triggers touched. All other DDL is followed

How to go back
  - rollback: keeps everything; before the cutover pg-ghost abort ID undoes everything
`.trim(),
  );
});

test('a refused plan says why and what to do, and nothing of what will not happen', () => {
  const refused = {
    ...refusedFor(aPlan, [
      { code: 'a', message: 'view public.a reads it', hint: 'drop the view' },
      { code: 'a', message: 'view public.b reads it', hint: 'drop the view' },
      { code: 'b', message: 'it has no key' },
    ]),
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
  expect(renderPlan(aNativePlan, plainLook)).toBe(
    `
public.orders: native, PostgreSQL changes the table itself, without rewriting it

Size
  rows not known (never analyzed), table 8 kB, indexes 0 B

Statements
  ALTER TABLE public.orders ADD COLUMN x integer;

Steps
  native  ACCESS EXCLUSIVE on public.orders
            blocks reads and writes, a moment: only the catalog changes; ADD COLUMN x integer

In the way now
  nothing: no session that can be seen holds a lock or an old transaction

How to go back
  - rollback: by another ALTER TABLE only; public.orders is changed in place, in one transaction,
    and dropped columns are gone
`.trim(),
  );
});

test('many locks of a kind are counted, and named when asked for', () => {
  const text = renderPlan(crowded(600), plainLook);
  expect(text).toContain(
    `
            ACCESS EXCLUSIVE on public.orders, on 600 referencing tables, and on sequence
              public.orders_id_seq; --verbose lists them
              blocks reads and writes, milliseconds, at most --max-hold; a moment, with a short
              lock_timeout and retries; apply the rest and swap the tables
`,
  );
  expect(text).toContain('SHARE UPDATE EXCLUSIVE on 600 referencing tables; --verbose lists them');
  expect(text).toContain('recreated in the swap (600)');
  expect(text).toMatch(/and 596\s+more \(--verbose lists them\)/);
  expect(text.split('\n').length).toBeLessThan(110);
  const verbose = renderPlan(crowded(600), { ...plainLook, width: 200 }, { verbose: true });
  for (const { table, mode } of describePlan(crowded(600)).locks)
    expect(verbose).toContain(`${mode} on ${table}:`);
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
  const plan: CopyPlan = {
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
    lockSet: [
      {
        oid: 200,
        name: { schema: 'Ein Schema', name: `${long} und noch` },
        kind: 'view',
        role: 'view',
        mode: 'ACCESS EXCLUSIVE',
        reason: { because: 'view-replaced' },
      },
      ...aPlan.lockSet.filter(({ role }) => role === 'table'),
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
  const { obstacles, ...object } = planObject(aPlan);
  expect(object).toMatchObject({
    table: 'public.orders',
    verdict: 'copy',
    reasons: aPlan.reasons,
    columns: aPlan.columns,
    estimates: aPlan.estimates,
    nativeStatements: aPlan.statements,
    key: { index: 'orders_pkey', columns: ['id'] },
    warnings: [
      {
        code: 'identity',
        message:
          'identity column id: the values are copied as they are, and the sequence goes on where it stands at the swap',
      },
    ],
  });
  expect(object['locks']).toContainEqual({
    phase: 'cutover',
    table: 'public.open_orders',
    role: 'view',
    mode: 'ACCESS EXCLUSIVE',
    why: 'its query is replaced',
    blocks: 'reads and writes',
    duration: 'in the same transaction',
  });
  expect(object['dependents']).toContainEqual({
    kind: 'view',
    name: 'view public.open_orders',
    object: { catalog: 'pg_class', oid: 200 },
    treatment: 'recreated',
    why: 'its query is replaced in the swap; owner, grants and all else stay',
  });
  // A prepared transaction has no process.
  expect(obstacles).toMatchObject([{ pid: 4711 }, { pid: null, backendType: 'prepared transaction' }]);
});

test('scripts get every name', () => {
  const { steps, locks, warnings, dependents } = planObject(crowded(600));
  const told = describePlan(crowded(600));
  expect(told.warnings[0]?.brief).toContain('--verbose lists them');
  expect({ steps, locks, warnings, dependents }).toEqual({
    steps: told.steps.map(({ phase, what }) => ({ phase, what })),
    locks: told.locks,
    warnings: told.warnings.map(({ code, message }) => ({ code, message })),
    dependents: told.dependents,
  });
});
