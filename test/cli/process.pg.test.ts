/** The program as it is installed: `npm test` has built it. What only a real process shows: streams, signals, its end. */
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { createDatabase, until } from '../support/database.js';
import { finished, Process } from './processes.js';

const shape = ['--table', 'orders', '--alter', 'ALTER COLUMN id TYPE bigint'];

const orders = `
  create table orders (id serial primary key, note text);
  insert into orders (note) select 'order ' || n from generate_series(1, 5000) as n`;

test('plan, run, status, finalize', async () => {
  await using db = await createDatabase(orders);
  const plan = await finished(['plan', '--json', ...shape], db);
  expect([plan.code, plan.stderr]).toEqual([0, '']);
  expect(plan.objects).toMatchObject([{ table: 'public.orders', verdict: 'copy' }]);

  const run = await finished(['run', '--json', ...shape], db);
  expect(run.code).toBe(0);
  expect(run.objects[0]).toMatchObject({ event: 'plan:ready', id: 1 });
  expect(run.objects.at(-1)).toEqual({
    event: 'migration:done',
    id: 1,
    table: 'public.orders',
    old: 'ghost_old_1.orders',
    native: false,
    rows: 5000,
    seconds: expect.any(Number) as number,
    holdMs: expect.any(Number) as number,
    at: expect.any(String) as string,
  });

  const status = await finished(['status', '1', '--json'], db);
  expect(status.objects).toMatchObject([
    { id: 1, phase: 'swapped', table: 'public.orders', shadow: null, old: 'ghost_old_1.orders', error: null },
  ]);
  const finalize = await finished(['finalize', '1'], db);
  expect(finalize.stdout).toMatch(
    /^migration 1 finalized; dropped: ghost_old_1\.orders \(\d+ kB\); public\.orders keeps its new shape\n$/,
  );
  const { rows } = await db.query(`select count(*)::int as n from pg_class where relname = 'orders'`);
  expect(rows).toEqual([{ n: 1 }]);
});

test('a refusal ends with 3', async () => {
  await using db = await createDatabase('create table orders (id int) partition by range (id)');
  for (const command of ['plan', 'run']) {
    const refused = await finished([command, ...shape], db);
    expect(refused.code).toBe(3);
    expect(refused.stdout + refused.stderr).toContain('refused');
    expect(refused.stderr).not.toMatch(/\n\s+at /);
  }
});

test('interrupted while it waits for the swap it keeps its state, and the same command ends it', async () => {
  await using db = await createDatabase(orders);
  await db.query('begin');
  await db.query('select from orders limit 1');
  await using first = new Process(['run', '--json', ...shape], db);
  await until(() => first.stdout.includes('"cutover:missed"'), { what: 'a missed lock', timeoutMs: 40_000 });
  first.child.kill('SIGINT');
  expect(await first.exitCode()).toBe(130);
  expect(first.objects.at(-1)).toMatchObject({
    event: 'error',
    id: 1,
    code: 'interrupted',
    exitCode: 130,
    hint: 'the same command continues, pg-ghost abort 1 undoes',
  });
  expect(first.stderr).toContain('stopping after the current chunk');
  await db.query('commit');

  const second = await finished(['run', ...shape], db);
  expect([second.code, second.stderr]).toEqual([0, '']);
  expect(second.stdout).toContain('migration 1: public.orders');
  expect(second.stdout).toContain('next: pg-ghost finalize 1');
});

test('a reader that goes away ends neither the run nor the calm', async () => {
  await using db = await createDatabase(orders);
  await using run = new Process(['run', ...shape], db);
  await once(run.child.stdout, 'data');
  run.child.stdout.destroy();
  expect(await run.exitCode()).toBe(0);
  expect(run.stderr).toBe('');
  const { rows } = await db.query('select phase from ghost.migrations');
  expect(rows).toEqual([{ phase: 'swapped' }]);
});

test('a password is not shown when there is no connection', async () => {
  const urls = [
    'postgres://me:hunter2@127.0.0.1:1/shop',
    // Not encoded: what follows the slash is taken for the name of the database.
    'postgres://me:1/hunter2@127.0.0.1/shop',
    'postgres://me:with space hunter2@127.0.0.1:1/shop',
    'mysql://me:hunter2@127.0.0.1/shop',
  ];
  await Promise.all(
    urls.flatMap((url) =>
      [[], ['--json', '--log-level', 'debug']].map(async (mode) => {
        await using run = new Process(['status', ...mode], { url });
        expect(await run.exitCode()).toBeGreaterThan(0);
        expect(run.stdout + run.stderr).toMatch(/connect|URL/);
        expect(run.stdout + run.stderr).not.toContain('hunter2');
      }),
    ),
  );
});
