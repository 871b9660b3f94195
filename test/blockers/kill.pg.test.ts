/** `--kill-blockers` through whole commands: who is ended, who is spared, and that nobody is unless asked for. */
import { describe, expect, test } from 'vitest';
import { cutover, finalize, type MigrationEvent } from '../../src/index.js';
import { finished } from '../cli/processes.js';
import { lockTry } from '../../src/locks/ladder.js';
import { otherSession } from '../locks/scene.js';
import { createDatabase, type TestDatabase, until } from '../support/database.js';
import { failure, runChange } from '../support/migration.js';
import { abortPlace, places, statusOf, type Run } from './places.js';
import {
  Application,
  change,
  gidOf,
  kinds,
  setup,
  tolerableMs,
  triesOf,
  type Blocker,
  type Kind,
} from './scene.js';

const afterMs = 400;
const { wrote, read, reads, drew, prepared } = kinds;

type Told = MigrationEvent & { event: 'lock:blocker' };
const told = (events: readonly MigrationEvent[]): Told[] =>
  events.flatMap((event) => (event.event === 'lock:blocker' ? [event] : []));

async function isThere(db: TestDatabase, pid: number): Promise<boolean> {
  return (await db.query('select from pg_stat_activity where pid = $1', [pid])).rows.length > 0;
}

const repeatable: Kind = {
  ...read,
  name: 'a REPEATABLE READ transaction that has read and sits idle',
  block: async (db, table) => {
    const { pid } = await otherSession(db, `begin isolation level repeatable read; select from ${table}`);
    return { pid, release: () => Promise.resolve() };
  },
};

describe.concurrent('ended when it has been in the way for so long, and the command goes through', () => {
  test.each<{ place: Run; kind: Kind; how: Told['how']; where: string; who: string }>(
    (
      [
        [places.swap, repeatable, 'terminated'],
        [places.swap, reads, 'cancelled'],
        [places.swap, drew, 'terminated'],
        [places.swapReferencing, wrote, 'terminated'],
        [places.capture, wrote, 'terminated'],
        [places.native, reads, 'cancelled'],
      ] as const
    ).map(([place, kind, how]) => ({ place, kind, how, where: place.name, who: kind.name })),
  )('$where: $who', async ({ place, kind, how }) => {
    await using db = await createDatabase(setup);
    await using app = await Application.start(db, place.table);
    const events: MigrationEvent[] = [];
    const blockers: Blocker[] = [];
    await place.command(db, {
      block: async () => void blockers.push(await kind.block(db, place.table)),
      deadlineMs: 20_000,
      settings: { killBlockersAfterMs: afterMs },
      onEvent: (event) => events.push(event),
    });
    await app.end();
    const pid = blockers[0]?.pid ?? 0;
    expect(told(events)).toMatchObject([{ pid, how }]);
    expect(told(events)[0]?.why).toMatch(/, in the way for \d\.\d s$/);
    expect(await isThere(db, pid)).toBe(how === 'cancelled');
    expect(app.errors).toEqual([]);
    expect(app.longestMs).toBeLessThan(tolerableMs);
    const written = await db.query(`select n from ${place.table} where id in (1, 2) order by id`);
    // What the ended one had written is taken back.
    expect(written.rows).toEqual([{ n: app.writes }, { n: 0 }]);
  });
});

test.concurrent('left alone: a prepared transaction, and a superuser where the role is none; they are named, and it is let in when they go', async () => {
  await using db = await createDatabase(setup);
  const owner = await db.createRole('in role pg_monitor');
  await db.query(`
    grant create on database ${db.name} to ${owner.name}; grant all on schema public to ${owner.name};
    alter table t owner to ${owner.name}; alter table child owner to ${owner.name}; alter table parent owner to ${owner.name};`);
  await using app = await Application.start(db);
  const events: MigrationEvent[] = [];
  const blockers: Blocker[] = [];
  const error = await failure(
    runChange(db, change, {
      url: owner.url,
      settings: { lockTimeoutMs: 50, cutoverDeadlineMs: 2_000, killBlockersAfterMs: afterMs },
      onEvent: (event) => events.push(event),
      onPoint: async (point) => {
        if (point === 'settled') blockers.push(await prepared.block(db, 't'), await read.block(db, 't'));
      },
    }),
  );
  const superuser = blockers[1]?.pid ?? 0;
  expect(error).toMatchObject({ code: 'cutover-not-obtained', exitCode: 5 });
  expect((error['details'] as { blockers: unknown[] }).blockers).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ pid: 0, application: gidOf(db), lockModes: ['ROW EXCLUSIVE'] }),
      expect.objectContaining({ pid: superuser, lockModes: ['ACCESS SHARE'] }),
    ]),
  );
  expect(error.message).toContain('ends only by COMMIT PREPARED or ROLLBACK PREPARED');
  const spared = told(events).toSorted((a, b) => a.pid - b.pid);
  expect(spared).toMatchObject([
    { pid: 0, how: 'spared', why: expect.stringContaining(gidOf(db)) as string },
    {
      pid: superuser,
      how: 'spared',
      why: expect.stringMatching(/ is a superuser and we are not$/) as string,
    },
  ]);
  expect(app.longestMs).toBeLessThan(tolerableMs);
  for (const { release } of blockers) await release();
  await runChange(db, change, { url: owner.url });
  await app.end();
  await finalize({ connection: { url: owner.url } }, 1);
  const { rows } = await db.query('select n from t where id in (1, 2) order by id');
  expect(rows).toEqual([{ n: app.writes }, { n: 100 }]);
});

test.concurrent('nobody is ended unless asked for: exit 5 with who it was; then asked for, and the program says so', async () => {
  await using db = await createDatabase(setup);
  const blocker = await read.block(db, 't');
  await using app = await Application.start(db);
  const shape = ['--table', 't', '--alter', 'ALTER COLUMN id TYPE bigint'];
  const limits = ['--lock-timeout', '50', '--cutover-deadline', '1500ms', '--old-transaction', '300ms'];
  await using first = await finished(['run', ...shape, ...limits], { url: db.url });
  expect(first.code).toBe(5);
  expect(first.stderr).toContain('public.t was not swapped: ');
  expect(first.stderr).toMatch(
    new RegExp(
      `in the way: pid ${blocker.pid} .* idle in transaction .* holds ACCESS SHARE .*seen \\d+ times, for \\d\\.\\d s`,
    ),
  );
  expect(first.stderr).toContain('pg-ghost abort 1 undoes');
  expect(first.stdout + first.stderr).not.toMatch(/terminated|cancelled/);
  expect(await isThere(db, blocker.pid)).toBe(true);
  expect(app.longestMs).toBeLessThan(tolerableMs);
  expect(await statusOf(db)).toMatchObject({ phase: 'cutover', error: { code: 'cutover-not-obtained' } });
  // Nobody runs it, so nobody can be told to swap.
  expect(await failure(cutover({ connection: { url: db.url } }, 1))).toMatchObject({
    code: 'not-running',
    hint: expect.stringContaining('resuming migration 1 continues it') as string,
  });

  await using second = await finished(['run', '--resume', '1', '--kill-blockers', '300ms'], { url: db.url });
  await app.end();
  expect(second.code).toBe(0);
  expect(second.stdout).toMatch(
    new RegExp(
      `pid ${blocker.pid} was in the way: terminated, idle in transaction, in the way for \\d\\.\\d s`,
    ),
  );
  expect(await isThere(db, blocker.pid)).toBe(false);
  await using ledger = await finished(['status', '1', '--locks'], { url: db.url });
  expect(ledger.stdout).toMatch(/switching capture on.*SHARE ROW EXCLUSIVE/);
  expect(ledger.stdout).toMatch(/the swap.* ACCESS EXCLUSIVE/);
  expect(app.errors).toEqual([]);
  expect((await db.query('select n from t where id = 1')).rows).toEqual([{ n: app.writes }]);
});

describe.concurrent('a lock that only the statement itself knows of', () => {
  // Dropping the foreign key locks the table that it references.
  const drop = { table: 't', alter: ['DROP COLUMN parent_id'] };
  const settings = { lockTimeoutMs: 100, cutoverDeadlineMs: 2_500 };

  test('who holds it is named', async () => {
    await using db = await createDatabase(setup);
    await using app = await Application.start(db);
    const blocker = await read.block(db, 'parent');
    const error = await failure(runChange(db, drop, { settings }));
    expect(error).toMatchObject({ code: 'lock-not-obtained', exitCode: 1 });
    expect((error['details'] as { blockers: unknown[] }).blockers).toEqual(
      expect.arrayContaining([expect.objectContaining({ pid: blocker.pid, lockModes: ['ACCESS SHARE'] })]),
    );
    expect(app.longestMs).toBeLessThan(tolerableMs);
  });

  test('who holds it is ended, when asked for', async () => {
    await using db = await createDatabase(setup);
    const blocker = await read.block(db, 'parent');
    const { events } = await runChange(db, drop, {
      settings: { ...settings, cutoverDeadlineMs: 20_000, killBlockersAfterMs: 300 },
    });
    expect(told(events)).toMatchObject([{ pid: blocker.pid, how: 'terminated' }]);
  });
});

// One after the other: a crowd needs the machine for itself.
describe('many wait behind us within milliseconds: a try is cut short by what that costs them', () => {
  const readers = 50;

  test('the swap: as dear as the option says', async () => {
    await using db = await createDatabase(setup);
    await using app = await Application.crowd(db, readers);
    const blockers: Blocker[] = [];
    const misses: string[] = [];
    const swapping = places.swap.command(db, {
      block: async () => void blockers.push(await read.block(db, 't')),
      settings: { lockTimeoutMs: 1_000, harmPerTryMs: 100 },
      onEvent: (event) => {
        if (event.event === 'cutover:missed') misses.push(event.why);
      },
    });
    const dear = (): number => misses.filter((why) => why === 'harm').length;
    await Promise.race([until(() => dear() >= 4, { what: 'four tries that were too dear' }), swapping]);
    await blockers[0]?.release();
    await swapping;
    await expectCutShort(db, 'the swap');
    expect(app.errors).toEqual([]);
  });

  test('abort: as dear as the default', async () => {
    await using db = await createDatabase(setup);
    await abortPlace.reach?.(db);
    await using app = await Application.crowd(db, readers);
    const blocker = await read.block(db, 't');
    const aborting = abortPlace.command(db, { block: () => Promise.resolve() });
    await triesOf(db, abortPlace.application, 6);
    // A transaction that grew old would only be looked at, and no try made.
    const another = await read.block(db, 't');
    await blocker.release();
    // The ninth may wait for 105 ms, and all of them together for 20.
    await triesOf(db, abortPlace.application, 4);
    await another.release();
    await aborting;
    await expectCutShort(db, abortPlace.what);
    expect(app.errors).toEqual([]);
  });

  /** A wait that nobody ends lasts as long as the ladder says. */
  async function expectCutShort(db: TestDatabase, what: string): Promise<void> {
    const locks = (await statusOf(db))?.locks.filter((each) => each.what === what) ?? [];
    const cut = locks.filter(
      ({ outcome, attempt, waitedMs }) =>
        outcome === 'missed' && waitedMs < (lockTry(attempt, 1_000).lockTimeoutMs ?? 0),
    );
    expect(cut.length).toBeGreaterThan(0);
    expect(Math.max(...cut.map(({ blocked }) => blocked))).toBeGreaterThan(readers / 5);
  }
});
