import { expect, test } from 'vitest';
import { lockNotice } from '../../src/cli/lock-notice.js';
import type { MigrationEvent } from '../../src/model/event.js';
import { plainLook } from '../../src/report/paint.js';

test('a lock that does not come is told after a second, and then every five', () => {
  let nowMs = 0;
  const lines: string[] = [];
  const notice = lockNotice(
    (line) => lines.push(line),
    plainLook,
    () => nowMs,
  );
  const missed: MigrationEvent = {
    event: 'lock:missed',
    id: 1,
    at: new Date(0),
    what: 'switching capture off',
    attempt: 3,
    waitedMs: 10,
    why: 'lock',
    reason: null,
    tried: true,
    blockers: [
      {
        pid: 42,
        backendType: 'client backend',
        user: 'app',
        application: null,
        state: 'idle in transaction',
        transactionSeconds: 7,
        lockModes: ['ROW EXCLUSIVE'],
      },
    ],
    nextTryMs: 100,
  };
  for (; nowMs <= 7_000; nowMs += 100) notice(missed);
  expect(lines).toEqual([
    'lock for switching capture off: try 3: not obtained, next in 100ms · held by pid 42 (user app, idle in transaction, open for 7s, ROW EXCLUSIVE)',
    expect.stringContaining('try 3') as string,
  ]);
});
