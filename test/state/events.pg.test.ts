/** What is kept of what was done: in its order, by the server's clock, small, and gone with the migration. */
import { expect, test } from 'vitest';
import { Session } from '../../src/db/session.js';
import { appendEvents, bounded, readEvents } from '../../src/state/events.js';
import { ensureState } from '../../src/state/schema.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { recorded } from '../support/recorded.js';

const secondsAgo = (seconds: number): Date => new Date(Date.now() - seconds * 1000);

async function withMigration(db: TestDatabase): Promise<Session> {
  const session = await Session.open({ connection: { url: db.url } });
  await ensureState(session);
  await session.batch(recorded(7));
  return session;
}

test('they are read as they were appended, with the time of each by the clock of the server', async () => {
  await using db = await createDatabase();
  await using session = await withMigration(db);
  await appendEvents(session, 7, []);
  await appendEvents(session, 7, [
    { at: secondsAgo(3600), event: 'phase:done', body: { phase: 'copy', seconds: 1.5 } },
    { at: secondsAgo(0), event: 'phase:done', body: { phase: 'purge', seconds: 0 } },
  ]);
  // A clock that runs ahead makes no event of the future.
  await appendEvents(session, 7, [{ at: secondsAgo(-3600), event: 'warning', body: { code: 'c' } }]);
  const events = await readEvents(session, 7);
  expect(events.map(({ event, body }) => [event, body])).toEqual([
    ['phase:done', { phase: 'copy', seconds: 1.5 }],
    ['phase:done', { phase: 'purge', seconds: 0 }],
    ['warning', { code: 'c' }],
  ]);
  const { now } = await session.row<{ now: number }>(
    'select extract(epoch from clock_timestamp())::float8 as now',
  );
  const ages = events.map(({ at }) => now - new Date(at).getTime() / 1000);
  expect(Math.abs((ages[0] ?? 0) - 3600)).toBeLessThan(60);
  expect(ages.slice(1).every((age) => age >= -0.001 && age < 60)).toBe(true);
  expect(await readEvents(session, 8)).toEqual([]);
  expect(await readEvents(session, 7, 3)).toEqual([]);
  await session.batch(['delete from ghost.migrations where id = 7']);
  expect((await db.query('select from ghost.events')).rowCount).toBe(0);
});

test('none is long, whatever it is about', async () => {
  await using db = await createDatabase();
  await using session = await withMigration(db);
  // Two units each: half of one is no text for PostgreSQL.
  const long = '\u{1F47B}'.repeat(100_000);
  const body = {
    message: `a${long}`,
    changes: Array.from({ length: 1000 }, () => long),
    blockers: [{ user: long, in: { a: { b: { c: { d: long } } } } }],
    seconds: 1,
    why: null,
  };
  await appendEvents(session, 7, [{ at: new Date(), event: 'warning', body }]);
  const [event] = await readEvents(session, 7);
  expect(event?.body).toEqual(bounded(body));
  expect(event?.body).toMatchObject({ seconds: 1, why: null, changes: { length: 21 } });
  const { rows } = await db.query<{ size: number }>(
    'select max(length(body::text)) as size from ghost.events',
  );
  expect(rows[0]?.size).toBeLessThan(15_000);
});
