import { EventEmitter } from 'node:events';
import { expect, test } from 'vitest';
import { lockLines } from '../../src/cli/status-text.js';
import {
  freshState,
  jsonView,
  linesView,
  terminalView,
  watchBlock,
  type WatchedStatus,
  watchLine,
  watchStatus,
  type WatchView,
} from '../../src/cli/status-watch.js';
import { FailedError } from '../../src/errors.js';
import { plainLook } from '../../src/report/paint.js';
import { after, copying, event, start, started } from '../report/events.js';
import { until } from '../support/until.js';
import { aStatus } from './a-result.js';
import { FakeStream, invoke } from './invoke.js';

const copyingState = after(
  started,
  event('phase:started', { phase: 'copy' }),
  event('copy:progress', copying),
);
const now = start.getTime() + 12_000;

function withProgress(ageSeconds: number, state = copyingState): WatchedStatus {
  // As it comes out of the database.
  return { ...aStatus, progress: { ageSeconds, state: JSON.parse(JSON.stringify(state)) as typeof state } };
}

function rowsAt(rowsCopied: number): WatchedStatus {
  return withProgress(0.4, after(started, event('copy:progress', { ...copying, rowsCopied })));
}

const fresh = withProgress(0.4);
const silent = withProgress(31);
const swapped: WatchedStatus = {
  ...fresh,
  phase: 'swapped',
  shadow: null,
  old: 'ghost_old_7.orders',
  runnerPid: null,
  percent: 100,
  next: 'pg-ghost finalize 7 drops the old table once nobody needs it',
};

test('what a run says of itself counts while it is fresh and somebody runs it', () => {
  expect(freshState(fresh)).toMatchObject({ id: 7, table: 'public.orders' });
  expect(freshState(silent)).toBeNull();
  expect(freshState({ ...fresh, runnerPid: null })).toBeNull();
  expect(freshState({ ...fresh, progress: null })).toBeNull();
  expect(freshState(swapped)).toBeNull();
});

test('what an older version has not said is not known', () => {
  const { throttle: _, ...older } = copyingState;
  const migration = { ...fresh, progress: { ageSeconds: 0, state: older as typeof copyingState } };
  expect(freshState(migration)?.throttle).toEqual([]);
  expect(watchBlock([migration], plainLook, now)).toEqual(watchBlock([fresh], plainLook, now));
});

test('one migration: the display of its run', () => {
  expect(watchBlock([fresh], plainLook, now).slice(0, 4).join('\n')).toBe(
    `
migration 7  public.orders → ghost_new_7.orders  0:12
✔ prepare
● copy       ████████████░░░░░░░░░░░░ 52 % · 1,560,000 rows
             312,346 rows/s · 48 MB/s · 5s left
`.trim(),
  );
});

test('one migration: the facts, when its run is not heard', () => {
  const lines = watchBlock([silent], plainLook, now);
  expect(lines[0]).toBe('migration 7  public.orders  copy');
  expect(lines.at(-1)).toBe('  nothing heard of its run for 31s');
  expect(watchBlock([{ ...silent, runnerPid: null }], plainLook, now).join('\n')).not.toContain(
    'nothing heard',
  );
});

test('all migrations: the table, and the displays of those that run', () => {
  const lines = watchBlock([swapped, { ...fresh, id: 8 }], plainLook, now);
  expect(lines.slice(0, 5)).toEqual([
    expect.stringMatching(/^ {2}id {2}table/) as string,
    expect.stringMatching(/^ {2}7 .* swapped /) as string,
    expect.stringMatching(/^ {2}8 .* copy /) as string,
    '',
    'migration 7  public.orders → ghost_new_7.orders  0:12',
  ]);
  expect(watchBlock([], plainLook, now)).toEqual(['no migrations in this database']);
});

test.each([
  [
    fresh,
    'migration 7 public.orders: copy · 52 % · 1,560,000 rows · 312,346 rows/s · 48 MB/s · 5s left · 2 workers · chunks of 512 blocks in 480ms',
  ],
  [
    silent,
    'migration 7 public.orders: copy · 52.1 % · backlog 1,204 · run: backend 4711 · nothing heard of it',
  ],
  [
    { ...silent, runnerPid: null, paused: true },
    'migration 7 public.orders: copy · 52.1 % · backlog 1,204 · run: stopped · paused',
  ],
  [swapped, 'migration 7 public.orders: swapped'],
])('a line for a log, %#', (migration, line) => {
  expect(watchLine(migration, plainLook)).toBe(line);
});

/** A clock that moves only while somebody sleeps. */
function clock(onSleep: (seconds: number) => void = () => undefined) {
  let ms = start.getTime();
  return {
    now: () => ms,
    sleep: (forMs: number) => {
      ms += forMs;
      onSleep((ms - start.getTime()) / 1000);
      return Promise.resolve();
    },
  };
}

/** Gives one answer after the other; errors are thrown. */
function reading(...answers: (readonly WatchedStatus[] | Error)[]) {
  let next = 0;
  return (): Promise<readonly WatchedStatus[]> => {
    const answer = answers[next++];
    if (answer === undefined) throw new Error('it was looked too often');
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
  };
}

interface Recorded extends WatchView {
  readonly log: string[];
}

function recorder(): Recorded {
  const log: string[] = [];
  return {
    log,
    show: (migrations) => void log.push(migrations.map(({ phase }) => phase).join(',')),
    showFailure: (message) => void log.push(`failure: ${message}`),
    close: () => void log.push('closed'),
  };
}

const never = new AbortController().signal;
const gone = new FailedError('connection-lost', 'gone');

test('it looks every second until all have ended', async () => {
  const view = recorder();
  const sleeps: number[] = [];
  const read = reading([fresh, swapped], [fresh, swapped], [swapped, swapped]);
  const seen = await watchStatus({ read, view, signal: never, ...clock((seconds) => sleeps.push(seconds)) });
  expect(view.log).toEqual(['copy,swapped', 'copy,swapped', 'swapped,swapped', 'closed']);
  expect(sleeps).toEqual([1, 2]);
  expect(seen).toEqual([swapped, swapped]);
});

test('without any there is nothing to wait for', async () => {
  const view = recorder();
  expect(await watchStatus({ read: reading([]), view, signal: never, ...clock() })).toEqual([]);
  expect(view.log).toEqual(['', 'closed']);
});

test('a server that restarts is waited for', async () => {
  const view = recorder();
  const read = reading([fresh], gone, new FailedError('cannot-connect', 'starting up'), [swapped]);
  await watchStatus({ read, view, signal: never, ...clock() });
  expect(view.log).toEqual(['copy', 'failure: gone', 'failure: starting up', 'swapped', 'closed']);
});

test('but not for ever', async () => {
  const view = recorder();
  let looks = 0;
  const read = () => ((looks += 1) === 1 ? Promise.resolve([fresh]) : Promise.reject(gone));
  await expect(watchStatus({ read, view, signal: never, ...clock() })).rejects.toBe(gone);
  // The first look, ten minutes, and the one after them.
  expect(looks).toBe(602);
  expect(view.log.at(-1)).toBe('closed');
});

test.each([
  ['the first look', reading(gone), 'gone'],
  ['an error of another kind', reading([fresh], new FailedError('no-such-migration', 'none')), 'none'],
])('%s fails: so does it', async (_, read, message) => {
  const view = recorder();
  await expect(watchStatus({ read, view, signal: never, ...clock() })).rejects.toThrow(message);
  expect(view.log.at(-1)).toBe('closed');
});

test('it ends quietly when asked, between two looks and in the middle of one', async () => {
  const between = new AbortController();
  const view = recorder();
  const stopping = clock((seconds) => {
    if (seconds === 2) between.abort(new Error('stop'));
  });
  const read = reading([fresh], [fresh]);
  expect(await watchStatus({ read, view, signal: between.signal, ...stopping })).toEqual([fresh]);
  expect(view.log).toEqual(['copy', 'copy', 'closed']);

  const during = new AbortController();
  const looking = watchStatus({
    read: (signal) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(new Error('broken off')));
        during.abort(new Error('stop'));
      }),
    view: recorder(),
    signal: during.signal,
  });
  expect(await looking).toEqual([]);
});

test('a log: what has changed, at most every five seconds, and the end at once', () => {
  const lines: string[] = [];
  const view = linesView((line) => lines.push(line), plainLook);
  const rows = (line: string): string =>
    /: (\S+)(?:.* · ([\d,]+) rows ·)?/.exec(line)?.slice(1).join(' ') ?? line;
  const toldAt = (seconds: number, ...migrations: WatchedStatus[]): string[] => {
    lines.length = 0;
    view.show(migrations, start.getTime() + seconds * 1000);
    return lines.map(rows);
  };
  expect(toldAt(0, rowsAt(1))).toEqual(['prepare ']);
  const copyingRows = (rowsCopied: number): WatchedStatus => {
    const { progress: _, ...rest } = fresh;
    const state = { ...copyingState, copy: { ...copying, rowsCopied } };
    return { ...rest, progress: { ageSeconds: 0.2, state } };
  };
  expect(toldAt(1, copyingRows(10))).toEqual([]);
  expect(toldAt(4, copyingRows(20))).toEqual([]);
  expect(toldAt(5, copyingRows(30))).toEqual(['copy 30']);
  expect(toldAt(11, copyingRows(30))).toEqual([]);
  expect(toldAt(12, copyingRows(40))).toEqual(['copy 40']);
  expect(toldAt(13, swapped)).toEqual(['swapped ']);
  expect(toldAt(20, swapped)).toEqual([]);
});

test('a log: a failure is told once, and again after it was over', () => {
  const lines: string[] = [];
  const view = linesView((line) => lines.push(line), plainLook);
  view.show([fresh], now);
  for (let times = 0; times < 3; times += 1) view.showFailure('gone\nfor good', now);
  view.show([fresh], now + 1000);
  view.showFailure('gone\nfor good', now);
  expect(lines.slice(1)).toEqual([
    'cannot look at it: gone; trying again',
    'cannot look at it: gone; trying again',
  ]);
});

test('JSON: an object when it has changed, and age is no change', () => {
  const stream = new FakeStream();
  const view = jsonView((line) => stream.write(`${line}\n`));
  view.show([fresh], now);
  view.show([withProgress(0.9)], now + 1000);
  view.show([rowsAt(12)], now + 2000);
  view.showFailure('gone', now);
  view.show([swapped, fresh], now + 3000);
  view.close();
  expect(stream.objects).toEqual(
    [fresh, rowsAt(12), swapped, fresh].map((each) => JSON.parse(JSON.stringify(each)) as unknown),
  );
});

class FakeTerminal extends FakeStream {
  override readonly isTTY = true as unknown as false;
  readonly columns = 100;
  readonly rows = 50;
}

const withoutEscapes = (text: string): string => text.replaceAll(/\u001B\[[?\d;]*[a-zA-Z]/g, '');

test('a terminal: drawn over itself, the last picture stays', () => {
  const stream = new FakeTerminal();
  const view = terminalView(stream as unknown as NodeJS.WriteStream, () => plainLook);
  view.show([fresh], now);
  const first = stream.text;
  view.showFailure('gone', now);
  expect(withoutEscapes(stream.text.slice(first.length))).toContain('cannot look at it: gone; trying again');
  const before = stream.text.length;
  view.show([swapped], now);
  view.close();
  // Erases lines, then writes.
  expect(stream.text.slice(before)).toContain('\u001B[2K');
  expect(withoutEscapes(stream.text.slice(before))).toContain('migration 7  public.orders  swapped');
  expect(withoutEscapes(first)).toContain('● copy       ████');
});

test('status ID --watch: lines, until the end', async () => {
  const answers = reading([swapped]);
  const { exitCode, stdout, stderr } = await invoke(['status', '7', '--watch'], {
    library: { status: async () => [...(await answers())] },
  });
  expect([exitCode, stdout.lines, stderr.text]).toEqual([0, ['migration 7 public.orders: swapped'], '']);
});

test('status --watch on a terminal', async () => {
  const stdout = new FakeTerminal();
  const { exitCode } = await invoke(['status', '--watch'], {
    library: { status: () => Promise.resolve([swapped]) },
    stdout,
  });
  expect(exitCode).toBe(0);
  expect(withoutEscapes(stdout.text)).toContain('migration 7  public.orders  swapped');
});

test('status --watch --json ends with 0 on Ctrl-C, and says nothing about it', async () => {
  const signals = new EventEmitter();
  const stdout = new FakeStream();
  const invoked = invoke(['status', '7', '--watch', '--json'], {
    library: { status: () => Promise.resolve([fresh]) },
    signals,
    stdout,
  });
  await until(() => stdout.text !== '', { what: 'the first object' });
  signals.emit('SIGINT');
  const { exitCode, stderr } = await invoked;
  expect([exitCode, stderr.text]).toEqual([0, '']);
  expect(stdout.objects).toMatchObject([{ id: 7, phase: 'copy' }]);
  expect(signals.eventNames()).toEqual([]);
});

test('an unknown id is an error also when it is watched', async () => {
  const status = (): Promise<never> =>
    Promise.reject(new FailedError('no-such-migration', 'there is no migration 9'));
  const { exitCode, stderr } = await invoke(['status', '9', '--watch'], { library: { status } });
  expect(exitCode).toBe(1);
  expect(stderr.text).toContain('there is no migration 9');
});

const lock: WatchedStatus['locks'][number] = {
  at: '2026-01-02T03:04:05.678Z',
  what: 'the swap',
  attempt: 1,
  table: 'public.orders',
  oid: 16_384,
  mode: 'ACCESS EXCLUSIVE',
  waitedMs: 20,
  heldMs: 0,
  blocked: 3,
  blockedMs: 120,
  outcome: 'missed',
};
const locks = [
  lock,
  { ...lock, attempt: 2, heldMs: 480, blocked: 12, blockedMs: 1500, outcome: 'rolled back' as const },
  {
    ...lock,
    attempt: 3,
    waitedMs: 0.44,
    heldMs: 3.14,
    blocked: 0,
    blockedMs: 0,
    outcome: 'committed' as const,
  },
];

test('the lock ledger', () => {
  expect(lockLines(locks, plainLook)).toEqual([
    '  at                        what             table          mode              waited   held                 blocked  cost',
    '  2026-01-02T03:04:05.678Z  the swap         public.orders  ACCESS EXCLUSIVE  20.0 ms  missed               3        120ms',
    '  2026-01-02T03:04:05.678Z  the swap, try 2  public.orders  ACCESS EXCLUSIVE  20.0 ms  480 ms, rolled back  12       1.5s',
    '  2026-01-02T03:04:05.678Z  the swap, try 3  public.orders  ACCESS EXCLUSIVE  0.4 ms   3.1 ms               0        0ms',
    'this change cost the application 1.62 blocked-backend-seconds',
  ]);
  expect(lockLines([], plainLook)).toEqual(['no lock on a table was taken yet']);
});

test('status ID --locks: below what status shows, also at the end of a watch', async () => {
  const library = { status: () => Promise.resolve([{ ...swapped, locks }]) };
  const { stdout } = await invoke(['status', '7', '--locks'], { library });
  expect(stdout.lines[0]).toBe('migration 7  public.orders  swapped');
  expect(stdout.lines.slice(-6)).toEqual(['', ...lockLines(locks, plainLook)]);
  const watched = await invoke(['status', '7', '--watch', '--locks'], { library });
  expect(watched.stdout.lines).toEqual([
    'migration 7 public.orders: swapped',
    '',
    ...lockLines(locks, plainLook),
  ]);
});

test('status --locks: which migration they belong to; with --json they are in the object', async () => {
  const library = {
    status: () =>
      Promise.resolve([
        { ...swapped, locks },
        { ...aStatus, id: 8 },
      ]),
  };
  const { stdout } = await invoke(['status', '--locks'], { library });
  expect(stdout.lines.slice(-2)).toEqual(['locks of migration 8', 'no lock on a table was taken yet']);
  expect(stdout.lines).toContain('locks of migration 7');
  const json = await invoke(['status', '7', '--locks', '--json'], { library });
  expect(json.stdout.objects[0]?.['locks']).toEqual(locks);
  expect(json.stdout.lines).toHaveLength(2);
});
