/** A run that has lost its connection: where it goes on, for how long it tries, and where it must not. */
import { createServer } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Session } from '../../src/db/session.js';
import { RefusedError } from '../../src/errors.js';
import type { Emit } from '../../src/model/event.js';
import { claimRun } from '../../src/run/claim.js';
import { reconnect, type Reconnection } from '../../src/run/reconnect.js';
import { currentRun, joinRun, runPids, TakenOver } from '../../src/state/fence.js';
import { ensureState } from '../../src/state/schema.js';
import { readServerIdentity, type ServerIdentity } from '../../src/state/server-identity.js';
import { createDatabase, type TestDatabase, until } from '../support/database.js';
import { recorded } from '../support/recorded.js';
import { failure } from '../support/migration.js';

let db: TestDatabase;
let look: Session;
let server: ServerIdentity;
beforeAll(async () => {
  db = await createDatabase();
  look = await open();
  server = await readServerIdentity(look);
  await ensureState(look);
});
afterAll(async () => {
  await look.close();
  await db[Symbol.asyncDispose]();
});

const open = (): Promise<Session> => Session.open({ own: true, connection: { url: db.url } });

/** A migration whose runner was this process, and its control session, which the server still knows. */
async function begun(id: number, phase = 'index'): Promise<Session> {
  await look.batch(recorded(id, phase));
  const control = await open();
  await joinRun(
    control,
    id,
    await claimRun({ session: control, id, owner: 'us', mayEnd: () => false, server }),
  );
  return control;
}

interface Told {
  readonly events: unknown[];
  readonly work: Reconnection;
}

function reconnection(id: number, more: Partial<Reconnection> = {}): Told {
  const events: unknown[] = [];
  const emit: Emit = (event, payload) => events.push({ event, ...payload });
  return {
    events,
    work: {
      options: { connection: { url: db.url } },
      id,
      owner: 'us',
      server,
      formerPids: new Set(),
      forMs: 30_000,
      emit,
      signal: new AbortController().signal,
      ...more,
    },
  };
}

const lost = new Error('terminating connection');

test('it is the runner again, under the next number, and knows from the state where it stands', async () => {
  const former = await begun(1);
  const { events, work } = reconnection(1, { formerPids: new Set([former.pid]) });
  const again = await reconnect(work, lost);
  expect(again).toMatchObject({ runNo: 2, record: { id: 1, phase: 'index', server } });
  expect(await runPids(look, 1)).toMatchObject({ runner: again?.control.pid });
  // The server had not noticed that it was gone.
  await until(() => former.lost.aborted, { what: 'the end of the former session' });
  expect(events).toEqual([
    { event: 'run:retrying', message: 'terminating connection', forSeconds: 30 },
    { event: 'run:resumed', attempts: 1, seconds: expect.any(Number) as number, phase: 'index' },
  ]);
  await Promise.all([again?.control.close(), former.close()]);
});

test('somebody else has taken it over, or removed it: it stops, and leaves them alone', async () => {
  const former = await begun(2);
  await using other = await open();
  await joinRun(other, 2, await claimRun({ session: other, id: 2, owner: 'them', mayEnd: () => true }));
  const { events, work } = reconnection(2, { formerPids: new Set([former.pid]) });
  expect(await failure(reconnect(work, lost))).toBeInstanceOf(TakenOver);
  expect(events).toMatchObject([{ event: 'run:retrying' }]);
  expect(other.lost.aborted).toBe(false);
  expect(await currentRun(look, 2)).toEqual({ runNo: 2, owner: 'them' });
  await other.close();
  await look.batch(['delete from ghost.migrations where id = 2']);
  expect(await failure(reconnect(work, lost))).toBeInstanceOf(TakenOver);
  // Nothing of ours is left behind, though it had connected.
  await until(async () => (await runPids(look, 2)).all.length === 0, { what: 'the end of its session' });
  await former.close();
});

test.each([
  [
    'another system identifier',
    (known: ServerIdentity) => ({ ...known, systemIdentifier: '1' }),
    'its system identifier is',
  ],
  [
    'another timeline',
    (known: ServerIdentity) => ({ ...known, timeline: known.timeline + 1 }),
    'a standby was promoted',
  ],
])('%s: what was written last may be missing there, so it does not go on', async (_, known, said) => {
  const id = said.length;
  const former = await begun(id);
  const error = await failure(
    reconnect(reconnection(id, { server: known(server), formerPids: new Set([former.pid]) }).work, lost),
  );
  expect(error).toBeInstanceOf(RefusedError);
  expect(error).toMatchObject({ code: 'another-server', message: expect.stringContaining(said) as string });
  // It was not claimed there.
  expect(await currentRun(look, id)).toEqual({ runNo: 1, owner: 'us' });
  await former.close();
});

test('it tries for as long as it is told, or until it is asked to stop; 0 is not at all', async () => {
  // A server that hangs up at once, and counts.
  let calls = 0;
  const dead = createServer((socket) => {
    calls += 1;
    socket.destroy();
  });
  await new Promise<void>((resolve) => dead.listen(0, '127.0.0.1', resolve));
  const { port } = dead.address() as { port: number };
  const options = { connection: { url: `postgres://nobody@127.0.0.1:${port}/nothing?sslmode=disable` } };
  try {
    const none = reconnection(3, { options, forMs: 0 });
    expect(await reconnect(none.work, lost)).toBeNull();
    expect([calls, none.events.length]).toEqual([0, 1]);

    const { events, work } = reconnection(3, { options, forMs: 700 });
    expect(await reconnect(work, lost)).toBeNull();
    // The pauses grow: two within that time, and the last one may begin right before its end.
    expect(calls).toBeGreaterThanOrEqual(2);
    expect(calls).toBeLessThanOrEqual(4);
    expect(events).toMatchObject([{ event: 'run:retrying', forSeconds: 0.7 }]);

    const stop = new AbortController();
    const stopped = failure(reconnect(reconnection(3, { options, signal: stop.signal }).work, lost));
    const before = calls;
    await until(() => calls > before, { what: 'a try' });
    stop.abort(new Error('stopped as asked'));
    expect(await stopped).toMatchObject({ message: 'stopped as asked' });
  } finally {
    await new Promise((resolve) => dead.close(resolve));
  }
});
