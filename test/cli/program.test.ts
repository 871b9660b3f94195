import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
import type { MigrateOptions } from '../../src/run/run-options.js';
import type { PlanOptions } from '../../src/api/plan.js';
import { aNativePlan, aPlan } from '../report/a-plan.js';
import { refusedFor } from '../../src/model/plan.js';
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
    'rollback',
    'rollforward',
    'sync',
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
    Promise.resolve(options.request.rewrite ? refusedFor(aPlan, []) : aPlan);
  const human = await invoke(['plan', ...shape], { library: { plan } });
  expect(human.exitCode).toBe(0);
  expect(human.stdout.lines[0]).toContain('public.orders: copy');
  const refused = await invoke(['plan', ...shape, '--rewrite', '--json'], { library: { plan } });
  expect(refused.exitCode).toBe(3);
  expect(refused.stdout.objects).toMatchObject([{ table: 'public.orders', verdict: 'refused' }]);
});

describe('plan takes the line of run', () => {
  const given = [
    ['--max-hold', '2000', '--verify', 'off', '--cutover-deadline', '1h30m', '--max-lag', '5000'],
    ['--postpone-cutover', '--cutover-window', '02:00-04:00 Europe/Berlin', '--kill-blockers', '10s'],
    ['--replica', 'postgres://me:s3cret@one/shop', '--replica', 'host=two password=hidden'],
    ['--hook', 'done=./tell', '--metrics-port', '0', '--workers', '2', '--retry-for', '600s'],
  ].flat();
  let asked: PlanOptions | undefined;
  const planAs = (verdict: 'copy' | 'native') => (options: PlanOptions) => {
    asked = options;
    return Promise.resolve(verdict === 'copy' ? aPlan : aNativePlan);
  };

  test('and hands on the same settings', async () => {
    let toRun: MigrateOptions | undefined;
    const migrate = (options: MigrateOptions) => {
      toRun = options;
      return Promise.resolve(aResult);
    };
    const { exitCode } = await invoke(['plan', ...shape, ...given], { library: { plan: planAs('copy') } });
    expect(exitCode).toBe(0);
    await invoke(['run', ...shape, ...given], { library: { migrate } });
    expect(asked?.settings).toEqual(toRun?.settings);
    expect(asked?.settings).toMatchObject({
      maxHoldMs: 2000,
      cutoverDeadlineMs: 5_400_000,
      killBlockersAfterMs: 10_000,
      limits: { maxLagMs: 5000 },
      replicas: [{ url: 'postgres://me:s3cret@one/shop' }, { url: 'host=two password=hidden' }],
    });
  });

  test('and lists what is not as by default, without passwords', async () => {
    const { stdout } = await invoke(['plan', ...shape, ...given], { library: { plan: planAs('copy') } });
    const lines = stdout.lines.slice(stdout.lines.indexOf('Settings') + 1);
    const section = lines
      .slice(0, lines.indexOf(''))
      .join('\n')
      .replaceAll(/\n {4}/g, ' ')
      .split('\n');
    expect(section).toEqual([
      '  - --max-hold 2000: longest time the swap may hold its locks, in ms (1-60000); 500 by default',
      '  - --cutover-deadline 1h30m: how long to try for the swap: 90s, 10m, 1h30m (1s-7d); 10m by default',
      '  - --verify off: how the tables are compared before the swap: not at all; full by default',
      '  - --max-lag 5000: pause while a replica is further behind than this, in ms',
      '  - --replica postgres://me:***@one/shop --replica host=two password=***: a replica to ask itself; may be repeated',
      '  - --postpone-cutover: keep the new table in sync, swap when pg-ghost cutover says so',
      '  - --cutover-window 02:00-04:00 Europe/Berlin: swap only then: "02:00-04:00 Europe/Berlin"',
      '  - --kill-blockers 10s: end sessions that are in the way of a lock for longer than this, which is never done without it (0s-7d)',
      '  - --hook done=./tell: run a shell command at started, phase, throttled, before-cutover, after-cutover, done or failed; may be repeated',
      '  - --metrics-port 0: metrics for Prometheus on 127.0.0.1 at this port (0-65535; 0 takes a free one)',
    ]);
  });

  test('and has them in JSON by the names of set', async () => {
    const library = { plan: planAs('copy') };
    const { stdout } = await invoke(['plan', ...shape, ...given, '--json'], { library });
    expect(stdout.objects[0]?.['runSettings']).toEqual({
      'max-hold': 2000,
      'cutover-deadline': 5_400_000,
      verify: 'off',
      'max-lag': 5000,
      replica: ['postgres://me:***@one/shop', 'host=two password=***'],
      'postpone-cutover': true,
      'cutover-window': '02:00-04:00 Europe/Berlin',
      'kill-blockers': 10_000,
      hook: ['done=./tell'],
      'metrics-port': 0,
    });
    const bare = await invoke(['plan', ...shape, '--json'], { library });
    expect(bare.stdout.objects[0]?.['runSettings']).toEqual({});
    expect((await invoke(['plan', ...shape], { library })).stdout.lines).not.toContain('Settings');
  });

  test('and says where nothing comes of one, as the change is native', async () => {
    const line = ['--max-hold', '2000', '--workers', '8'];
    const { stdout } = await invoke(['plan', ...shape, ...line], { library: { plan: planAs('native') } });
    const idle = stdout.text
      .replaceAll(/\n {4}/g, ' ')
      .split('\n')
      .filter((each) => each.includes('nothing comes of it'));
    expect(idle).toEqual([expect.stringContaining('--workers 8')]);
  });

  test.each([
    [['--workers', '65'], 'from 1 to 64'],
    [['--native', 'maybe'], 'Allowed choices are auto, never, only.'],
    [['--throttle-query', 'select 1; commit'], 'not one query'],
    [['--throttle-query', ' '], 'It takes one SELECT.'],
    [['--nice', '101'], 'a number from 0 to 100'],
    [['--cutover-window', 'at night'], 'HH:MM-HH:MM'],
    [['--hook', 'x=y'], 'It takes EVENT=COMMAND'],
    [['--metrics-port', '65536'], 'from 0 to 65535'],
    [['--resume', '0'], 'It takes the number of a migration'],
  ])('and refuses %j with the same words', async (wrong, message) => {
    const texts = [];
    for (const name of ['plan', 'run']) {
      const { exitCode, stdout, stderr } = await invoke([name, ...shape, ...wrong]);
      expect([exitCode, stdout.text]).toEqual([2, '']);
      expect(stderr.text).toContain(message);
      texts.push(stderr.text);
    }
    expect(texts[0]).toBe(texts[1]);
  });

  test('but for --resume: such a run has its plan', async () => {
    const { exitCode, stdout } = await invoke(['plan', '--resume', '3', '--json']);
    expect(exitCode).toBe(2);
    expect(stdout.objects).toMatchObject([
      { code: 'resume-is-planned', hint: expect.stringContaining('pg-ghost status 3') as string },
    ]);
  });

  test('and looks whether the port of the metrics is free', async () => {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const { exitCode, stderr } = await invoke(['plan', ...shape, '--metrics-port', String(port)]);
    server.close();
    expect(exitCode).toBe(2);
    expect(stderr.text).toContain(`port ${port} of 127.0.0.1 is in use`);
  });
});
