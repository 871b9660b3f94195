/** rollback, rollforward and sync: what they take, what they give to the library, and what they say. */
import { describe, expect, test } from 'vitest';
import { CutoverNotObtainedError, RefusedError } from '../../src/errors.js';
import type { SyncResult, TurnOptions, TurnResult } from '../../src/index.js';
import { event, started } from '../report/events.js';
import { defaultRunSettings } from '../../src/settings/table.js';
import { invoke } from './invoke.js';

interface Call {
  readonly id: number;
  readonly options: TurnOptions;
  readonly follow?: boolean | undefined;
}

const turned: Omit<TurnResult, 'id' | 'direction' | 'kept'> = {
  table: 'public.orders',
  seconds: 3.2,
  holdMs: 4.1,
};
const brought: Omit<SyncResult, 'id'> = { table: 'public.orders', keys: 1204, seconds: 0.4 };

function aLibrary(calls: Call[] = []) {
  const turn =
    (direction: 'back' | 'forward', kept: string) =>
    (options: TurnOptions, id: number): Promise<TurnResult> => {
      calls.push({ id, options });
      const payload = { ...turned, direction, kept };
      options.onEvent?.(started);
      options.onEvent?.(event('turn:done', payload, { seconds: 3.2 }));
      return Promise.resolve({ id, ...payload });
    };
  return {
    rollback: turn('back', 'ghost_new_7.orders'),
    rollforward: turn('forward', 'ghost_old_7.orders'),
    sync: (
      options: TurnOptions,
      id: number,
      { follow }: { readonly follow?: boolean } = {},
    ): Promise<SyncResult> => {
      calls.push({ id, options, follow });
      options.onEvent?.(event('sync:done', brought, { seconds: 0.4 }));
      return Promise.resolve({ id, ...brought });
    },
  };
}

describe('for people', () => {
  test.each([
    [
      'rollback',
      [
        '✔ public.orders is as it was before the change: 3.2s, lock held 4.1 ms',
        '  the other table is kept as ghost_new_7.orders',
        '  next: pg-ghost finalize 7 drops it, once nobody needs it any more; pg-ghost rollforward 7 turns it round',
      ],
    ],
    [
      'rollforward',
      [
        '✔ public.orders has its new shape again: 3.2s, lock held 4.1 ms',
        '  the other table is kept as ghost_old_7.orders',
        '  next: pg-ghost finalize 7 drops it, once nobody needs it any more; pg-ghost rollback 7 turns it round',
      ],
    ],
    [
      'sync',
      ['✔ public.orders: 1,204 keys brought to the table that is kept in 400ms', '  next: pg-ghost status 7'],
    ],
  ])('%s', async (name, lines) => {
    const { exitCode, stdout, stderr } = await invoke([name, '7'], { library: aLibrary() });
    expect(exitCode).toBe(0);
    expect(stderr.text).toBe('');
    expect(stdout.lines.slice(-lines.length)).toEqual(lines);
  });
});

test.each([
  ['rollback', 'turn:done', { direction: 'back', kept: 'ghost_new_7.orders', holdMs: 4.1 }],
  ['rollforward', 'turn:done', { direction: 'forward', kept: 'ghost_old_7.orders', holdMs: 4.1 }],
  ['sync', 'sync:done', { keys: 1204 }],
])('%s --json: an object for each event, the last says that it is done', async (name, done, facts) => {
  const { exitCode, stdout } = await invoke([name, '7', '--json'], { library: aLibrary() });
  expect(exitCode).toBe(0);
  expect(stdout.objects.at(-1)).toMatchObject({ event: done, id: 7, table: 'public.orders', ...facts });
});

test('settings go to the library under their own names', async () => {
  const calls: Call[] = [];
  const library = aLibrary(calls);
  await invoke(['rollback', '7', '--max-hold', '300', '--rehearse', '--max-lag', '5000'], { library });
  await invoke(['sync', '7', '--follow', '--workers', '3'], { library });
  await invoke(['sync', '7'], { library });
  const [back, followed, once] = calls;
  expect(back?.options.settings).toMatchObject({ maxHoldMs: 300, rehearse: true });
  expect(followed?.options.settings).toMatchObject({ workers: 3 });
  expect(calls.map(({ id, follow }) => [id, follow])).toEqual([
    [7, undefined],
    [7, true],
    [7, false],
  ]);
  expect(once?.options.settings).toMatchObject({ workers: defaultRunSettings.workers, rehearse: false });
});

test.each([
  [['rollback']],
  [['rollback', 'x']],
  [['rollback', '7', '--native', 'never']],
  [['rollback', '7', '--capture', 'logical']],
  [['rollback', '7', '--no-rollback-window']],
  [['rollback', '7', '--follow']],
  [['rollforward', '7', '--follow']],
  [['sync', '7', '--rehearse']],
  [['sync', '7', '--max-hold', '300']],
  [['sync', '7', '--verify', 'off']],
])('%j is wrong usage', async (args) => {
  const { exitCode } = await invoke(args, { library: aLibrary() });
  expect(exitCode).toBe(2);
});

test('a refusal and a swap that was not obtained keep their exit codes', async () => {
  const failing = (error: Error) => ({ rollback: () => Promise.reject(error) });
  const refused = new RefusedError([{ code: 'no-rollback-window', message: 'not collected' }]);
  const missed = new CutoverNotObtainedError('open-transactions', 'not over', {});
  const one = await invoke(['rollback', '7', '--json'], { library: failing(refused) });
  expect([one.exitCode, one.stdout.objects.at(-1)]).toMatchObject([
    3,
    { event: 'error', code: 'no-rollback-window', id: 7 },
  ]);
  const other = await invoke(['rollback', '7', '--json'], { library: failing(missed) });
  expect([other.exitCode, other.stdout.objects.at(-1)]).toMatchObject([
    5,
    { event: 'error', code: 'open-transactions', id: 7 },
  ]);
});
