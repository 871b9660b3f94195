import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Hook, hookOption, Hooks, type HooksOptions } from '../../src/cli/hooks.js';
import { createRedactor } from '../../src/report/redact.js';
import { event, started } from '../report/events.js';
import { until } from '../support/until.js';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pg-ghost-hooks-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

const env = { PATH: process.env['PATH'] };

interface Made {
  readonly hooks: Hooks;
  readonly warnings: string[];
}

function make(given: readonly Hook[], options: Partial<HooksOptions> = {}): Made {
  const warnings: string[] = [];
  const redact = createRedactor(['s3cret']);
  const warn = (text: string): void => void warnings.push(text);
  return { hooks: new Hooks(given, { env, redact, warn, ...options }), warnings };
}

let files = 0;
const newFile = (): string => join(folder, `file-${(files += 1)}`);
const lines = async (file: string): Promise<string[]> =>
  (await readFile(file, 'utf8')).split('\n').slice(0, -1);
const exists = (file: string): Promise<boolean> =>
  stat(file).then(
    () => true,
    () => false,
  );
/** One that has ended may stay in the list until somebody asks for its exit code. */
async function isRunning(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  const entry = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return !/\) Z /.test(entry);
}

const done = event('migration:done', {
  table: 'public.orders',
  old: 'ghost_old_7.orders',
  native: false,
  rows: 3,
  seconds: 1,
  holdMs: 3,
});
const swapped = event('cutover:done', { attempts: 1, holdMs: 3.14159, captureMs: 0, drainedKeys: 12 });
const failure = {
  code: 'no-space',
  message: 'no space left',
  cause: null,
  state: null,
  hint: null,
  exitCode: 1,
};

test.each([
  ['done=./notify.sh', 'done', './notify.sh'],
  ['before-cutover=test "$A" = b', 'before-cutover', 'test "$A" = b'],
  [' phase = echo "$PG_GHOST_PHASE"\necho', 'phase', 'echo "$PG_GHOST_PHASE"\necho'],
])('--hook %s', (text, name, command) => {
  expect(hookOption(text)).toEqual({ event: name, command });
});

test.each(['', 'done', 'done=', 'done= ', '=echo', 'end=echo', 'Done=echo', 'copy:progress=echo'])(
  'not EVENT=COMMAND: "%s"',
  (text) => {
    expect(() => hookOption(text)).toThrow(
      'It takes EVENT=COMMAND; EVENT is one of started, phase, throttled, before-cutover, after-cutover, done, failed.',
    );
  },
);

test('what a hook is told: variables, and the event as it is with --json', async () => {
  const file = newFile();
  const command = `{ echo "$PG_GHOST_EVENT|$PG_GHOST_MIGRATION|$PG_GHOST_TABLE|$PG_GHOST_PHASE"; cat; } > ${file}`;
  const { hooks, warnings } = make([{ event: 'after-cutover', command }]);
  for (const each of [started, event('phase:started', { phase: 'cutover' }), swapped]) hooks.listener(each);
  await hooks.close();
  const [variables, line = ''] = await lines(file);
  expect(variables).toBe('after-cutover|7|public.orders|cutover');
  expect(JSON.parse(line)).toEqual({
    event: 'cutover:done',
    id: 7,
    attempts: 1,
    holdMs: 3.14,
    captureMs: 0,
    drainedKeys: 12,
    at: '2026-01-02T03:04:05.000Z',
  });
  expect(warnings).toEqual([]);
});

test('which events fire which hooks, in their order', async () => {
  const file = newFile();
  const command = `echo "$PG_GHOST_EVENT $PG_GHOST_PHASE" >> ${file}`;
  const names = [
    'started',
    'phase',
    'throttled',
    'before-cutover',
    'after-cutover',
    'done',
    'failed',
  ] as const;
  const { hooks } = make([
    ...names.map((name) => ({ event: name, command })),
    // A slow one does not let the next overtake it.
    { event: 'started', command: `read line; ${command}` },
  ]);
  const reasons = [{ signal: 'lag', text: 'replica lag' }];
  for (const each of [
    started,
    event('phase:started', { phase: 'copy' }),
    event('throttle', { kind: 'pause', reasons }),
    event('throttle', { kind: 'stop', reasons }),
    event('throttle', { kind: 'go', reasons: [] }),
    event('throttle', { kind: 'pause', reasons }),
    event('run:retrying', { message: 'gone', forSeconds: 1 }),
    event('migration:started', { table: 'public.orders', shadow: 's', fresh: false, phase: 'copy' }),
    event('phase:started', { phase: 'cutover' }),
    swapped,
    done,
  ]) {
    hooks.listener(each);
  }
  hooks.failed(failure, 7);
  await hooks.close();
  expect(await lines(file)).toEqual([
    'started prepare',
    'started prepare',
    'phase copy',
    'throttled copy',
    'throttled copy',
    'phase cutover',
    'after-cutover cutover',
    'done swapped',
    'failed swapped',
  ]);
});

test('a failure is told as it is with --json; an interruption is none', async () => {
  const file = newFile();
  const { hooks } = make([{ event: 'failed', command: `cat >> ${file}` }]);
  hooks.failed({ ...failure, code: 'interrupted', exitCode: 130 }, 7);
  hooks.failed(failure, null);
  await hooks.close();
  const told = (await lines(file)).map((line) => JSON.parse(line) as unknown);
  expect(told).toMatchObject([{ event: 'error', id: null, code: 'no-space', exitCode: 1 }]);
});

test('the environment is the user’s, without the passwords', async () => {
  const file = newFile();
  const { hooks } = make([{ event: 'done', command: `env > ${file}` }], {
    env: {
      ...env,
      PGPASSWORD: 's3cret',
      DATABASE_URL: 'postgres://me:s3cret@host/db',
      PGHOST: 'h',
      MINE: 'yes',
    },
  });
  hooks.listener(done);
  await hooks.close();
  const variables = await lines(file);
  expect(variables).toContain('MINE=yes');
  expect(variables).toContain('PGHOST=h');
  expect(variables.join('\n')).not.toMatch(/s3cret|PGPASSWORD|DATABASE_URL/);
});

test('the listener does not wait, `close` does', async () => {
  const gate = newFile();
  const file = newFile();
  const { hooks } = make([
    { event: 'done', command: `until [ -e ${gate} ]; do sleep 0.01; done; echo > ${file}` },
  ]);
  hooks.listener(done);
  const closed = hooks.close();
  expect(await exists(file)).toBe(false);
  await writeFile(gate, '');
  await closed;
  expect(await exists(file)).toBe(true);
});

test('a failure is a warning, with the end of the output and no password', async () => {
  const noise = 'i=0; while [ $i -lt 300 ]; do echo "line number $i"; i=$((i+1)); done';
  const { hooks, warnings } = make([
    { event: 'done', command: `${noise}; echo "the password is s3cret" >&2; exit 3` },
    { event: 'done', command: 'exit 1' },
    { event: 'done', command: 'kill -TERM $$' },
    { event: 'done', command: 'no-such-command-anywhere' },
  ]);
  hooks.listener(done);
  await hooks.close();
  expect(warnings[0]).toMatch(
    /^the done hook failed with exit code 3: .*line number 299\nthe password is \*\*\*$/s,
  );
  expect(warnings[0]?.length).toBeLessThan(2048 + 50);
  expect(warnings.slice(1, 3)).toEqual([
    'the done hook failed with exit code 1',
    'the done hook was ended by SIGTERM',
  ]);
  expect(warnings[3]).toContain('the done hook failed with exit code 127: ');
});

test('one that does not read what it is told, and one that says much', async () => {
  const { hooks, warnings } = make([
    { event: 'done', command: 'exec <&-; exit 0' },
    { event: 'done', command: 'head -c 2000000 /dev/zero' },
  ]);
  hooks.listener(done);
  await hooks.close();
  expect(warnings).toEqual([]);
});

test('one that takes too long is ended', async () => {
  const { hooks, warnings } = make([{ event: 'done', command: 'sleep 1000' }], { timeoutMs: 200 });
  hooks.listener(done);
  await until(() => warnings.length > 0, { what: 'the end of the hook' });
  expect(warnings).toEqual(['the done hook took longer than 200ms and was ended']);
  await hooks.close();
});

test('what it leaves in the background does not hold it up', async () => {
  const file = newFile();
  const { hooks, warnings } = make([{ event: 'done', command: `sleep 1000 & echo $! > ${file}` }]);
  hooks.listener(done);
  await hooks.close();
  const pid = Number((await lines(file))[0]);
  expect(warnings).toEqual([]);
  expect(await isRunning(pid)).toBe(true);
  process.kill(pid);
});

test('`close` does not wait longer than for one', async () => {
  const { hooks, warnings } = make(
    Array.from({ length: 40 }, () => ({ event: 'done' as const, command: 'sleep 1000' })),
    { timeoutMs: 400 },
  );
  hooks.listener(done);
  await hooks.close();
  expect(warnings).toHaveLength(40);
  expect(warnings.at(-1)).toBe('the done hook was ended with the run');
});

test('the user cancels: it is ended, with everything that it started', async () => {
  const cancel = new AbortController();
  const file = newFile();
  const command = `sleep 1000 & echo $! > ${file}.new; mv ${file}.new ${file}; wait`;
  const { hooks, warnings } = make([{ event: 'done', command }], { signal: cancel.signal });
  hooks.listener(done);
  await until(() => exists(file), { what: 'the start of the hook' });
  cancel.abort();
  await hooks.close();
  expect(warnings).toEqual(['the done hook was ended with the run']);
  const pid = Number((await lines(file))[0]);
  await until(async () => !(await isRunning(pid)), { what: 'the end of the process in the background' });
});

const migration = { id: 7, table: 'public.orders' };

test('before-cutover: without a hook, yes', async () => {
  const { hooks } = make([{ event: 'done', command: 'exit 1' }]);
  expect(await hooks.beforeCutover(migration)).toEqual({ ok: true, said: '' });
});

test('before-cutover: what it is told, and its yes', async () => {
  const file = newFile();
  const { hooks } = make([
    {
      event: 'before-cutover',
      command: `{ echo "$PG_GHOST_EVENT|$PG_GHOST_PHASE"; cat; } > ${file}; echo 'go  on'`,
    },
  ]);
  hooks.listener(started);
  hooks.listener(event('phase:started', { phase: 'cutover' }));
  expect(await hooks.beforeCutover(migration)).toEqual({ ok: true, said: 'go on' });
  const [variables, line = ''] = await lines(file);
  expect(variables).toBe('before-cutover|cutover');
  expect(JSON.parse(line)).toEqual({
    event: 'before-cutover',
    ...migration,
    phase: 'cutover',
    at: expect.any(String) as string,
  });
});

test('before-cutover: the first no is the answer, and no warning', async () => {
  const file = newFile();
  const { hooks, warnings } = make([
    { event: 'before-cutover', command: 'echo fine' },
    { event: 'before-cutover', command: 'echo "backup runs"; echo "until s3cret"; exit 1' },
    { event: 'before-cutover', command: `echo > ${file}` },
  ]);
  expect(await hooks.beforeCutover(migration)).toEqual({ ok: false, said: 'backup runs until ***' });
  expect(await exists(file)).toBe(false);
  expect(warnings).toEqual([]);
});

test.each([
  ['exit 2', 'it failed with exit code 2'],
  ['sleep 1000', 'it took longer than 200ms and was ended'],
])('before-cutover: a no without words, %s', async (command, said) => {
  const { hooks } = make([{ event: 'before-cutover', command }], { timeoutMs: 200 });
  expect(await hooks.beforeCutover(migration)).toEqual({ ok: false, said });
});

test('before-cutover does not wait for hooks that were fired before', async () => {
  const gate = newFile();
  const { hooks } = make([
    { event: 'started', command: `until [ -e ${gate} ]; do sleep 0.01; done` },
    { event: 'before-cutover', command: 'exit 0' },
  ]);
  hooks.listener(started);
  expect((await hooks.beforeCutover(migration)).ok).toBe(true);
  await writeFile(gate, '');
  await hooks.close();
});
