import { describe, expect, test } from 'vitest';
import { advice, doing } from '../../src/advice.js';
import type { DroppedTable, FinalizeOptions, MigrationStatus } from '../../src/index.js';
import { FailedError, RefusedError } from '../../src/errors.js';
import { aStatus } from './a-result.js';
import { invoke } from './invoke.js';

const swapped = {
  ...aStatus,
  phase: 'swapped',
  shadow: null,
  old: 'ghost_old_7.orders',
  kept: 'ghost_old_7.orders',
  runnerPid: null,
} as const;
const dropped = [{ table: 'ghost_old_7.orders', bytes: 167_772_160 }];
const failed = {
  ...aStatus,
  id: 12,
  runnerPid: null,
  error: { code: 'no-index', message: 'two\nlines', hint: null },
  next: 'run it again',
};

test('status of all as a table', async () => {
  const { exitCode, stdout } = await invoke(['status'], {
    library: { status: () => Promise.resolve([aStatus, failed]) },
  });
  expect(exitCode).toBe(0);
  expect(stdout.lines).toEqual([
    '  id  table          phase  copied  backlog  run           next',
    '  7   public.orders  copy   52.1 %  1,204    backend 4711  runs now, in backend 4711',
    '  12  public.orders  copy   52.1 %  1,204    failed        run it again',
  ]);
});

test('status without migrations', async () => {
  const library = { status: () => Promise.resolve([]) };
  expect((await invoke(['status'], { library })).stdout.lines).toEqual(['no migrations in this database']);
  expect((await invoke(['status', '--json'], { library })).stdout.text).toBe('');
});

test('status of one, in detail', async () => {
  const { stdout } = await invoke(['status', '12'], {
    library: { status: (_, id) => Promise.resolve(id === 12 ? [failed] : []) },
  });
  expect(stdout.lines).toEqual([
    'migration 12  public.orders  copy',
    '  change     --alter "ALTER COLUMN id TYPE bigint"',
    '  copied     52.1 %, 1,560,000 rows',
    '  backlog    1,204',
    '  capture    triggers',
    '  shadow     ghost_new_7.orders',
    '  run        failed',
    '  error      two',
    '             lines (no-index)',
    '  created    2026-01-02 03:04:05+00',
    '  updated    2026-01-02 03:05:05+00',
    '  next       run it again',
  ]);
});

test('status --json: an object a line', async () => {
  const { stdout } = await invoke(['status', '--json'], {
    library: { status: () => Promise.resolve([aStatus, failed]) },
  });
  expect(stdout.objects).toEqual([aStatus, failed]);
});

const slot = {
  name: 'ghost_7_x',
  database: 'shop',
  active: false,
  walStatus: 'extended',
  invalidationReason: null,
  retainedBytes: 6 * 1024 ** 3,
  unreadBytes: 1024 ** 2,
  safeBytes: 1024 ** 3,
  concern: 'much',
} as const;

test.each([
  [
    slot,
    'ghost_7_x, extended, keeps 6 GB of WAL, 1 MB not read, 1 GB more before the server may give it up',
    'the server keeps much WAL for the slot; pg-ghost abort 7 releases it',
  ],
  [
    { ...slot, active: true, safeBytes: null, concern: null },
    'ghost_7_x, extended, keeps 6 GB of WAL, 1 MB not read',
    null,
  ],
  [
    { ...slot, concern: 'unread' },
    /^ghost_7_x/,
    'nobody reads the slot: the server keeps all WAL from now on; pg-ghost abort 7 releases it',
  ],
  [
    { ...slot, safeBytes: -5, walStatus: 'unreserved', concern: 'unreserved' },
    'ghost_7_x, unreserved, keeps 6 GB of WAL, 1 MB not read',
    'the server gives the slot up with its next checkpoint, unless it is read; pg-ghost abort 7 releases it',
  ],
  [
    {
      ...slot,
      walStatus: 'lost',
      invalidationReason: 'wal_removed',
      retainedBytes: null,
      unreadBytes: null,
      safeBytes: null,
      concern: 'lost',
    },
    'ghost_7_x, lost (wal_removed)',
    'the server has given the slot up: the run, or pg-ghost run --resume 7, makes a new one, and compares all rows or copies again',
  ],
  [
    { ...slot, concern: 'elsewhere' },
    /^ghost_7_x/,
    'the slot is that of database shop, and stays whatever is done here',
  ],
  [{ ...slot, concern: 'left' }, /^ghost_7_x/, 'nobody needs the slot any more: pg-ghost abort 7 removes it'],
  [
    null,
    null,
    'its slot is gone: the run, or pg-ghost run --resume 7, makes a new one, and compares all rows or copies again',
  ],
] as const)('status of a slot, and what there is to say of it: %o', async (of, told, warning) => {
  const library = { status: () => Promise.resolve([{ ...aStatus, capture: 'logical', slot: of } as const]) };
  const { lines } = (await invoke(['status', '7'], { library })).stdout;
  const fact = (name: string): string | null =>
    lines.find((line) => line.startsWith(`  ${name} `))?.slice(13) ?? null;
  if (told instanceof RegExp) expect(fact('slot')).toMatch(told);
  else expect(fact('slot')).toBe(told);
  expect(fact('warning')).toBe(warning);
});

test('what is left of migrations that nobody knows of, behind the table', async () => {
  const library = {
    status: () => Promise.resolve([]),
    leftovers: () =>
      Promise.resolve([
        {
          id: 7,
          things: ['slot ghost_7_x', 'publication ghost_capture_7'],
          next: advice`${doing('abort', 7)} removes it`,
        },
      ]),
  };
  expect((await invoke(['status'], { library })).stdout.lines).toEqual([
    'no migrations in this database',
    'left behind by migration 7: slot ghost_7_x, publication ghost_capture_7; pg-ghost abort 7 removes it',
  ]);
  expect((await invoke(['status', '--json'], { library })).stdout.objects).toEqual([
    {
      id: 7,
      next: 'pg-ghost abort 7 removes it',
      leftover: ['slot ghost_7_x', 'publication ghost_capture_7'],
    },
  ]);
});

test('an unknown id is the library’s to tell', async () => {
  const status = (): Promise<never> =>
    Promise.reject(new FailedError('no-such-migration', 'there is no migration 9'));
  const { exitCode, stdout } = await invoke(['status', '9', '--json'], { library: { status } });
  expect(exitCode).toBe(1);
  expect(stdout.objects).toMatchObject([{ event: 'error', id: 9, code: 'no-such-migration' }]);
});

test('abort says what is gone', async () => {
  const aborted: number[] = [];
  const library = {
    status: () => Promise.resolve([aStatus]),
    abort: (_: unknown, id: number) => {
      aborted.push(id);
      return Promise.resolve();
    },
  };
  const { exitCode, stdout } = await invoke(['abort', '7'], { library });
  expect(exitCode).toBe(0);
  expect(aborted).toEqual([7]);
  expect(stdout.lines).toEqual([
    'migration 7 aborted; removed: ghost_new_7.orders, its capture triggers, its change log; public.orders is as it was',
  ]);
});

test('abort of what the state does not know', async () => {
  const status = (): Promise<never> =>
    Promise.reject(new RefusedError([{ code: 'no-such-migration', message: 'there is no migration 7' }]));
  const { exitCode, stdout } = await invoke(['abort', '7'], {
    library: { status, abort: () => Promise.resolve() },
  });
  expect(exitCode).toBe(0);
  expect(stdout.lines).toEqual(['migration 7 is gone; removed: all that carried its mark']);
});

test('a table that was renamed has both names', async () => {
  const renamed = { ...aStatus, renamedTo: 'public.former', origin: 'copied' } as const;
  const library = { status: () => Promise.resolve([renamed]), abort: () => Promise.resolve() };
  const [head, ...lines] = (await invoke(['status', '7'], { library })).stdout.lines;
  expect(head).toContain('public.orders');
  expect(lines).toContain('  renamed to public.former');
  expect(lines).toContain('  origin     another database, of which this one is a copy');
  expect((await invoke(['status'], { library })).stdout.lines[1]).toContain(
    'public.orders, now public.former',
  );
  expect((await invoke(['abort', '7'], { library })).stdout.lines[0]).toContain('public.former is as it was');
});

const window = { to: 'back', since: '2026-01-02T03:05:05.000Z', ids: [] } as const;
const ids = {
  column: 'id',
  last: '1900001000',
  limit: '2147483647',
  remaining: '247482647',
  isNear: true,
  secondsLeft: 260_000,
} as const;

describe('the rollback window in status', () => {
  const lines = async (migration: MigrationStatus): Promise<readonly string[]> =>
    (await invoke(['status', '7'], { library: { status: () => Promise.resolve([migration]) } })).stdout.lines;

  test('since when, how many keys, and what brings them', async () => {
    const shown = await lines({ ...swapped, window });
    expect(shown).toContain('  kept table ghost_old_7.orders');
    expect(shown).toContain(
      '  window     rollback since 2026-01-02T03:05:05.000Z; about 1,204 keys written since are not in ghost_old_7.orders yet: pg-ghost sync 7 brings them, and so does rollback',
    );
    expect(shown.filter((line) => line.startsWith('  ids'))).toEqual([]);
  });

  test('nothing is behind', async () => {
    expect(await lines({ ...swapped, backlog: 0, window })).toContain(
      '  window     rollback since 2026-01-02T03:05:05.000Z; ghost_old_7.orders has everything that was written since',
    );
  });

  test('after a rollback it leads forward', async () => {
    const back = { ...swapped, phase: 'rolled-back', old: null, kept: 'ghost_new_7.orders' } as const;
    expect(await lines({ ...back, backlog: 1, window: { ...window, to: 'forward' } })).toContain(
      '  window     rollforward since 2026-01-02T03:05:05.000Z; about 1 key written since is not in ghost_new_7.orders yet: pg-ghost sync 7 brings it, and so does rollforward',
    );
  });

  test('ids that are left, with a warning from 80 % on', async () => {
    expect(await lines({ ...swapped, window: { ...window, ids: [ids] } })).toContain(
      '  ids        more than 80 % are used: id is at 1,900,001,000 of 2,147,483,647; ghost_old_7.orders has room for 247,482,647 more, about 3d at the rate since the swap',
    );
    const early = { ...ids, last: '200', remaining: '2147483447', isNear: false, secondsLeft: null };
    expect(await lines({ ...swapped, window: { ...window, ids: [early] } })).toContain(
      '  ids        id is at 200 of 2,147,483,647; ghost_old_7.orders has room for 2,147,483,447 more',
    );
  });

  test('no window, no line', async () => {
    expect((await lines(swapped)).filter((line) => line.startsWith('  window'))).toEqual([]);
  });
});

test('finalize says what is gone, and how large it was', async () => {
  const given: FinalizeOptions[] = [];
  const library = {
    status: () => Promise.resolve([swapped]),
    finalize: (options: FinalizeOptions, id: number) => {
      given.push(options);
      return Promise.resolve({ id, dropped });
    },
  };
  expect((await invoke(['finalize', '7'], { library })).stdout.lines).toEqual([
    'migration 7 finalized; dropped: ghost_old_7.orders (160 MB); public.orders keeps its new shape',
  ]);
  await invoke(['finalize', '7', '--after', '1d12h'], { library });
  expect(given.map(({ afterMs }) => afterMs)).toEqual([undefined, 129_600_000]);
  expect((await invoke(['finalize', '7', '--after', '7'], { library })).exitCode).toBe(2);
  expect((await invoke(['abort', '7', '--after', '7d'], { library })).exitCode).toBe(2);
  const { stdout } = await invoke(['finalize', '7', '--json'], { library });
  expect(stdout.objects).toEqual([
    {
      event: 'finalize:done',
      id: 7,
      table: 'public.orders',
      removed: ['ghost_old_7.orders'],
      bytes: 167_772_160,
      at: expect.any(String) as string,
    },
  ]);
});

test('finalize of what was rolled back, and of what is gone already', async () => {
  const before = { ...swapped, phase: 'rolled-back', old: null, kept: 'ghost_new_7.orders' } as const;
  const outcome = async (result: readonly DroppedTable[]): Promise<readonly string[]> => {
    const library = {
      status: () => Promise.resolve([before]),
      finalize: (_: unknown, id: number) => Promise.resolve({ id, dropped: result }),
    };
    return (await invoke(['finalize', '7'], { library })).stdout.lines;
  };
  expect(await outcome([{ table: 'ghost_new_7.orders', bytes: 8192 }])).toEqual([
    'migration 7 finalized; dropped: ghost_new_7.orders (8 kB); public.orders keeps the shape from before the change',
  ]);
  expect(await outcome([])).toEqual([
    'migration 7 finalized; nothing was left to drop; public.orders keeps the shape from before the change',
  ]);
});
