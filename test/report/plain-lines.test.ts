import { commandLine } from '../../src/cli/command-line.js';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { plainLook } from '../../src/report/paint.js';
import { plainLinesReporter } from '../../src/report/plain-lines.js';
import { copying, event, start, started } from './events.js';

beforeEach(() => {
  vi.useFakeTimers({ now: start });
});
afterEach(() => {
  vi.useRealTimers();
});

test('a line at each change, and every few seconds in between', () => {
  const lines: string[] = [];
  const reporter = plainLinesReporter({
    write: (line) => lines.push(line),
    look: plainLook,
    say: commandLine,
  });
  reporter.listener(started);
  reporter.listener(event('phase:started', { phase: 'copy' }, { seconds: 1 }));
  reporter.listener(event('copy:progress', copying, { seconds: 2 }));
  vi.advanceTimersByTime(10_500);
  reporter.listener(event('phase:done', { phase: 'copy', seconds: 11 }, { seconds: 12 }));
  reporter.listener(event('index:done', { index: 'orders_pkey', seconds: 2.25 }, { seconds: 14 }));
  reporter.listener(event('run:asked', { name: 'set', ok: true, said: 'workers is 4 now' }, { seconds: 15 }));
  reporter.listener(event('run:asked', { name: 'rehearse', ok: false, said: 'no' }, { seconds: 16 }));
  reporter.listener(
    event('cutover:done', { attempts: 1, holdMs: 3.14, captureMs: 0, drainedKeys: 12 }, { seconds: 75 }),
  );
  reporter.listener(
    event(
      'cutover:rehearsed',
      { attempts: 2, holdMs: 9.5, captureMs: 4.44, drainedKeys: 1 },
      { seconds: 76 },
    ),
  );
  reporter.close();
  vi.advanceTimersByTime(60_000);
  const progress =
    'copy · 52 % · 1,560,000 rows · 312,346 rows/s · 48 MB/s · 5s left · 2 workers · chunks of 512 blocks in 480ms';
  expect(lines).toEqual([
    '[0:00] migration 7: public.orders, shadow ghost_new_7.orders',
    '[0:01] copy started',
    `[0:05] ${progress}`,
    `[0:10] ${progress}`,
    '[0:12] copy done in 11s, 1,560,000 rows',
    '[0:14] index orders_pkey built in 2.3s',
    '[0:15] pg-ghost set: workers is 4 now',
    '[0:16] pg-ghost cutover --rehearse: no',
    '[1:15] swapped at try 1, lock held 3.1 ms, 12 keys drained',
    '[1:16] rehearsed and taken back at try 2, lock held 9.5 ms (4.4 ms for the last writes to be in the log), 1 key drained',
  ]);
});
