/**
 * The promise for the commands that end a migration, and for a native change: wherever the connection is lost, also when the
 * answer to the last commit is, `status` works and the same command does the rest.
 */
import { expect, test } from 'vitest';
import { abort, finalize, status } from '../../src/index.js';
import { commandPoints, type CommandPoint, type Point } from '../../src/run/points.js';
import { createDatabase, type TestDatabase, until } from '../support/database.js';
import {
  captureUnderTest,
  failure,
  runChange,
  stopAfterCopy,
  type ChangeInput,
} from '../support/migration.js';
import { Proxy } from './proxy.js';
import { leftovers } from './shop.js';

const setup = `
  create table orders (id int primary key, note text);
  insert into orders select n, 'note' from generate_series(1, 300) as n;`;
const change: ChangeInput = { table: 'orders', alter: ['alter column id type bigint'] };

type Phases = (string | undefined)[];

async function phase(db: TestDatabase): Promise<string | undefined> {
  return (await status({ connection: { url: db.url } }))[0]?.phase;
}

/** Gives a command again and again, with the connections cut at each of the points in turn; returns the phases in between. */
async function cutAt(
  proxy: Proxy,
  db: TestDatabase,
  points: readonly CommandPoint[],
  command: (onPoint: (point: Point) => void) => Promise<unknown>,
): Promise<Phases> {
  const phases: Phases = [];
  for (const point of points) {
    let reached = false;
    const ended = command((each) => {
      if (each !== point) return;
      reached = true;
      proxy.cutAll();
    });
    // After the last commit there is nothing to lose any more.
    const isOver = point === 'aborted' || point === 'finalized';
    if (isOver) await ended;
    else expect(await failure(ended), point).toMatchObject({ code: 'connection-lost', exitCode: 1 });
    expect(reached, point).toBe(true);
    await until(() => nobodyElse(db), { what: 'its backends to be gone' });
    phases.push(await phase(db));
  }
  return phases;
}

async function nobodyElse(db: TestDatabase): Promise<boolean> {
  const { rows } = await db.query(
    `select from pg_stat_activity where datname = current_database() and application_name like 'pg-ghost%'`,
  );
  return rows.length === 0;
}

/** The server does it, and nobody is told. */
function loseAnswerOf(proxy: Proxy, db: TestDatabase, phaseText: string): void {
  let isNext = false;
  proxy.onMessage = async (message, link) => {
    if (message.text.includes('update ghost.migrations') || message.text.includes(phaseText)) isNext = true;
    if (!isNext || message.type !== 'Q' || !/^commit;?\s*$/.test(message.text)) return;
    proxy.onMessage = () => {};
    link.silence();
    await link.forward(message);
    await until(async () => (await phase(db)) === phaseText, { what: 'the commit' });
    link.cut();
  };
}

test('abort', async () => {
  await using db = await createDatabase(setup);
  await using proxy = await Proxy.open(db.url);
  const through = { connection: { url: proxy.url } };
  await stopAfterCopy(db, change);
  const points = ['abort-claimed', 'capture-off', 'abort-uncommitted'] as const;
  expect(
    await cutAt(proxy, db, points, async (onPoint) => {
      await abort({ ...through, onPoint }, 1);
    }),
  ).toEqual(['purge', 'purge', 'purge']);
  // Between its two steps: capture is off, so the run must not go on.
  expect(await failure(runChange(db, change))).toMatchObject({
    code: captureUnderTest === 'triggers' ? 'capture-interrupted' : 'slot-lost',
  });

  loseAnswerOf(proxy, db, 'aborted');
  expect(await failure(abort(through, 1))).toMatchObject({ code: 'connection-lost' });
  expect(await phase(db)).toBe('aborted');
  expect(await failure(abort(through, 1))).toMatchObject({ reasons: [{ code: 'already-ended' }] });
  expect(await leftovers(await db.connect())).toEqual([]);
  expect((await runChange(db, change)).result).toMatchObject({ id: 2 });
});

test('finalize', async () => {
  await using db = await createDatabase(setup);
  await using proxy = await Proxy.open(db.url);
  const through = { connection: { url: proxy.url } };
  await runChange(db, change);
  const points = ['finalize-completed', 'window-closed', 'finalize-uncommitted'] as const;
  expect(
    await cutAt(proxy, db, points, async (onPoint) => {
      await finalize({ ...through, onPoint }, 1);
    }),
  ).toEqual(['swapped', 'swapped', 'swapped']);
  expect((await runChange(db, change)).result).toMatchObject({ id: 1, old: 'ghost_old_1.orders' });
  loseAnswerOf(proxy, db, 'finalized');
  expect(await failure(finalize(through, 1))).toMatchObject({ code: 'connection-lost' });
  expect(await failure(finalize(through, 1))).toMatchObject({ reasons: [{ code: 'already-ended' }] });
  expect(await leftovers(await db.connect())).toEqual([]);
});

async function extras(db: TestDatabase): Promise<number> {
  const { rows } = await db.query(
    `select from pg_attribute where attrelid = 'orders'::regclass and attname = 'extra'`,
  );
  return rows.length;
}

test('a native change', async () => {
  await using db = await createDatabase(setup);
  await using proxy = await Proxy.open(db.url);
  const native: ChangeInput = { table: 'orders', alter: ['add column extra int'] };
  const [locked] = await cutAt(proxy, db, ['native-locked'], async (onPoint) => {
    await runChange(db, native, { url: proxy.url, onPoint });
  });
  expect(locked).toBeUndefined();
  // The server has done it, and is asked.
  proxy.onMessage = async (message, link) => {
    if (!/add column extra[^]*commit;?\s*$/.test(message.text)) return;
    proxy.onMessage = () => {};
    await link.swallow(message);
    await until(async () => (await extras(db)) === 1, { what: 'the commit' });
    link.cut();
  };
  expect((await runChange(db, native, { url: proxy.url })).result).toMatchObject({ native: true });
  await db.query('alter table orders drop column extra');
  const reached: Point[] = [];
  await runChange(db, native, { onPoint: (point) => void reached.push(point) });
  expect(reached).toEqual(['native-locked', 'native-done']);
  expect((await db.query('select count(extra) from orders')).rows).toEqual([{ count: '0' }]);
});

test('each point is one that a test above cuts at, or comes after the last commit', () => {
  expect(commandPoints).toEqual([
    'abort-claimed',
    'capture-off',
    'abort-uncommitted',
    'aborted',
    'finalize-completed',
    'window-closed',
    'finalize-uncommitted',
    'finalized',
    'native-locked',
    'native-done',
  ]);
});
