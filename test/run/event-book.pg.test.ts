/** What is left of a migration in ghost.events, for whoever asks later what was done. */
import { expect, test } from 'vitest';
import { abort, finalize } from '../../src/index.js';
import { Session } from '../../src/db/session.js';
import { EventBook } from '../../src/run/event-book.js';
import { readEvents, type StoredEvent } from '../../src/state/events.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { runChange, stopAfterCopy, stopAtPoint } from '../support/migration.js';

const setup = `
  create table t (id int primary key, v text);
  create index t_v on t (v);
  insert into t select i, 'secret ' || i from generate_series(1, 500) as i`;
const change = { table: 't', alter: ['ALTER COLUMN id TYPE bigint'] };

async function stored(db: TestDatabase, id = 1): Promise<StoredEvent[]> {
  await using session = await Session.open({ connection: { url: db.url } });
  return await readEvents(session, id);
}

test('a run that was stopped, continued and finalized has all of it on record, and no row', async () => {
  await using db = await createDatabase(setup);
  await stopAtPoint(db, change, 'purged');
  await runChange(db, change);
  await finalize({ connection: { url: db.url } }, 1);
  const events = await stored(db);
  expect(events.map(({ event, body }) => [event, body['phase'] ?? body['code'] ?? null])).toEqual([
    ['migration:started', 'prepare'],
    ['phase:done', 'prepare'],
    ['phase:done', 'copy'],
    ['purge:done', null],
    // What it was at came to its end.
    ['phase:done', 'purge'],
    ['run:failed', 'interrupted'],
    ['migration:started', 'purge'],
    ['purge:done', null],
    ['phase:done', 'purge'],
    ['index:done', null],
    ['index:done', null],
    ['phase:done', 'index'],
    ['phase:done', 'catch-up'],
    ['phase:done', 'settle'],
    ['verify:done', null],
    ['phase:done', 'verify'],
    ['cutover:done', null],
    ['phase:done', 'cutover'],
    ['phase:done', 'validate'],
    ['migration:finalized', null],
  ]);
  const indexes = events.flatMap(({ event, body }) =>
    event === 'index:done' ? [String(body['index'])] : [],
  );
  expect(indexes.toSorted()).toEqual(['t_pkey', 't_v']);
  expect(events.find(({ event }) => event === 'verify:done')?.body).toMatchObject({
    rows: 500,
    differences: 0,
  });
  expect(events.at(-1)?.body).toEqual({ old: ['ghost_old_1.t'], kept: [] });
  expect(JSON.stringify(events)).not.toContain('secret');
  // One time for all: each is not before the one before it.
  const times = events.map(({ at }) => at);
  expect(times).toEqual(times.toSorted());
});

test('an abort is the last of them', async () => {
  await using db = await createDatabase(setup);
  await stopAfterCopy(db, change);
  await abort({ connection: { url: db.url } }, 1);
  expect((await stored(db)).at(-1)).toMatchObject({ event: 'migration:aborted', body: {} });
});

test('what comes over and over again is kept a few times in a run', async () => {
  await using db = await createDatabase(setup);
  await runChange(db, change);
  const before = (await stored(db)).length;
  const book = new EventBook();
  for (let attempt = 1; attempt <= 10_000; attempt += 1) {
    const missed = {
      attempt,
      waitedMs: 1,
      why: 'lock',
      reason: null,
      tried: true,
      blockers: [],
      nextTryMs: 1,
    } as const;
    book.note('cutover:missed', missed);
    book.note('throttle', { kind: 'pause', reasons: [] });
    book.note('warning', { code: 'c', message: 'm' });
  }
  await using session = await Session.open({ connection: { url: db.url } });
  await book.save(session, 1);
  const added = (await stored(db)).slice(before);
  const count = (name: string): number => added.filter(({ event }) => event === name).length;
  expect([count('cutover:missed'), count('warning'), added.length]).toEqual([20, 100, 120]);
});
