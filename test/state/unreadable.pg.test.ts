/** What somebody has written into the state: a clear error, for whoever needs it, and for nobody else. */
import { expect, test } from 'vitest';
import { abort, pause, status } from '../../src/index.js';
import { createDatabase, until } from '../support/database.js';
import { failure, runChange, stopAfterCopy } from '../support/migration.js';

const setup = `create table t (id int primary key, v text); insert into t select i, 'v' || i from generate_series(1, 500) as i`;
const change = { table: 't', alter: ['ALTER COLUMN id TYPE bigint'] };

test('status names what it cannot read; abort needs none of it', async () => {
  await using db = await createDatabase(setup);
  const options = { connection: { url: db.url } };
  await stopAfterCopy(db, change);
  const faults: readonly (readonly [string, string, string])[] = [
    ['migrations', 'request', `request || '{"backwards": true}'`],
    ['migrations', 'error', `'"no"'`],
    ['tables', 'verification', `'{"mode": "by hand"}'`],
    ['locks', 'entry', `entry - 'mode'`],
    ['progress', 'body', `body || '{"phases": 3}'`],
  ];
  for (const [table, column, value] of faults) {
    const { rows } = await db.query<{ was: string }>(`select ${column}::text as was from ghost.${table}`);
    await db.query(`update ghost.${table} set ${column} = ${value}`);
    expect(await failure(status(options)), column).toMatchObject({ code: 'state-unreadable' });
    if (table === 'migrations' || table === 'tables')
      await db.query(`update ghost.${table} set ${column} = $1`, [rows[0]?.was ?? null]);
    else await db.query(`delete from ghost.${table}`);
  }
  expect(await status(options)).toMatchObject([{ id: 1, error: { code: 'interrupted' } }]);
  await db.query(`update ghost.migrations set request = '3', error = '3'`);
  await abort(options, 1);
  expect((await db.query('select phase from ghost.migrations')).rows).toEqual([{ phase: 'aborted' }]);
});

test('a command that nobody of ours has written is answered, and the next one is too', async () => {
  await using db = await createDatabase(setup);
  const options = { connection: { url: db.url } };
  let isWaiting = false;
  const ended = runChange(db, change, {
    settings: { postponeCutover: true },
    onEvent: ({ event }) => {
      isWaiting ||= event === 'cutover:postponed';
    },
  });
  await until(() => isWaiting, { what: 'the wait' });
  await db.query(`insert into ghost.commands (migration_id, name, arguments) values (1, 'cutover', '[1]')`);
  await pause(options, 1);
  expect((await db.query(`select name, answer from ghost.commands order by id`)).rows).toEqual([
    { name: 'cutover', answer: { ok: false, said: 'this run cannot read the arguments of "cutover"' } },
    { name: 'pause', answer: expect.objectContaining({ ok: true }) as unknown },
  ]);
  await abort(options, 1);
  await failure(ended);
});
