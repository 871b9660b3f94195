/** A run is steered from elsewhere, through the database alone, and answers with what it did, within a second. */
import { copyPlan } from '../plan/copy-plan.js';
import { writeFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  cutover,
  finalize,
  pause,
  plan,
  set,
  status,
  unpause,
  type MigrationEvent,
} from '../../src/index.js';
import { createDatabase, type TestDatabase, until } from '../support/database.js';
import { captureUnderTest, failure, runChange, stopAfterCopy, type Recorded } from '../support/migration.js';
import type { RunSettings } from '../../src/index.js';

const setup = `create table t (id int primary key, v text, pad text default repeat('x', 700));
  insert into t (id, v) select i, 'v' || i from generate_series(1, 20000) as i`;
const change = { table: 't', alter: ['ALTER COLUMN id TYPE bigint'] };

interface Run {
  readonly events: MigrationEvent[];
  readonly ended: Promise<Recorded>;
}

function start(
  db: TestDatabase,
  settings: Partial<RunSettings>,
  options: Parameters<typeof runChange>[2] = {},
): Run {
  const events: MigrationEvent[] = [];
  const ended = runChange(db, change, { settings, ...options, onEvent: (event) => events.push(event) });
  ended.catch(() => {});
  return { events, ended };
}

const seen = (run: Run, name: string): Promise<unknown> =>
  until(() => run.events.some(({ event }) => event === name), { what: name });

test('postponed until it is asked for: in sync, rehearsed, and then swapped', async () => {
  await using db = await createDatabase(setup);
  const connection = { url: db.url };
  const run = start(db, { postponeCutover: true, reverifyEveryMs: 500 });
  await seen(run, 'cutover:postponed');
  await db.query(`update t set v = 'later' where id <= 500; delete from t where id = 600`);
  await until(() => run.events.filter(({ event }) => event === 'verify:done').length >= 2, {
    what: 'another verification',
  });

  const started = performance.now();
  const rehearsed = await cutover({ connection }, 1, { rehearse: true });
  expect(rehearsed.said).toMatch(/rehearsed and taken back at try \d+: the lock would be held for [\d.]+ ms/);
  expect(performance.now() - started).toBeLessThan(10_000);
  const { rows } = await db.query(
    `select format_type(atttypid, -1) as type from pg_attribute where attrelid = 't'::regclass and attname = 'id'`,
  );
  expect(rows).toEqual([{ type: 'integer' }]);

  expect((await cutover({ connection }, 1)).said).toBe('the swap is being tried now');
  const { result } = await run.ended;
  expect(result.holdMs).toBeGreaterThan(0);
  expect(
    (await db.query(`select count(*)::int as n, count(*) filter (where v = 'later')::int as later from t`))
      .rows,
  ).toEqual([{ n: 19999, later: 500 }]);
  await finalize({ connection }, 1);
});

test('paused in the middle of the copy, with other workers and limits, and on again', async () => {
  await using db = await createDatabase(setup);
  const connection = { url: db.url };
  let copied = 0;
  let hold: (() => void) | null = null;
  const run = start(
    db,
    { chunkTimeMs: 10, workers: 1 },
    {
      onPoint: async (point) => {
        if (point !== 'chunk-copied' || (copied += 1) !== 2) return;
        await new Promise<void>((resolve) => (hold = resolve));
      },
    },
  );
  const release = await until(() => hold, { what: 'the second chunk' });
  const asked = performance.now();
  expect((await pause({ connection }, 1)).said).toMatch(/^paused/);
  expect(performance.now() - asked).toBeLessThan(1_000);
  release();
  await seen(run, 'throttle');
  const [paused] = await until(
    async () => {
      const found = await status({ connection }, 1);
      return found[0]?.paused === true ? found : null;
    },
    { what: 'status says so' },
  );
  expect(paused).toMatchObject({ phase: 'copy', throttledBy: 'paused by request' });
  expect((await set({ connection }, 1, { workers: '3', 'chunk-time': '20', 'max-active': 'off' })).said).toBe(
    'workers is 3 now, chunk-time is 20 now, max-active is off now',
  );
  await unpause({ connection }, 1);
  const { result, events } = await run.ended;
  expect(result.rows).toBe(20000);
  const last = events.findLast(({ event }) => event === 'copy:progress');
  expect(last).toMatchObject({ workers: 3 });
});

describe('refused with a reason', () => {
  test('nobody runs it, it has ended, there is none, the setting is none', async () => {
    await using db = await createDatabase(setup);
    const connection = { url: db.url };
    expect(await failure(pause({ connection }, 1))).toMatchObject({ code: 'no-such-migration', exitCode: 3 });
    await stopAfterCopy(db, change);
    const refused = await failure(cutover({ connection }, 1));
    expect(refused).toMatchObject({ code: 'not-running', exitCode: 3 });
    expect(refused['hint']).toContain('resuming migration 1 continues it');
    expect(await failure(set({ connection }, 1, { wrokers: '3' }))).toMatchObject({
      code: 'bad-setting',
      exitCode: 2,
    });
    expect(await failure(set({ connection }, 1, { workers: 'many' }))).toMatchObject({ code: 'bad-setting' });
    await runChange(db, change);
    expect(await failure(pause({ connection }, 1))).toMatchObject({ code: 'already-ended' });
  });
});

test('a pause file and a query hold the copy up, and let it go', async () => {
  await using db = await createDatabase(
    `${setup}; create table busy (yes boolean); insert into busy values (true)`,
  );
  const file = join(tmpdir(), `pause-${db.name}`);
  await writeFile(file, '');
  try {
    const run = start(db, { limits: { pauseFile: file, throttleQuery: 'select bool_or(yes) from busy' } });
    await seen(run, 'throttle');
    const held = run.events.find(({ event }) => event === 'throttle') as
      | { reasons?: { signal: string }[] }
      | undefined;
    expect(held?.reasons?.map(({ signal }) => signal).toSorted()).toEqual(['pause-file', 'throttle-query']);
    expect(run.events.some(({ event }) => event === 'copy:progress')).toBe(false);
    await rm(file);
    await db.query('update busy set yes = false');
    await run.ended;
  } finally {
    await rm(file, { force: true });
  }
});

test('a critical limit ends the run with its state kept', async () => {
  await using db = await createDatabase(setup);
  const run = start(db, { limits: { criticalXidAge: 0 } });
  expect(await failure(run.ended)).toMatchObject({ code: 'critical-limit', exitCode: 1 });
  expect((await status({ connection: { url: db.url } }, 1))[0]).toMatchObject({
    phase: 'copy',
    error: { code: 'critical-limit' },
  });
  await runChange(db, change);
});

test('a hook that says no postpones the swap; every lock is in the ledger', async () => {
  await using db = await createDatabase(setup);
  let answers = 0;
  const { events } = await runChange(db, change, {
    settings: { postponeCutover: false },
    beforeCutover: ({ table }) => {
      answers += 1;
      return Promise.resolve(
        answers > 0 ? { ok: table === 'public.t', said: '' } : { ok: false, said: 'not now' },
      );
    },
  });
  expect(answers).toBe(1);
  const taken = events.flatMap((event) => (event.event === 'lock:taken' ? [event] : []));
  const capture =
    captureUnderTest === 'triggers'
      ? [{ what: 'switching capture on', mode: 'SHARE ROW EXCLUSIVE' }]
      : ['making what capture needs', 'switching capture on'].map((what) => ({
          what,
          mode: 'SHARE UPDATE EXCLUSIVE',
        }));
  expect(taken.map(({ what, mode, outcome }) => ({ what, mode, outcome }))).toEqual(
    [...capture, { what: 'the swap', mode: 'ACCESS EXCLUSIVE' }].map((lock) => ({
      ...lock,
      outcome: 'committed',
    })),
  );
  const [swapped] = await status({ connection: { url: db.url } }, 1);
  expect(swapped?.locks.map(({ what }) => what)).toEqual(taken.map(({ what }) => what));
});

test('plan --rehearse does the whole swap with an empty table, and leaves nothing', async () => {
  await using db = await createDatabase(
    `${setup}; create view w as select id, v from t; create table child (t_id int references t)`,
  );
  const before = (await db.query(`select nspname from pg_namespace order by 1`)).rows;
  const planned = await plan({
    connection: { url: db.url },
    request: { table: 't', alter: change.alter, statements: [], set: [], rewrite: false },
    rehearse: true,
  });
  const { rehearsal } = copyPlan(planned);
  expect(rehearsal).toMatchObject({ ok: true, attempts: 1, error: null });
  expect(rehearsal?.holdMs).toBeGreaterThan(0);
  expect((await db.query(`select nspname from pg_namespace order by 1`)).rows).toEqual(before);
  expect((await db.query(`select count(*)::int as n from t`)).rows).toEqual([{ n: 20000 }]);
  await runChange(db, change);
});
