import { expect, test } from 'vitest';
import { asciiSymbols, plainLook } from '../../src/report/paint.js';
import { blockerText, progressLine, renderProgress } from '../../src/report/progress-text.js';
import { after, blocker, copying, event, start, started } from './events.js';

const render = (...events: Parameters<typeof after>): string =>
  renderProgress(after(...events), plainLook, start.getTime() + 12_000).join('\n');

const copyStarted = [
  started,
  event('phase:done', { phase: 'prepare', seconds: 0.12 }),
  event('phase:started', { phase: 'copy' }),
] as const;

test('before the migration has an id', () => {
  expect(render()).toBe('planning');
});

test('copying', () => {
  expect(render(...copyStarted, event('copy:progress', copying))).toBe(
    `
migration 7  public.orders → ghost_new_7.orders  0:12
✔ prepare    120ms
● copy       ████████████░░░░░░░░░░░░ 52 % · 1,560,000 rows
             312,346 rows/s · 48 MB/s · 5s left
             2 workers · chunks of 512 blocks in 480ms
○ purge
○ index
○ catch-up
○ settle
○ verify
○ cutover
`.trim(),
  );
});

test('without an honest estimate it says so', () => {
  const unknown = { ...copying, rowsPerSecond: null, bytesPerSecond: null, etaSeconds: null };
  const lines = renderProgress(
    after(...copyStarted, event('copy:progress', unknown)),
    plainLook,
    start.getTime(),
  );
  expect(lines[3]).toBe('             no estimate yet');
});

test('building indexes', () => {
  const state = after(
    started,
    event('copy:progress', copying),
    event('purge:done', { rows: 12 }),
    event('phase:started', { phase: 'index' }),
    event('index:progress', { done: 1, total: 5, running: ['a_idx', 'b_idx', 'c_idx', 'd_idx'] }),
    event('apply:progress', { backlog: 1204, keysApplied: 0, keysPerSecond: null, batchMs: 0 }),
  );
  expect(renderProgress(state, plainLook, start.getTime()).join('\n')).toBe(
    `
migration 7  public.orders → ghost_new_7.orders  0:00
✔ prepare
✔ copy       1,560,000 rows
✔ purge      12 rows written meanwhile taken out
● index      1 of 5 indexes · building a_idx, b_idx, c_idx, …
             backlog 1,204
○ catch-up
○ settle
○ verify
○ cutover
`.trim(),
  );
});

test('comparing the tables, and what came of it', () => {
  const progress = {
    rowsDone: 1_500_000,
    rowsTotal: 3_000_000,
    rowsPerSecond: 500_000,
    etaSeconds: 3,
    workers: 2,
    pieceMs: 480,
    differences: 0,
  };
  const verifying = [
    started,
    event('phase:started', { phase: 'verify' }),
    event('verify:progress', progress),
  ];
  expect(render(...verifying)).toContain(`
● verify     50 % · 1,500,000 rows compared
             500,000 rows/s · 3s left`);
  const leftOut = [{ column: 'token', why: 'filled by its default' }];
  expect(
    render(
      ...verifying,
      event('verify:done', { mode: 'full', rows: 3_000_000, differences: 0, leftOut, seconds: 6 }),
      event('phase:done', { phase: 'verify', seconds: 6 }),
    ),
  ).toContain('✔ verify     6s · 3,000,000 rows compared, 0 differences · not compared: token');
});

test('without a connection', () => {
  const lost = event('run:retrying', { message: 'Connection terminated', forSeconds: 600 });
  expect(render(started, lost)).toContain('without a connection: Connection terminated; trying again');
  expect(
    render(started, lost, event('run:resumed', { attempts: 1, seconds: 1, phase: 'copy' })),
  ).not.toContain('without');
});

test('waiting for the lock', () => {
  expect(
    render(
      started,
      event('phase:started', { phase: 'cutover' }),
      event('apply:progress', { backlog: 3, keysApplied: 40_000, keysPerSecond: 39_000, batchMs: 120 }),
      event('cutover:missed', {
        attempt: 1,
        waitedMs: 50,
        why: 'lock',
        reason: null,
        tried: true,
        blockers: [blocker],
        nextTryMs: 250,
      }),
    ),
  ).toBe(
    `
migration 7  public.orders → ghost_new_7.orders  0:12
✔ prepare
✔ copy
✔ purge
✔ index
✔ catch-up   40,000 keys applied
✔ settle
✔ verify
● cutover    backlog 3 · 39,000 keys/s · batches of 120ms
             lock for the swap: try 1: not obtained, next in 250ms
             held by pid 4711 (psql, user app, idle in transaction, open for 32s, ACCESS SHARE)
`.trim(),
  );
});

test('trying again', () => {
  const state = after(
    started,
    event('phase:started', { phase: 'cutover' }),
    event('cutover:missed', {
      attempt: 1,
      waitedMs: 50,
      why: 'hold',
      reason: null,
      tried: true,
      blockers: [],
      nextTryMs: 250,
    }),
    event('cutover:try', { attempt: 2, lockTimeoutMs: 100 }),
  );
  expect(progressLine(state, plainLook)).toBe(
    'cutover · lock for the swap: try 2, waiting up to 100ms · last try: took longer than --max-hold and was rolled back',
  );
});

test('in one line', () => {
  expect(progressLine(after(...copyStarted, event('copy:progress', copying)), plainLook)).toBe(
    'copy · 52 % · 1,560,000 rows · 312,346 rows/s · 48 MB/s · 5s left · 2 workers · chunks of 512 blocks in 480ms',
  );
  expect(progressLine(after(...copyStarted), plainLook)).toBe('copy');
});

test('narrow and without Unicode', () => {
  const look = { ...plainLook, symbols: asciiSymbols, width: 60 };
  const lines = renderProgress(after(...copyStarted, event('copy:progress', copying)), look, start.getTime());
  expect(lines.every((line) => line.length <= 60)).toBe(true);
  expect(lines.slice(0, 4).join('\n')).toBe(
    `
migration 7  public.orders -> ghost_new_...  0:00
+ prepare    120ms
> copy       ############............ 52 % | 1,560,000 rows
             312,346 rows/s | 48 MB/s | 5s left
`.trim(),
  );
});

test('who stands in the way', () => {
  expect(blockerText(blocker)).toBe(
    'pid 4711 (psql, user app, idle in transaction, open for 32s, ACCESS SHARE)',
  );
  expect(
    blockerText({
      ...blocker,
      backendType: 'autovacuum worker',
      user: null,
      application: '',
      state: null,
      transactionSeconds: null,
    }),
  ).toBe('pid 4711 (autovacuum worker, ACCESS SHARE)');
});
