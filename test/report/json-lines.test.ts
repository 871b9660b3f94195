import { expect, test } from 'vitest';
import type { Plan } from '../../src/model/plan.js';
import { eventLine, failureLine } from '../../src/report/json-lines.js';
import { jsonReporter } from '../../src/report/json-reporter.js';
import { aPlan } from './a-plan.js';
import { copying, event, start, started } from './events.js';

test('the last line of a run', () => {
  const line = eventLine(
    event(
      'migration:done',
      {
        table: 'public.orders',
        old: 'ghost_old_1.orders',
        native: false,
        rows: 3_000_000,
        seconds: 11.2,
        holdMs: 3.1,
      },
      { id: 1, seconds: 11.2 },
    ),
  );
  expect(line).toBe(
    '{"event":"migration:done","id":1,"table":"public.orders","old":"ghost_old_1.orders","native":false,' +
      '"rows":3000000,"seconds":11.2,"holdMs":3.1,"at":"2026-01-02T03:04:16.200Z"}',
  );
});

test('the line of a failure', () => {
  const failure = {
    code: 'lost',
    message: 'it is lost',
    cause: null,
    state: 'kept',
    hint: 'again',
    exitCode: 1,
    details: { pid: 1 },
  };
  expect(failureLine(failure, 7, start)).toBe(
    '{"event":"error","id":7,"code":"lost","message":"it is lost","state":"kept","hint":"again","exitCode":1,' +
      '"details":{"pid":1},"at":"2026-01-02T03:04:05.000Z"}',
  );
  expect(JSON.parse(failureLine({ ...failure, cause: 'PostgreSQL 42P01: no' }, null, start))).toMatchObject({
    id: null,
    cause: 'PostgreSQL 42P01: no',
  });
});

test('measurements are rounded, unknown ones are null', () => {
  expect(JSON.parse(eventLine(event('copy:progress', { ...copying, etaSeconds: null })))).toMatchObject({
    rowsPerSecond: 312_346,
    etaSeconds: null,
  });
  expect(JSON.parse(eventLine(event('phase:done', { phase: 'copy', seconds: 3.14159 })))).toMatchObject({
    seconds: 3.14,
  });
});

test('the plan is told in short', () => {
  const plan: Plan = aPlan;
  expect(JSON.parse(eventLine(event('plan:ready', { plan }, { id: null })))).toEqual({
    event: 'plan:ready',
    id: null,
    table: 'public.orders',
    verdict: 'copy',
    reasons: plan.reasons,
    warnings: [{ code: 'identity', message: expect.stringContaining('identity column id') }],
    at: '2026-01-02T03:04:05.000Z',
  });
});

test('the first line of a run carries its id', () => {
  const lines: string[] = [];
  const reporter = jsonReporter((line) => lines.push(line));
  reporter.listener(event('plan:ready', { plan: aPlan }, { id: null }));
  expect(lines).toEqual([]);
  reporter.listener(started);
  expect(lines.map((line) => JSON.parse(line) as object)).toMatchObject([
    { event: 'plan:ready', id: 7 },
    { event: 'migration:started', id: 7 },
  ]);
});

test('a plan after which nothing came is told in the end', () => {
  const lines: string[] = [];
  const reporter = jsonReporter((line) => lines.push(line));
  reporter.listener(event('plan:ready', { plan: aPlan }, { id: null }));
  reporter.close();
  reporter.close();
  expect(lines).toHaveLength(1);
});

test('progress is told once a second, and the last figures before what comes after them', () => {
  const lines: string[] = [];
  const reporter = jsonReporter((line) => lines.push(line));
  for (let tenths = 0; tenths <= 25; tenths += 1) {
    reporter.listener(event('copy:progress', { ...copying, blocksDone: tenths }, { seconds: tenths / 10 }));
  }
  reporter.listener(event('phase:done', { phase: 'copy', seconds: 3 }, { seconds: 3 }));
  reporter.listener(event('index:progress', { done: 0, total: 2, running: [] }, { seconds: 3.1 }));
  reporter.listener(
    event(
      'apply:progress',
      { backlog: 1, keysApplied: 0, keysPerSecond: null, batchMs: 1 },
      { seconds: 3.2 },
    ),
  );
  reporter.close();
  expect(
    lines
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .map((line) => [line['event'], line['blocksDone']]),
  ).toEqual([
    ['copy:progress', 0],
    ['copy:progress', 10],
    ['copy:progress', 20],
    ['copy:progress', 25],
    ['phase:done', undefined],
    ['index:progress', undefined],
    ['apply:progress', undefined],
  ]);
});
