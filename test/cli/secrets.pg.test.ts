/** A password goes to the server and nowhere else, however much is told; and what a run tells last is what it cost. */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { describe, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../support/database.js';
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

/** A password with everything that is written in another way in a URL, in JSON, in a shell; no spelling is without its core. */
function secret(): { readonly core: string; readonly text: string } {
  const core = randomBytes(8).toString('hex');
  return { core, text: `a#/"${core}'@ü` };
}

/** Every row of every table of ours, as text. */
async function stateOf(db: TestDatabase): Promise<string> {
  const { rows } = await db.query<{ name: string }>(
    `select oid::regclass::text as name from pg_class
     where relnamespace = 'ghost'::regnamespace and relkind = 'r' order by 1`,
  );
  expect(rows.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['ghost.migrations', 'ghost.progress', 'ghost.commands', 'ghost.locks']),
  );
  const texts: string[] = [];
  for (const { name } of rows) {
    const found = await db.query<{ t: string }>(`select t::text as t from ${name} t`);
    texts.push(...found.rows.map(({ t }) => t));
  }
  return texts.join('\n');
}

describe.concurrent('what is told', { timeout: patienceMs }, () => {
  test('with --log-level debug, a log file, hooks, metrics and --json there is no password in any of it', async () => {
    await using db = await createDatabase(workload);
    await using folder = await temporaryFolder();
    const [mine, replica] = [secret(), secret()];
    const { name } = await db.createRole('superuser');
    await db.query(`alter role ${name} password ${pg.escapeLiteral(mine.text)}`);
    const url = db.urlFor(name, mine.text);
    // Nobody is there: the reason why it is held up quotes what it could not reach.
    const replicaUrl = `postgres://me:${encodeURIComponent(replica.text)}@127.0.0.1:1/none`;
    const [log, told] = [join(folder.path, 'log'), join(folder.path, 'told')];
    const logged = ['--dsn', url, '--log-level', 'debug', '--log-file', log];
    const everything: string[] = [];
    const keep = (process: Process): void => void everything.push(process.stdout, process.stderr);

    await underWrites(db, async () => {
      await using run = new Process(
        [
          'run',
          ...change,
          ...logged,
          '--postpone-cutover',
          `--replica=${replicaUrl}`,
          '--max-lag=1000',
          '--metrics-port=0',
          ...['started', 'phase', 'throttled', 'done'].flatMap((event) => [
            '--hook',
            `${event}={ env; cat; } >> ${told}`,
          ]),
          // One that shouts what it should keep to itself.
          '--hook=started=echo "cannot reach $SHOUT and $PART"; exit 1',
        ],
        { env: { SHOUT: url, PART: mine.text } },
      );
      await run.says('held up: ');
      const metrics = /http:\S+/.exec(run.stderr)?.[0] ?? '';
      everything.push(await (await fetch(metrics)).text());
      keep(await finished(['status', '1', '--json', ...logged], {}));
      keep(await finished(['set', '1', 'max-lag=off', ...logged], {}));
      await run.says('not swapped yet');
      await db.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and application_name = 'pg-ghost 1 control'`,
      );
      await run.says('connected again');
      keep(await finished(['cutover', '1', '--json', ...logged], {}));
      expect(await run.exitCode()).toBe(0);
      keep(run);
      // It is looked for where something was masked.
      expect(run.stderr).toContain(`cannot reach postgresql://${name}:***@`);
      expect(run.stderr).toContain(' and ***');
      expect((await lastWord(db)).throttle).toEqual([]);
    });
    keep(await finished(['finalize', '1', '--json', ...logged], {}));

    const file = await readFile(log, 'utf8');
    const records = file
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    for (const record of records) {
      expect(record).toMatchObject({
        level: expect.any(Number) as number,
        time: expect.any(Number) as number,
      });
    }
    const events = new Set(records.map(({ event }) => event));
    expect([...events]).toEqual(
      expect.arrayContaining([
        'copy:progress',
        'lock:taken',
        'run:asked',
        'run:retrying',
        'warning',
        'throttle',
      ]),
    );
    everything.push(file, await readFile(told, 'utf8'), await stateOf(db));
    const text = everything.join('\n');
    const own = text.replaceAll(/^(SHOUT|PART)=.*$/gm, '').split('\n');
    for (const { core } of [mine, replica]) expect(own.filter((line) => line.includes(core))).toEqual([]);
  });

  test('the summary has the cost of every run of the migration; each line of --json is an event', async () => {
    await using db = await createDatabase(workload);
    await underWrites(db, async () => {
      const client = await db.connect();
      await client.query('begin');
      await client.query('select from orders limit 1');
      const first = await finished(
        ['run', ...change, '--json', '--cutover-deadline', '4s', '--old-transaction', '1h'],
        db,
      );
      expect([first.code, first.stderr]).toEqual([5, '']);
      for (const object of first.objects) {
        expect(object).toMatchObject({ event: expect.any(String) as string, id: 1 });
        expect(new Date(String(object['at'])).toISOString()).toBe(object['at']);
      }
      expect(first.objects.at(-1)).toMatchObject({
        event: 'error',
        code: 'cutover-not-obtained',
        exitCode: 5,
      });
      await client.query('commit');

      const second = await finished(['run', '--resume', '1'], db);
      expect([second.code, second.stderr]).toEqual([0, '']);
      const { rows } = await db.query<{ cost: string; first: boolean }>(
        `select to_char(sum((entry->>'blockedMs')::numeric) / 1000, 'FM999990.00') as cost,
           sum((entry->>'blockedMs')::numeric) filter (where entry->>'outcome' = 'missed') > 10 as first
         from ghost.locks`,
      );
      expect(rows[0]?.first).toBe(true);
      expect(second.lines.slice(-5)).toEqual([
        expect.stringMatching(/^✔ public\.orders has its new shape: [\d,]+ rows in .*, lock held [\d.]+ ms$/),
        `  this change cost the application ${rows[0]?.cost} blocked-backend-seconds`,
        '  the old table is kept as ghost_old_1.orders',
        '  what is written from now on comes back with it: pg-ghost rollback 1',
        '  next: pg-ghost finalize 1 drops it, once nobody needs it any more',
      ]);
    });
  });
});
