/** `--cutover-window`: a run that waits for its hour, and one that has found it. */
import { describe, expect, test } from 'vitest';
import { createDatabase, until } from '../support/database.js';
import { change, finished, lastWord, Process, underWrites, workload, patienceMs } from './processes.js';

const minuteMs = 60_000;
const dayMinutes = 24 * 60;

/** From and to so many minutes from now, as a clock there shows them that is so far from UTC. */
function windowAt(from: number, to: number, zone = 'UTC', zoneMinutes = 0): string {
  const now = Math.floor(Date.now() / minuteMs);
  const text = (minutes: number): string => {
    const at = (((now + minutes + zoneMinutes) % dayMinutes) + dayMinutes) % dayMinutes;
    return `${String(Math.floor(at / 60)).padStart(2, '0')}:${String(at % 60).padStart(2, '0')}`;
  };
  return `${text(from)}-${text(to)} ${zone}`;
}

describe.concurrent('--cutover-window', { timeout: patienceMs }, () => {
  test('outside of it the run waits in sync and says until when; asked for the swap it swaps', async () => {
    await using db = await createDatabase(workload);
    await underWrites(db, async () => {
      // Half an hour off the hour: a clock that is read as another one's does not hit.
      const window = windowAt(5, 7, 'Asia/Kolkata', 330);
      const opens = new Date((Math.floor(Date.now() / minuteMs) + 5) * minuteMs).toISOString();
      await using run = new Process(['run', ...change, '--cutover-window', window], db);
      const why = `outside of the window ${window}, until ${opens.slice(0, 10)} ${opens.slice(11, 16)} UTC`;
      await run.says(`] not swapped yet: ${why}\n`);
      // There is time enough for a rehearsal, however soon the window is.
      const rehearsal = await finished(['cutover', '1', '--rehearse'], db);
      expect([rehearsal.code, rehearsal.stderr]).toEqual([0, '']);
      await until(async () => (await lastWord(db)).postponed === why, { what: 'a status that says so' });
      const none = await finished(['set', '1', 'cutover-window=00:00-01:00 UTC'], db);
      expect([none.code, none.stderr]).toEqual([
        2,
        expect.stringContaining('cutover-window cannot be set while a migration runs'),
      ]);

      const go = await finished(['cutover', '1'], db);
      expect([go.code, go.stdout]).toEqual([0, 'migration 1: the swap is being tried now\n']);
      expect([await run.exitCode(), run.stderr]).toEqual([0, '']);
      expect(run.stdout).toMatch(/swapped at try \d+/);
    });
  });

  test('inside of it, also over midnight and in another zone, it swaps at once', async () => {
    await using db = await createDatabase(workload);
    await underWrites(db, async () => {
      const runs = [
        ['orders', windowAt(-5, 10)],
        ['mirror', windowAt(-5, dayMinutes - 10, 'America/St_Johns', stJohnsMinutes())],
      ] as const;
      for (const [table, window] of runs) {
        const run = await finished(['run', '--table', table, '--rewrite', '--cutover-window', window], db);
        expect([run.code, run.stderr]).toEqual([0, '']);
        expect(run.stdout).not.toContain('not swapped yet');
      }
    });
  });

  // Every other spelling: test/settings/cutover-window.test.ts.
  test.each(['2-4', '02:00-04:60 UTC', '02:00-04:00 Mars/Olympus'])(
    '"%s" is wrong usage: one error, and nothing is asked of a server',
    async (window) => {
      // Nobody is there: a connection would be another error.
      const options = { url: 'postgres://127.0.0.1:1/none' };
      const run = await finished(['run', ...change, '--cutover-window', window], options);
      expect([run.code, run.stdout]).toEqual([2, '']);
      expect(run.stderr.trimEnd().split('\n')).toEqual([
        `error: option '--cutover-window <WINDOW>' argument '${window}' is invalid. It takes HH:MM-HH:MM and a time zone, such as "02:00-04:00 Europe/Berlin".`,
      ]);
    },
  );
});

/** Summer time comes and goes. */
function stJohnsMinutes(): number {
  const now = new Date();
  const there = new Date(now.toLocaleString('en-US', { timeZone: 'America/St_Johns' }));
  const utc = new Date(now.toLocaleString('en-US', { timeZone: 'UTC' }));
  return Math.round((there.getTime() - utc.getTime()) / minuteMs);
}
