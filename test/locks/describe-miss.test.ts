import { expect, test } from 'vitest';
import { LockNotObtained, type Miss } from '../../src/locks/attempts.js';
import { notObtainedText } from '../../src/locks/describe-miss.js';

const miss: Miss = {
  tried: false,
  try: { attempt: 2, lockTimeoutMs: 10, pauseMs: 50 },
  why: 'old-transaction',
  reason: null,
  waitedMs: 0,
  blockers: [
    {
      pid: 42,
      backendType: 'client backend',
      user: 'app',
      application: 'psql',
      state: 'idle in transaction',
      transactionSeconds: 11,
      lockModes: ['ROW EXCLUSIVE'],
    },
  ],
  nextTryMs: 100,
};

test.each([
  [0, miss, 'deadline', 'no try was made in 8 s: an old transaction had a lock on it\n  in the way: pid 42'],
  [1, { ...miss, why: 'lock' }, 'deadline', 'in 1 try over 8 s the lock on it was never free\n'],
  [
    3,
    { ...miss, why: 'not-ready', reason: 'replica lag 12 s', blockers: [] },
    'deadline',
    'in 3 tries over 8 s it was not ready (replica lag 12 s)',
  ],
  [
    3,
    { ...miss, why: 'harm' },
    'harm',
    'in 3 tries over 8 s too many sessions would have waited behind us; the harm budget is spent\n',
  ],
] as const)('%s tries', (attempts, last, ended, text) => {
  expect(notObtainedText(new LockNotObtained(attempts, 8_100, last, ended, [], 0))).toContain(text);
});
