/** `status ID --watch` beside a run: in a pipe, as JSON, on a terminal. */
import { spawnSync } from 'node:child_process';
import { stripVTControlCharacters } from 'node:util';
import { describe, expect, test } from 'vitest';
import { createDatabase } from '../support/database.js';
import { change, finished, lastWord, Process, underWrites, workload, patienceMs } from './processes.js';

const watch = ['status', '1', '--watch'];
const wanting = 'postponed until pg-ghost cutover';
const hasTerminal = spawnSync('script', ['--version']).status === 0;
if (!hasTerminal) console.warn('not tested: what a terminal shows (no `script` of util-linux here)');

/** Colours alone: a display moves the cursor as well. */
const colour = /\u001b\[\d*(?:;\d+)*m/;

describe.concurrent('status --watch', { timeout: patienceMs }, () => {
  test('in a pipe, as JSON: what the run says, until it has swapped', async () => {
    await using db = await createDatabase(workload);
    await underWrites(db, async () => {
      await using run = new Process(['run', ...change, '--postpone-cutover'], db);
      await run.says(`not swapped yet: ${wanting}`);
      await using plain = new Process(watch, db);
      await using json = new Process([...watch, '--json'], db);
      await using stopped = new Process(watch, db);
      await Promise.all([plain, stopped].map((each) => each.says(`cutover · not swapped yet: ${wanting}`)));
      // The run says where it stands once a second.
      await json.says(`"postponed":"${wanting}"`);
      expect(json.objects.at(-1)).toMatchObject({
        id: 1,
        phase: 'cutover',
        percent: 100,
        paused: false,
        throttledBy: null,
        backlog: expect.any(Number) as number,
        progress: { state: { postponed: wanting, throttle: [] } },
      });

      // Who only looks can go: with 0, and nothing becomes of the run.
      stopped.child.kill('SIGINT');
      expect([await stopped.exitCode(), stopped.stderr]).toEqual([0, '']);
      expect(run.hasEnded).toBe(false);

      await finished(['pause', '1'], db);
      await json.says('"throttledBy":"paused by pg-ghost pause"');
      expect(json.objects.at(-1)).toMatchObject({ paused: true });
      // Every five seconds at most, so this one comes with the next of them; the run has such a line too.
      const held = 'cutover · held up: paused by pg-ghost pause · not swapped yet: paused by pg-ghost pause';
      await Promise.all([plain.says(held), run.says(`] ${held}`)]);
      const { copy } = await lastWord(db);
      expect(copy?.rowsCopied).toBe((json.objects.at(-1) as { rowsCopied?: number }).rowsCopied);
      await finished(['unpause', '1'], db);
      await finished(['cutover', '1'], db);

      expect(await Promise.all([run, plain, json].map((each) => each.exitCode()))).toEqual([0, 0, 0]);
      expect([plain.stderr, json.stderr]).toEqual(['', '']);
      expect(plain.lines.at(-1)).toBe('migration 1 public.orders: swapped');
      expect(json.objects.at(-1)).toMatchObject({
        id: 1,
        phase: 'swapped',
        old: 'ghost_old_1.orders',
        runnerPid: null,
      });
      expect(plain.lines.every((line) => line.startsWith('migration 1 public.orders: '))).toBe(true);
      // Nothing of a display.
      expect(plain.stdout + json.stdout).not.toContain('\u001b');
    });
  });

  test.runIf(hasTerminal)('on a terminal: drawn over itself, in colours unless NO_COLOR is set', async () => {
    await using db = await createDatabase(workload);
    await underWrites(db, async () => {
      const onTerminal = { url: db.url, terminal: true };
      const noColour = { NO_COLOR: '1' };
      await using run = new Process(['run', ...change, '--postpone-cutover'], onTerminal);
      await run.says(`not swapped yet: ${wanting}`);
      await using coloured = new Process(watch, onTerminal);
      await using plain = new Process(watch, { ...onTerminal, env: noColour });
      await using dumb = new Process(watch, { ...onTerminal, env: { TERM: 'dumb' } });
      const all = [coloured, plain, dumb];
      await Promise.all(all.map((each) => each.says(`not swapped yet: ${wanting}`)));
      await finished(['set', '1', 'workers=3'], db);
      await run.says('pg-ghost set: workers is 3 now');
      await finished(['pause', '1'], db);
      await Promise.all([coloured, plain].map((each) => each.says('held up: paused by pg-ghost pause')));
      await finished(['unpause', '1'], db);
      await finished(['cutover', '1'], db);
      expect(await Promise.all([run, ...all].map((each) => each.exitCode()))).toEqual([0, 0, 0, 0]);

      expect([run, coloured].map(({ stdout }) => colour.test(stdout))).toEqual([true, true]);
      expect([plain, dumb].map(({ stdout }) => colour.test(stdout))).toEqual([false, false]);
      expect(dumb.stdout).not.toContain('\u001b');
      // A display goes up again; the log of what others asked is left above it.
      for (const { stdout } of [run, coloured, plain]) expect(stdout).toContain('\u001b[1A');
      expect(stripVTControlCharacters(run.stdout)).toContain('✔ public.orders has its new shape');
      const last = stripVTControlCharacters(coloured.stdout).trimEnd().split(/\r?\n/);
      expect(last.at(-1)).toContain('pg-ghost finalize 1 drops it');
    });
  });
});

test('a run that ended without a swap is shown as it is, and looked at on', async () => {
  await using db = await createDatabase(workload);
  await using run = new Process(['run', ...change, '--postpone-cutover'], db);
  await run.says(wanting);
  await using json = new Process([...watch, '--json'], db);
  await json.says('"runnerPid":');
  run.child.kill('SIGINT');
  expect(await run.exitCode()).toBe(130);
  await json.says('"next":"pg-ghost run --resume 1 continues it');
  expect(json.objects.at(-1)).toMatchObject({
    runnerPid: null,
    phase: 'cutover',
    error: { code: 'interrupted' },
  });
  expect((await finished(['abort', '1'], db)).code).toBe(0);
  expect(await json.exitCode()).toBe(0);
  expect(json.objects.at(-1)).toMatchObject({ phase: 'aborted' });
});
