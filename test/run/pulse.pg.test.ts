/** The run's sign of life and its ear: an answer is what `status` says, and no error of the server ends either. */
import { named } from '../../src/advice.js';
import { expect, inject, test } from 'vitest';
import {
  abort,
  cutover,
  pause,
  set,
  status,
  unpause,
  type MigrationEvent,
  type MigrationStatus,
} from '../../src/index.js';
import type { EmbeddedMajor } from '../../src/lab/embedded-binaries.js';
import { startEmbeddedServer } from '../../src/lab/embedded-server.js';
import { createDatabase, type TestDatabase, until } from '../support/database.js';
import { OwnDatabase } from '../crash/own-database.js';
import { failure, runChange } from '../support/migration.js';

const setup = `create table t (id int primary key, v text); insert into t select i, 'v' || i from generate_series(1, 500) as i`;
const change = { table: 't', alter: ['ALTER COLUMN id TYPE bigint'] };

async function look(db: Pick<TestDatabase, 'url'>): Promise<MigrationStatus> {
  const [found] = await status({ connection: { url: db.url } }, 1);
  if (found === undefined) throw new Error('there is no migration');
  return found;
}

/** A run that keeps its new table in sync until it is asked for the swap. */
async function postponed(
  db: Pick<TestDatabase, 'url'>,
): Promise<{ readonly events: MigrationEvent[]; readonly ended: Promise<unknown> }> {
  const events: MigrationEvent[] = [];
  const ended = runChange(db, change, {
    settings: { postponeCutover: true },
    onEvent: (event) => events.push(event),
  });
  ended.catch(() => {});
  await until(() => events.some(({ event }) => event === 'cutover:postponed'), { what: 'the wait' });
  return { events, ended };
}

test('what was answered is what status says, at once and each time', async () => {
  await using db = await createDatabase(setup);
  const options = { connection: { url: db.url } };
  const run = await postponed(db);
  for (let time = 1; time <= 3; time += 1) {
    await pause(options, 1);
    expect(await look(db)).toMatchObject({ paused: true, throttledBy: 'paused by request' });
    // Twice is no more than once.
    await pause(options, 1);
    expect(await look(db)).toMatchObject({ paused: true });
    await unpause(options, 1);
    expect(await look(db)).toMatchObject({ paused: false, throttledBy: null });
    await set(options, 1, { workers: String(time), 'max-lag': String(time * 1000), 'max-active': 'off' });
    expect((await look(db)).settings).toMatchObject({
      workers: time,
      'max-lag': time * 1000,
      'max-active': null,
      'lock-timeout': 1000,
    });
  }
  expect(await failure(set(options, 1, { 'throttle-query': 'delete from t' }))).toMatchObject({
    code: 'bad-setting',
    exitCode: 2,
  });
  await pause(options, 1);
  expect((await cutover(options, 1)).said).toEqual({
    say: expect.arrayContaining([named('unpause')]) as unknown,
  });
  expect(await look(db)).toMatchObject({ phase: 'cutover', paused: true });
  await unpause(options, 1);
  await run.ended;
  expect(await look(db)).toMatchObject({ phase: 'swapped', paused: false, settings: null });
});

test('a pause that comes in the middle of a try is answered when that is over, with the truth', async () => {
  await using db = await createDatabase(setup);
  const options = { connection: { url: db.url } };
  let pausing = null as Promise<unknown> | null;
  await runChange(db, change, {
    onPoint: async (point) => {
      if (point !== 'cutover-locked' || pausing !== null) return;
      pausing = failure(pause(options, 1));
      await until(
        async () => (await db.query('select from ghost.commands where answer is null')).rowCount === 1,
        { what: 'the command' },
      );
    },
    settings: { maxHoldMs: 20_000 },
  });
  expect(await pausing).toMatchObject({ code: expect.stringMatching(/^(not-done|no-answer)$/) as string });
  expect(await look(db)).toMatchObject({ phase: 'swapped', paused: false });
});

/** What the server may refuse, in each part of a beat, and how it is taken back. */
const faults: readonly (readonly [string, string, string])[] = [
  [
    'say in the state where it stands',
    'alter table ghost.progress add constraint no check (false) not valid',
    'alter table ghost.progress drop constraint no',
  ],
  [
    'read or answer commands',
    'alter table ghost.commands rename to commands_away',
    'alter table ghost.commands_away rename to commands',
  ],
];

test('an error of the server is a warning, and the next beat comes', async () => {
  await using db = await createDatabase(setup);
  const options = { connection: { url: db.url } };
  const run = await postponed(db);
  const warnings = (): string[] =>
    run.events.flatMap((event) => (event.event === 'warning' ? [`${event.code}: ${event.message}`] : []));
  const beat = async (): Promise<string> =>
    (await db.query<{ at: string }>('select at::text from ghost.progress')).rows[0]?.at ?? '';
  const beats = async (): Promise<void> => {
    const before = await beat();
    await until(async () => (await beat()) !== before, { what: 'a sign of life' });
  };
  for (const [what, fault, repair] of faults) {
    const told = warnings().length;
    await db.query(fault);
    await until(() => warnings().length > told, { what: `a warning: ${what}` });
    expect(warnings().at(-1)).toContain(`pulse-failed: the run could not ${what}: `);
    await db.query(repair);
    await beats();
    expect(warnings()).toHaveLength(told + 1);
  }
  // What a rehearsal's locks have cost is kept, as soon as it can be.
  const entries = async (): Promise<number | null> => (await db.query('select from ghost.locks')).rowCount;
  await db.query('alter table ghost.locks add constraint no check (false) not valid');
  const before = await entries();
  await cutover(options, 1, { rehearse: true });
  await until(() => warnings().at(-1)?.includes('the run could not keep its locks in the state: ') === true, {
    what: 'a warning of the ledger',
  });
  await db.query('alter table ghost.locks drop constraint no');
  await until(async () => (await entries()) !== before, { what: 'the entries' });
  // So is what it has done: an event that could not be written is written later, once.
  const events = async (): Promise<string[]> =>
    (await db.query<{ event: string }>('select event from ghost.events order by id')).rows.map(
      ({ event }) => event,
    );
  const known = await events();
  await db.query('alter table ghost.events add constraint no check (false) not valid');
  await db.query('alter table ghost.commands rename to commands_away');
  await until(() => warnings().at(-1)?.includes('the run could not keep what it has done') === true, {
    what: 'a warning of the events',
  });
  await db.query('alter table ghost.commands_away rename to commands');
  await beats();
  expect(await events()).toEqual(known);
  await db.query('alter table ghost.events drop constraint no');
  await until(async () => (await events()).length > known.length, { what: 'the events' });
  expect(await events()).toEqual([...known, 'warning', 'warning']);
  // Somebody cancels the statement, with a lock on the state that makes it wait.
  const told = warnings().length;
  const locker = await db.connect();
  await locker.query('begin; lock ghost.progress');
  await until(
    async () =>
      (
        await db.query(
          `select pg_cancel_backend(pid) from pg_stat_activity
           where datname = current_database() and application_name = 'pg-ghost 1 pulse' and wait_event_type = 'Lock'`,
        )
      ).rowCount === 1,
    { what: 'a beat that waits' },
  );
  await until(() => warnings().length > told, { what: 'a warning of the cancelled beat' });
  await locker.query('rollback');
  await beats();
  // What nobody of ours has written is answered, and keeps nobody else from an answer.
  await db.query(
    `insert into ghost.commands (migration_id, name, arguments) values (1, 'dance', '{}'), (1, 'set', '{"workers": "many"}')`,
  );
  await pause(options, 1);
  expect((await db.query(`select name, answer ->> 'ok' as ok from ghost.commands order by id`)).rows).toEqual(
    [
      { name: 'rehearse', ok: 'true' },
      { name: 'dance', ok: 'false' },
      { name: 'set', ok: 'false' },
      { name: 'pause', ok: 'true' },
    ],
  );
  expect(await look(db)).toMatchObject({ paused: true });
  await abort(options, 1);
  await failure(run.ended);
});

test('without its session alone the run connects again, and goes on with what it was asked for', async () => {
  await using db = await createDatabase(setup);
  const options = { connection: { url: db.url } };
  const run = await postponed(db);
  await pause(options, 1);
  await db.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where datname = current_database() and application_name = 'pg-ghost 1 pulse'`,
  );
  await until(() => run.events.some(({ event }) => event === 'run:resumed'), { what: 'another connection' });
  expect(run.events.filter(({ event }) => event === 'warning')).toEqual([]);
  await until(async () => (await look(db)).paused, { what: 'a word of the run that it is paused' });
  await unpause(options, 1);
  await cutover(options, 1);
  await run.ended;
});

test('a synchronous standby that is gone holds up every commit of the application, and not the sign of life', async () => {
  await using server = await startEmbeddedServer({ major: inject('serverMajor') as EmbeddedMajor });
  await using db = await OwnDatabase.create(server, 'synchronous');
  await db.run(setup);
  const run = await postponed(db);
  await db.run(`alter system set synchronous_standby_names = 'nobody'`);
  await db.run('select pg_reload_conf()');
  const client = await db.connect();
  await client.query(`set application_name = 'the application'`);
  const writing = client.query(`update t set v = 'later' where id = 1`);
  await until(
    async () =>
      (
        await db.run(
          `select from pg_stat_activity where wait_event = 'SyncRep' and application_name = 'the application'`,
        )
      ).rowCount === 1,
    { what: 'a commit that waits' },
  );
  const beat = async (): Promise<unknown> => (await db.run('select at::text from ghost.progress')).rows[0];
  for (let time = 1; time <= 2; time += 1) {
    const before = await beat();
    await until(async () => JSON.stringify(await beat()) !== JSON.stringify(before), {
      what: 'a sign of life',
    });
  }
  await db.run('alter system reset synchronous_standby_names');
  await db.run('select pg_reload_conf()');
  await writing;
  await cutover({ connection: { url: db.url } }, 1);
  await run.ended;
  expect(await look(db)).toMatchObject({ phase: 'swapped' });
});
