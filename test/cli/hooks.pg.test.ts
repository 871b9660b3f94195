/** `--hook`: what the user's commands are told of a real run, and what they can do to it. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createDatabase, until } from '../support/database.js';
import {
  change,
  finished,
  lastWord,
  Process,
  temporaryFolder,
  underWrites,
  workload,
  patienceMs,
} from './processes.js';

const linesOf = async (file: string): Promise<string[]> =>
  (await readFile(file, 'utf8').catch(() => '')).split('\n').slice(0, -1);

/** One write, so that hooks which run at the same time do not mix their lines. */
const note = (file: string): string =>
  `line=$(cat); printf '%s\\n' "$PG_GHOST_EVENT $PG_GHOST_MIGRATION $PG_GHOST_TABLE $PG_GHOST_PHASE $line" >> ${file}; env >> ${file}.env`;

function hook(event: string, command: string): string[] {
  return ['--hook', `${event}=${command}`];
}

/** Of a process that nobody has waited for, none is left. */
function isRunning(pid: number): Promise<boolean> {
  return readFile(`/proc/${pid}/stat`, 'utf8').then(
    (stat) => !/\) Z /.test(stat),
    () => false,
  );
}

describe.concurrent('hooks of a run', { timeout: patienceMs }, () => {
  test('each in its order, with its variables and the event as it is with --json, without a password', async () => {
    await using db = await createDatabase(workload);
    await using folder = await temporaryFolder();
    const { url, password } = await db.createRole('superuser');
    const told = join(folder.path, 'told');
    const pauseFile = join(folder.path, 'pause');
    await writeFile(pauseFile, '');
    const events = ['started', 'phase', 'throttled', 'before-cutover', 'after-cutover', 'done', 'failed'];
    await underWrites(db, async () => {
      await using run = new Process(
        [
          'run',
          ...change,
          '--json',
          '--pause-file',
          pauseFile,
          ...events.flatMap((event) => hook(event, note(told))),
        ],
        { url, env: { PGPASSWORD: password, MINE: 'yes' } },
      );
      await run.brings(
        async () => (await linesOf(told)).some((line) => line.startsWith('throttled')),
        'the hook of the pause',
      );
      await rm(pauseFile);
      expect([await run.exitCode(), run.stderr]).toEqual([0, '']);

      const lines = await linesOf(told);
      const phases = run.all('phase:started').map(({ phase }) => String(phase));
      expect(phases).toEqual(expect.arrayContaining(['prepare', 'copy', 'verify', 'cutover']));
      const heads = lines.map((line) => line.slice(0, line.indexOf('{') - 1));
      // Asked while the others are told beside the run.
      const asked = heads.filter((head) => head.startsWith('before-cutover'));
      expect(asked).toEqual(['before-cutover 1 public.orders cutover']);
      const inOrder = heads.filter((head) => !/^(before-cutover|throttled)/.test(head));
      const last = phases.indexOf('cutover') + 1;
      expect(inOrder).toEqual([
        'started 1 public.orders prepare',
        ...phases.slice(0, last).map((phase) => `phase 1 public.orders ${phase}`),
        'after-cutover 1 public.orders cutover',
        ...phases.slice(last).map((phase) => `phase 1 public.orders ${phase}`),
        'done 1 public.orders swapped',
      ]);
      expect(heads.indexOf('started 1 public.orders prepare')).toBeLessThan(
        heads.findIndex((head) => head.startsWith('throttled')),
      );
      const stream = run.lines;
      const bodies = lines.map((line) => line.slice(line.indexOf('{')));
      const own = bodies.filter((body) => !body.includes('"before-cutover"'));
      expect(own.filter((body) => !stream.includes(body))).toEqual([]);
      for (const object of run.objects) {
        expect(object).toMatchObject({ event: expect.any(String) as string, id: 1 });
        expect(new Date(String(object['at'])).getTime()).toBeGreaterThan(0);
      }
      expect(run.objects.at(-1)).toMatchObject({
        event: 'migration:done',
        native: false,
        table: 'public.orders',
      });

      const environment = await readFile(`${told}.env`, 'utf8');
      expect(environment).toContain('MINE=yes');
      expect(environment).not.toMatch(/PGPASSWORD|DATABASE_URL/);
      expect(environment + lines.join('\n')).not.toContain(password);
    });
  });

  test('before-cutover says no: it is told why, stays in sync, and asks again when the swap is asked for', async () => {
    await using db = await createDatabase(workload);
    await using folder = await temporaryFolder();
    const { url, password } = await db.createRole('superuser');
    const [gate, asked] = [join(folder.path, 'gate'), join(folder.path, 'asked')];
    const command = `echo >> ${asked}; test -e ${gate} && exit 0; echo "backup runs ${password}"; exit 3`;
    await underWrites(db, async () => {
      await using run = new Process(['run', ...change, ...hook('before-cutover', command)], { url });
      const said = 'not swapped yet: a before-cutover hook says no: backup runs ***';
      await run.says(said);
      // What `status` shows, from anywhere.
      const why = 'a before-cutover hook says no: backup runs ***';
      await run.brings(async () => (await lastWord(db)).postponed === why, 'a status that says so');

      const again = await finished(['cutover', '1'], db);
      expect([again.code, again.stdout]).toEqual([0, 'migration 1: the swap is being tried now\n']);
      await run.brings(() => run.stdout.split(`] ${said}`).length === 3, 'the second no');
      // Half a minute may have passed where the machine is slow: then it was asked by itself, too.
      const twice = (await linesOf(asked)).length;
      expect(twice).toBeGreaterThanOrEqual(2);

      await writeFile(gate, '');
      expect((await finished(['cutover', '1'], db)).code).toBe(0);
      expect(await run.exitCode()).toBe(0);
      expect((await linesOf(asked)).length).toBeGreaterThan(twice);
      expect(run.stdout).toMatch(/swapped at try \d+/);
    });
  });

  test('before-cutover is asked again by itself after half a minute', async () => {
    await using db = await createDatabase(workload);
    await using folder = await temporaryFolder();
    const asked = join(folder.path, 'asked');
    const command = `echo >> ${asked}; test $(wc -l < ${asked}) -gt 1`;
    await using run = new Process(['run', ...change, ...hook('before-cutover', command)], db);
    await run.says('not swapped yet: a before-cutover hook says no: it failed with exit code 1');
    const started = performance.now();
    expect(await run.exitCode()).toBe(0);
    expect(performance.now() - started).toBeGreaterThan(25_000);
    expect(await linesOf(asked)).toHaveLength(2);
    // Meanwhile it says now and then that it waits.
    const waiting = run.lines.filter((line) =>
      /^\[0:\d\d\] cutover .* not swapped yet: a before-cut/.test(line),
    );
    expect(waiting.length).toBeGreaterThanOrEqual(4);
  });

  test('one that fails, one that is not there: warnings, and the work goes on', async () => {
    await using db = await createDatabase(workload);
    const run = await finished(
      [
        'run',
        ...change,
        ...hook('started', 'echo "no such channel" >&2; exit 7'),
        ...hook('after-cutover', '/no/such/program'),
        ...hook('done', 'kill -TERM $$'),
      ],
      db,
    );
    expect(run.code).toBe(0);
    const warnings = run.stderr.split('\n').slice(0, -1);
    expect(warnings.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { code: 'hook-failed', msg: 'the started hook failed with exit code 7: no such channel' },
      {
        code: 'hook-failed',
        msg: expect.stringMatching(
          /^the after-cutover hook failed with exit code 127: .*not found/,
        ) as string,
      },
      { code: 'hook-failed', msg: 'the done hook was ended by SIGTERM' },
    ]);
  });

  test('hooks that hang: the second Ctrl-C ends them with all that they started', async () => {
    await using db = await createDatabase(workload);
    await using folder = await temporaryFolder();
    const hanging = (file: string): string =>
      `sleep 1000 & echo $! > ${file}.new; mv ${file}.new ${file}; wait`;
    const pidIn = (file: string): Promise<number> =>
      until(async () => Number((await linesOf(file))[0]), {
        what: 'the start of the hook',
        timeoutMs: patienceMs / 2,
      });
    const interrupt = async (run: Process): Promise<void> => {
      run.child.kill('SIGINT');
      await run.says('once more cancels it', 'stderr');
      expect(run.hasEnded).toBe(false);
      run.child.kill('SIGINT');
    };

    const [first, second] = [join(folder.path, 'first'), join(folder.path, 'second')];
    await using asking = new Process(['run', ...change, ...hook('before-cutover', hanging(first))], db);
    const asked = await pidIn(first);
    await interrupt(asking);
    expect(await asking.exitCode()).toBe(130);
    expect(asking.stderr).toContain('the same command continues');
    await until(async () => !(await isRunning(asked)), { what: 'the end of what the hook started' });

    // The change is made: what is waited for is said, and its end is no failure.
    await using telling = new Process(['run', ...change, ...hook('done', hanging(second))], db);
    const told = await pidIn(second);
    await telling.says('pg-ghost: waiting for the done hook, a minute at most', 'stderr');
    expect(telling.stdout).toContain('has its new shape');
    await interrupt(telling);
    expect(await telling.exitCode()).toBe(0);
    expect(telling.stderr).toContain('the done hook was ended with the run');
    await until(async () => !(await isRunning(told)), { what: 'the end of what the hook started' });
  });
});
