/** A run that is steered by other processes: what they answer, when, and what the run itself says of it. */
import { commandText } from '../../src/cli/command-line.js';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createDatabase, type TestDatabase, until } from '../support/database.js';
import {
  change,
  finished,
  lastWord,
  leftovers,
  Process,
  temporaryFolder,
  underWrites,
  workload,
  patienceMs,
} from './processes.js';

const postponed = ['run', ...change, '--postpone-cutover'];
const wanting = 'not swapped yet: postponed until pg-ghost cutover';

async function typeOfId(db: TestDatabase): Promise<string> {
  const { rows } = await db.query<{ type: string }>(
    `select format_type(atttypid, -1) as type from pg_attribute where attrelid = 'orders'::regclass and attname = 'id'`,
  );
  return rows[0]?.type ?? '';
}

/** By the server's clock, from the moment when the command was there to the one when its answer was. */
async function answers(db: TestDatabase): Promise<{ name: string; ms: number }[]> {
  const { rows } = await db.query<{ name: string; ms: number }>(
    `select name, extract(epoch from answered_at - at)::float8 * 1000 as ms from ghost.commands order by id`,
  );
  return rows;
}

/** A session that keeps everybody from the swap's lock until it is asked to let go. */
async function inTheWay(db: TestDatabase): Promise<() => Promise<void>> {
  const client = await db.connect();
  await client.query('begin');
  await client.query('select from orders limit 1');
  return async () => void (await client.query('commit'));
}

describe.concurrent('steered from another process', { timeout: patienceMs }, () => {
  test('every command is answered within a second with what was done, and the run tells it too', async () => {
    await using db = await createDatabase(workload);
    await underWrites(db, async () => {
      await using run = new Process(postponed, db);
      await run.says(wanting);
      const said = [
        [['pause', '1'], 'paused: copy, verification and swap wait; the log goes on being applied', 'pause'],
        [['unpause', '1'], 'goes on', 'unpause'],
        [['set', '1', 'workers=3', 'max-hold=900'], 'workers is 3 now, max-hold is 900 now', 'set'],
      ] as const;
      for (const [args, sentence, name] of said) {
        const asked = await finished(args, db);
        expect([asked.code, asked.stdout, asked.stderr]).toEqual([0, `migration 1: ${sentence}\n`, '']);
        await run.says(`] pg-ghost ${name}: ${sentence}\n`);
      }
      // As the run has it, whatever it said.
      expect(run.stdout).toContain('held up: paused by pg-ghost pause');
      expect(run.stdout).toContain('no longer held up');

      const rehearsal = await finished(['cutover', '1', '--rehearse', '--json'], db);
      expect(rehearsal.code).toBe(0);
      expect(rehearsal.objects).toEqual([
        {
          event: 'cutover:done',
          id: 1,
          said: expect.stringMatching(/^rehearsed and taken back at try \d+: the lock/) as string,
          holdMs: expect.any(Number) as number,
          attempts: expect.any(Number) as number,
          drainedKeys: expect.any(Number) as number,
          at: expect.any(String) as string,
        },
      ]);
      await run.says('] pg-ghost cutover --rehearse: rehearsed and taken back');
      expect(await typeOfId(db)).toBe('integer');
      // And then it waits as before, here and for whoever looks.
      await run.brings(() => run.stdout.split(`] ${wanting}`).length === 4, 'postponed again');
      await until(
        async () => {
          const { postponed: why, lock } = await lastWord(db);
          return commandText(why ?? '') === 'postponed until pg-ghost cutover' && lock === null;
        },
        { what: 'a status that says so' },
      );

      const go = await finished(['cutover', '1'], db);
      expect([go.code, go.stdout]).toEqual([0, 'migration 1: the swap is being tried now\n']);
      expect([await run.exitCode(), run.stderr]).toEqual([0, '']);
      expect(run.stdout).toContain('] pg-ghost cutover: the swap is being tried now\n');
      expect(await typeOfId(db)).toBe('bigint');
      const took = await answers(db);
      expect(took.map(({ name }) => name)).toEqual(['pause', 'unpause', 'set', 'rehearse', 'cutover']);
      expect(took.filter(({ name, ms }) => name !== 'rehearse' && ms >= 1_000)).toEqual([]);
    });
  });

  test('paused it does not swap, not even when asked, nor after a lost connection; unpaused it does', async () => {
    await using db = await createDatabase(workload);
    await underWrites(db, async () => {
      await using run = new Process([...postponed, '--json'], db);
      await run.says('"cutover:postponed"');
      await finished(['pause', '1'], db);
      const asked = await finished(['cutover', '1'], db);
      const sentence = 'it is paused: the swap will be tried after pg-ghost unpause, and not be postponed';
      expect(asked.stdout).toBe(`migration 1: ${sentence}\n`);
      await run.says(sentence);
      expect(run.all('run:asked')).toMatchObject([
        { id: 1, name: 'pause', ok: true },
        { id: 1, name: 'cutover', ok: true, said: sentence },
      ]);

      await db.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and application_name like 'pg-ghost 1 %'`,
      );
      await run.says('"run:resumed"');
      await run.brings(() => run.stdout.split('"kind":"pause"').length === 3, 'paused as before');
      await until(async () => (await lastWord(db)).throttle[0] === 'paused by pg-ghost pause', {
        what: 'a status that says so',
      });
      expect(await typeOfId(db)).toBe('integer');
      expect((await finished(['unpause', '1'], db)).stdout).toBe('migration 1: goes on\n');
      expect(await run.exitCode()).toBe(0);
      expect(await typeOfId(db)).toBe('bigint');
    });
  });

  test('while a rehearsal waits for its lock the run lives: it answers, and it can be stopped', async () => {
    await using db = await createDatabase(workload);
    await using run = new Process(postponed, db);
    await run.says(wanting);
    const letGo = await inTheWay(db);
    await using rehearsal = new Process(['cutover', '1', '--rehearse'], db);
    const underWay = (): Promise<boolean> =>
      db
        .query(`select from ghost.commands where name = 'rehearse' and answer is null`)
        .then(({ rowCount }) => rowCount === 1);
    await rehearsal.brings(underWay, 'a command');
    const beat = async (): Promise<string> =>
      (await db.query<{ at: string }>('select at::text from ghost.progress')).rows[0]?.at ?? '';
    const before = await beat();
    await run.brings(async () => (await beat()) !== before, 'a sign of life');
    const set = await finished(['set', '1', 'lock-timeout=50'], db);
    expect([set.code, set.stdout]).toEqual([0, 'migration 1: lock-timeout is 50 now\n']);
    expect(await underWay()).toBe(true);

    run.child.kill('SIGINT');
    expect(await run.exitCode()).toBe(130);
    expect(run.stderr).toContain('the same command continues, pg-ghost abort 1 undoes');
    expect(await rehearsal.exitCode()).toBe(1);
    expect(rehearsal.stderr).toContain('the rehearsal was broken off: stopped as asked');

    // Nor does a wish outlive the run that it was for, where who had it was gone before there was an answer.
    await db.query(`insert into ghost.commands (migration_id, name, arguments) values (1, 'cutover', '{}')`);
    await using next = new Process(['run', '--resume', '1', '--postpone-cutover'], db);
    await next.says(wanting);
    await using second = new Process(['cutover', '1', '--rehearse'], db);
    await second.brings(underWay, 'a command');
    next.child.kill('SIGKILL');
    // Who has asked does not wait for somebody who is gone.
    expect(await second.exitCode()).toBe(1);
    expect(second.stderr).toContain(
      'the run of migration 1 ended, or lost its connection, before it answered',
    );
    expect(await underWay()).toBe(false);
    expect(next.stdout).not.toContain('pg-ghost cutover: ');
    expect(await typeOfId(db)).toBe('integer');
    await letGo();
  });

  test('a rehearsal that the swap overtakes is answered, and the run ends', async () => {
    await using db = await createDatabase(workload);
    await using folder = await temporaryFolder();
    const gate = join(folder.path, 'gate');
    const asking = join(folder.path, 'asking');
    await using run = new Process(
      [
        'run',
        ...change,
        '--hook',
        `before-cutover=touch ${asking}; until [ -e ${gate} ]; do sleep 0.05; done`,
      ],
      db,
    );
    await run.brings(() => existsSync(asking), 'the hook');
    await using rehearsal = new Process(['cutover', '1', '--rehearse'], db);
    // The run has seen it: it beats when it is asked, and a second later.
    await rehearsal.brings(async () => {
      const { rowCount } = await db.query(
        `select from ghost.progress p, ghost.commands c where c.name = 'rehearse' and p.at > c.at + interval '500 ms'`,
      );
      return rowCount === 1;
    }, 'a command that is seen');
    await writeFile(gate, '');
    expect(await run.exitCode()).toBe(0);
    expect(await rehearsal.exitCode()).toBe(1);
    expect(rehearsal.stderr).toContain('there is nothing to rehearse');
    expect(await typeOfId(db)).toBe('bigint');
  });

  test('abort: the run ends with 1 and says why, nothing of ours is left, no write is lost', async () => {
    await using db = await createDatabase(workload);
    await using folder = await temporaryFolder();
    const told = join(folder.path, 'told');
    await underWrites(db, async () => {
      await using run = new Process([...postponed, '--hook', `failed=cat > ${told}`], db);
      await run.says(wanting);
      const abort = await finished(['abort', '1'], db);
      expect([abort.code, abort.stdout]).toEqual([
        0,
        'migration 1 aborted; removed: ghost_new_1.orders, its capture triggers, its change log; public.orders is as it was\n',
      ]);
      expect(await run.exitCode()).toBe(1);
      expect(run.stderr).toContain('error: migration 1 was ended or taken over by another session\n');
      expect(run.stderr).toContain('hint:  pg-ghost status 1 says where it stands\n');
      expect(JSON.parse(await readFile(told, 'utf8'))).toMatchObject({
        event: 'error',
        code: 'taken-over',
        id: 1,
      });
      // The server takes a moment to notice that a session is over.
      const isSession = (name: string): boolean => name.startsWith('session');
      await until(async () => !(await leftovers(db)).some(isSession), { what: 'the end of the sessions' });
      expect(await leftovers(db)).toEqual([]);
      expect(await typeOfId(db)).toBe('integer');
      const after = await finished(['pause', '1'], db);
      expect([after.code, after.stderr]).toEqual([
        3,
        expect.stringContaining('migration 1 is already aborted'),
      ]);
    });
  });
});
