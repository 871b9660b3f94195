import { pino } from 'pino';
import { expect, test } from 'vitest';
import { logReporter } from '../../src/report/log.js';
import { aPlan } from './a-plan.js';
import { copying, event } from './events.js';

test('events as records', () => {
  const records: Record<string, unknown>[] = [];
  const logger = pino(
    { level: 'debug', base: null, timestamp: false },
    { write: (line: string) => records.push(JSON.parse(line) as Record<string, unknown>) },
  );
  const log = logReporter(logger);
  log(event('plan:ready', { plan: aPlan }));
  log(event('warning', { code: 'w', message: 'look at this' }));
  log(event('purge:done', { rows: 4 }));
  log(event('copy:progress', copying));
  expect(records).toMatchObject([
    { level: 30, event: 'plan:ready', id: 7, verdict: 'copy', msg: 'plan:ready' },
    { level: 40, event: 'warning', id: 7, code: 'w', msg: 'look at this' },
    { level: 30, event: 'purge:done', rows: 4, msg: 'purge:done' },
    { level: 20, event: 'copy:progress', rowsCopied: 1_560_000 },
  ]);
});
