import { expect, test } from 'vitest';
import type { MigrateOptions, PlanOptions } from '../../src/run/types.js';
import { aPlan } from '../report/a-plan.js';
import { aResult } from './a-result.js';
import { invoke } from './invoke.js';

const shape = ['--table', 'orders', '--alter', 'ALTER COLUMN id TYPE bigint'];

test.each([
  [['--help'], 'Usage: pg-ghost'],
  [['help'], 'Usage: pg-ghost'],
  [['run', '--help'], '--cutover-deadline <DURATION>'],
  [['--version'], '0.'],
])('%j is answered on stdout', async (args, text) => {
  const { exitCode, stdout, stderr } = await invoke(args);
  expect(exitCode).toBe(0);
  expect(stdout.text).toContain(text);
  expect(stderr.text).toBe('');
});

test('the commands are those of this release', async () => {
  const { stdout } = await invoke(['--help']);
  const commands = [...stdout.text.matchAll(/^ {2}([a-z]+) .*$/gm)].map(([, name]) => name);
  expect(commands).toEqual([
    'plan',
    'run',
    'status',
    'pause',
    'unpause',
    'set',
    'cutover',
    'verify',
    'abort',
    'finalize',
    'demo',
    'help',
  ]);
});

test.each([
  [[], 'a command is missing'],
  [['frobnicate'], "unknown command 'frobnicate'"],
  [['run', '--tabel', 'orders'], "unknown option '--tabel'"],
  [['run', 'orders'], 'too many arguments'],
  [['run'], 'no table is named'],
  [['plan', '--alter', 'DROP COLUMN x'], 'no table is named'],
  [['run', '-t', 'orders'], 'no change is asked for orders'],
  [['run', '-t', ''], "argument '' is invalid. It must not be empty."],
  [['run', ...shape, '--alter', ' '], 'It must not be empty.'],
  [['run', ...shape, '--file', '/no/such.sql'], 'cannot read /no/such.sql'],
  [['run', ...shape, '--set', 'x'], 'It takes COLUMN=EXPRESSION'],
  [
    ['run', ...shape, '--workers', '0'],
    "option '--workers <N>' argument '0' is invalid. It takes a whole number from 1 to 64.",
  ],
  [['run', ...shape, '--workers', '65'], 'from 1 to 64'],
  [['run', ...shape, '--chunk-time', '9'], 'from 10 to 60000'],
  [['run', ...shape, '--chunk-time', '500ms'], 'from 10 to 60000'],
  [['run', ...shape, '--lock-timeout', '0'], 'from 1 to 60000'],
  [['run', ...shape, '--max-hold', '-5'], 'from 1 to 60000'],
  [['run', ...shape, '--cutover-deadline', '10'], 'a duration with its unit'],
  [['run', ...shape, '--native', 'maybe'], 'Allowed choices are auto, never, only.'],
  [['run', ...shape, '--log-level', 'loud'], 'Allowed choices are'],
  [['run', ...shape, '--log-file', '/no/such/dir/log'], 'cannot write to the log file /no/such/dir/log'],
  [['run', ...shape, '--dsn', ''], 'It must not be empty.'],
  [['status', 'x'], 'It takes the number of a migration'],
  [['abort'], "missing required argument 'ID'"],
  [['abort', '0'], 'It takes the number of a migration'],
  [['finalize', '1', '2'], 'too many arguments'],
  [['demo', '--rows', '10'], 'from 1000 to 50000000'],
  [['demo', '--major', '13'], 'from 14 to 18'],
])('wrong usage: %j', async (args, message) => {
  const human = await invoke(args);
  expect(human.exitCode).toBe(2);
  expect(human.stdout.text).toBe('');
  expect(human.stderr.text).toContain('error: ');
  expect(human.stderr.text).toContain(message);
  expect(human.stderr.text).not.toMatch(/\n\s+at /);
});

test('wrong usage as JSON', async () => {
  const { exitCode, stdout, stderr } = await invoke(['run', '--json', ...shape, '--workers', 'two']);
  expect(exitCode).toBe(2);
  expect(stdout.objects).toMatchObject([{ event: 'error', id: null, code: 'usage', exitCode: 2 }]);
  expect(stderr.text).toBe('');
});

test('the defaults and the units of run', async () => {
  let asked: MigrateOptions | undefined;
  const migrate = (options: MigrateOptions) => {
    asked = options;
    return Promise.resolve(aResult);
  };
  await invoke(['run', ...shape], { library: { migrate }, env: { DATABASE_URL: 'postgres://db/shop' } });
  expect(asked).toMatchObject({
    connection: { url: 'postgres://db/shop' },
    request: {
      table: 'orders',
      alter: ['ALTER COLUMN id TYPE bigint'],
      statements: [],
      set: [],
      rewrite: false,
    },
    settings: {
      workers: 2,
      chunkTimeMs: 500,
      lockTimeoutMs: 1000,
      maxHoldMs: 500,
      cutoverDeadlineMs: 600_000,
      native: 'auto',
    },
  });
  const given =
    '--workers 8 --chunk-time 250 --lock-timeout 300 --max-hold 100 --cutover-deadline 1h30m --native never';
  await invoke(['run', ...shape, '--set', 'x=1', '--set', '"Y"=2', '--rewrite', ...given.split(' ')], {
    library: { migrate },
  });
  expect(asked).toMatchObject({
    request: {
      set: [
        { column: 'x', expression: '1' },
        { column: '"Y"', expression: '2' },
      ],
      rewrite: true,
    },
    settings: {
      workers: 8,
      chunkTimeMs: 250,
      lockTimeoutMs: 300,
      maxHoldMs: 100,
      cutoverDeadlineMs: 5_400_000,
      native: 'never',
    },
  });
});

test('plan prints the plan; a refused one ends with 3', async () => {
  const plan = (options: PlanOptions) =>
    Promise.resolve({
      ...aPlan,
      verdict: options.request.rewrite ? ('refused' as const) : ('copy' as const),
    });
  const human = await invoke(['plan', ...shape], { library: { plan } });
  expect(human.exitCode).toBe(0);
  expect(human.stdout.lines[0]).toContain('public.orders: copy');
  const refused = await invoke(['plan', ...shape, '--rewrite', '--json'], { library: { plan } });
  expect(refused.exitCode).toBe(3);
  expect(refused.stdout.objects).toMatchObject([{ table: 'public.orders', verdict: 'refused' }]);
});
