import { EventEmitter } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { FailedError, InterruptedError, OutcomeUnknownError, RefusedError } from '../../src/errors.js';
import type { MigrateOptions } from '../../src/run/run-options.js';
import type { MigrationResult } from '../../src/api/migrate.js';
import { aPlan } from '../report/a-plan.js';
import { event, started } from '../report/events.js';
import { aResult } from './a-result.js';
import { FakeStream, invoke } from './invoke.js';

const args = ['run', '--table', 'orders', '--alter', 'ALTER COLUMN id TYPE bigint'];

const { id: _id, plan: _plan, ...donePayload } = aResult;

function succeed({ onEvent }: MigrateOptions): Promise<MigrationResult> {
  onEvent?.(event('plan:ready', { plan: aPlan }, { id: null }));
  onEvent?.(started);
  onEvent?.(event('phase:started', { phase: 'copy' }, { seconds: 1 }));
  onEvent?.(event('warning', { code: 'slow', message: 'this will take a while' }));
  onEvent?.(event('migration:done', donePayload, { seconds: 11.2 }));
  return Promise.resolve(aResult);
}

function failWith(error: unknown): (options: MigrateOptions) => Promise<never> {
  return ({ onEvent }) => {
    onEvent?.(started);
    return Promise.reject(error as Error);
  };
}

test('for people: the id first, the next command last; warnings on stderr', async () => {
  const { exitCode, stdout, stderr } = await invoke(args, { library: { migrate: succeed } });
  expect(exitCode).toBe(0);
  expect(stdout.lines).toEqual([
    '[0:00] migration 7: public.orders, shadow ghost_new_7.orders',
    '[0:01] copy started',
    '✔ public.orders has its new shape: 3,000,000 rows in 11.2s, lock held 3.1 ms',
    '  this change cost the application 0.00 blocked-backend-seconds',
    '  the old table is kept as ghost_old_7.orders',
    '  what is written from now on comes back with it: pg-ghost rollback 7',
    '  next: pg-ghost finalize 7 drops it, once nobody needs it any more',
  ]);
  expect(stderr.objects).toMatchObject([{ level: 40, msg: 'this will take a while' }]);
});

test('a native change has no old table and no next command', async () => {
  const native = { ...aResult, id: null, native: true, old: null, rows: 0, seconds: 0.02, holdMs: 2 };
  const { stdout } = await invoke(args, { library: { migrate: () => Promise.resolve(native) } });
  expect(stdout.lines).toEqual(['✔ public.orders changed by ALTER TABLE in 20ms, lock held 2.0 ms']);
});

test('--json: one object a line, each with event, id and at; the last one is the contract’s', async () => {
  const { exitCode, stdout } = await invoke([...args, '--json'], { library: { migrate: succeed } });
  expect(exitCode).toBe(0);
  expect(stdout.objects.map((line) => line['event'])).toEqual([
    'plan:ready',
    'migration:started',
    'phase:started',
    'warning',
    'migration:done',
  ]);
  expect(stdout.objects).toEqual(
    stdout.objects.map(() => expect.objectContaining({ id: 7, at: expect.any(String) as string }) as object),
  );
  expect(stdout.lines.at(-1)).toMatch(
    /^\{"event":"migration:done","id":7,"table":"public\.orders","old":"ghost_old_7\.orders","native":false,"rows":3000000,"seconds":11\.2,"holdMs":3\.1,"at":"/,
  );
});

test('--json: a failure is the last line, with the id', async () => {
  const error = new FailedError('no-index', 'no index', {
    state: 'kept',
    hint: 'again',
    details: { index: 'i' },
  });
  const { exitCode, stdout, stderr } = await invoke([...args, '--json'], {
    library: { migrate: failWith(error) },
  });
  expect(exitCode).toBe(1);
  expect(stdout.objects.at(-1)).toEqual({
    event: 'error',
    id: 7,
    code: 'no-index',
    message: 'no index',
    state: 'kept',
    hint: 'again',
    exitCode: 1,
    details: { index: 'i' },
    at: expect.any(String) as string,
  });
  expect(stderr.text).toBe('');
});

test('--json: a refusal has its reasons', async () => {
  const reasons = [{ code: 'a', message: 'it is partitioned' }];
  const { exitCode, stdout } = await invoke([...args, '--json'], {
    library: { migrate: () => Promise.reject(new RefusedError(reasons)) },
  });
  expect(exitCode).toBe(3);
  expect(stdout.objects.at(-1)).toMatchObject({ event: 'error', id: null, code: 'a', reasons, exitCode: 3 });
});

test.each([
  [new RefusedError([{ code: 'a', message: 'no' }]), 3],
  [new FailedError('f', 'no'), 1],
  [new OutcomeUnknownError('o', 'no'), 6],
  [new InterruptedError('interrupted', 'no'), 130],
  [new TypeError('no'), 1],
])('%s ends with %d', async (error, expected) => {
  const { exitCode, stderr } = await invoke(args, { library: { migrate: failWith(error) } });
  expect(exitCode).toBe(expected);
  expect(stderr.text).toContain('no');
  expect(stderr.text).not.toMatch(/\n\s+at /);
});

test('the first signal lets the chunk finish, and what is kept is said', async () => {
  const signals = new EventEmitter();
  const migrate = ({ onEvent, signal, cancelSignal }: MigrateOptions): Promise<never> => {
    onEvent?.(started);
    signals.emit('SIGINT');
    expect([signal?.aborted, cancelSignal?.aborted]).toEqual([true, false]);
    return Promise.reject(signal?.reason as Error);
  };
  const { exitCode, stderr } = await invoke(args, { signals, library: { migrate } });
  expect(exitCode).toBe(130);
  expect(stderr.lines).toEqual([
    'pg-ghost: stopping after the current chunk; once more cancels it',
    'stopped: stopped as asked',
    'state: state kept',
    'hint:  the same command continues, pg-ghost abort 7 undoes',
  ]);
  expect(signals.eventNames()).toEqual([]);
});

test('the second signal cancels; a statement cancelled by it is no failure', async () => {
  const signals = new EventEmitter();
  const migrate = ({ cancelSignal }: MigrateOptions): Promise<never> => {
    signals.emit('SIGTERM');
    signals.emit('SIGTERM');
    expect(cancelSignal?.aborted).toBe(true);
    return Promise.reject(Object.assign(new Error('canceling'), { severity: 'ERROR', code: '57014' }));
  };
  const { exitCode, stdout } = await invoke([...args, '--json'], { signals, library: { migrate } });
  expect(exitCode).toBe(130);
  expect(stdout.objects.at(-1)).toMatchObject({
    code: 'interrupted',
    id: null,
    state: 'nothing was changed',
  });
});

test('a reader that goes away does not stop the work', async () => {
  const stdout = new FakeStream();
  const migrate = async (options: MigrateOptions): Promise<MigrationResult> => {
    options.onEvent?.(started);
    stdout.broken = true;
    options.onEvent?.(event('phase:started', { phase: 'copy' }));
    await new Promise(setImmediate);
    return succeed(options);
  };
  const { exitCode, stderr } = await invoke(args, { stdout, library: { migrate } });
  expect(exitCode).toBe(0);
  expect(stdout.lines).toHaveLength(1);
  expect(stderr.text).not.toContain('EPIPE');
});

test('--log-file gets the events and the failure, stderr only what people need', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'pg-ghost-test-'));
  try {
    const file = join(directory, 'run.log');
    const error = new FailedError('f', 'failed for postgres://me:s3cret@db/shop');
    const dsn = ['--dsn', 'postgres://me:s3cret@db/shop'];
    const { stderr } = await invoke([...args, ...dsn, '--log-file', file], {
      library: { migrate: failWith(error) },
    });
    const records = (await readFile(file, 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as object);
    expect(records).toMatchObject([
      { level: 30, event: 'migration:started', id: 7 },
      { level: 50, event: 'error', id: 7, code: 'f', msg: 'failed for postgres://me:***@db/shop' },
    ]);
    expect(stderr.lines).toEqual(['error: failed for postgres://me:***@db/shop']);
  } finally {
    await rm(directory, { recursive: true });
  }
});
