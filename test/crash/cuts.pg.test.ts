/**
 * The promise of commit.pg.test.ts, for every other message: wherever connections are cut, the run goes on by itself, and the
 * end is what it always is (invariants 7, 8, 11). First at random, before the server has a message or before its answer is
 * back, one connection or all, again and again; then at each statement of the way back.
 *
 * PG_GHOST_RUNS: how many (4). PG_GHOST_SEED: of the first; a failure names its own.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Random } from '../../src/lab/random.js';
import { runChange } from '../support/migration.js';
import { type Link, Proxy } from './proxy.js';
import { change, expectSwapped, settings, Shop, Writer } from './shop.js';

const runs = Number(process.env['PG_GHOST_RUNS'] ?? 4);
const firstSeed = Number(process.env['PG_GHOST_SEED'] ?? 90_001);
const maxCuts = 5;
/** A run sends so many messages and more. */
const messages = 300;

let shop: Shop;
beforeAll(async () => {
  shop = await Shop.open();
});
afterAll(async () => {
  await shop?.[Symbol.asyncDispose]();
});

describe('cut at random', { timeout: 120_000 }, () => {
  for (let seed = firstSeed; seed < firstSeed + runs; seed += 1) {
    test(`seed ${seed}`, async ({ onTestFailed }) => {
      await using db = await shop.database();
      await using proxy = await Proxy.open(db.url);
      await using writer = new Writer(db, seed);
      const random = new Random(seed);
      const story: string[] = [];
      onTestFailed(() => console.error(`PG_GHOST_SEED=${seed} PG_GHOST_RUNS=1: ${story.join('; ')}`));
      let begun: boolean = false;
      let point = '';
      let seen = 0;
      let next = Math.floor(random.next() * messages);
      proxy.onMessage = async (message, link) => {
        // Whoever cannot even begin is told so, and nothing else happens.
        if (!begun || story.length >= maxCuts || (seen += 1) < next) return;
        seen = 0;
        next = Math.floor(random.next() * messages);
        const after = random.next() < 0.5;
        const all = random.next() < 0.5;
        story.push(
          `${all ? 'all' : 'one'} ${after ? 'after' : 'before'} ${message.type} ${point}: ${message.text.slice(0, 60).replaceAll(/\s+/g, ' ')}`,
        );
        if (after) {
          link.silence();
          await link.forward(message);
        }
        link.cut();
        if (all) proxy.cutAll();
      };

      const { result, events } = await runChange(db, change, {
        url: proxy.url,
        settings,
        onPoint: (reached) => {
          point = reached;
          begun ||= reached === 'claimed';
        },
      });

      expectSwapped(result);
      expect(story.length).toBeGreaterThan(0);
      expect(events.some(({ event }) => event === 'run:retrying')).toBe(true);
      await writer.writes(20);
      await writer.stop();
      await shop.expectMigrated(db);
    });
  }
});

/** The answer to the number of the new run may be lost: it must not take its own number for somebody else's. */
test('cut again at each statement of the reconnection, which is done, and whose answer is lost', async () => {
  await using db = await shop.database();
  await using proxy = await Proxy.open(db.url);
  const story: string[] = [];
  let state: 'waiting' | 'awaited' | 'watched' | 'over' = 'waiting';
  let watched: Link | null = null;
  let statements = 0;
  proxy.onMessage = async (message, link) => {
    if (state === 'awaited' && message.type === 'startup' && message.text.includes('pg-ghost 1 control')) {
      [state, watched, statements] = ['watched', link, 0];
    }
    if (state !== 'watched' || link !== watched) return;
    // A simple query, or the end of one with parameters.
    if (message.type !== 'Q' && message.type !== 'S') return;
    statements += 1;
    if (statements <= story.length) return;
    story.push(message.text);
    state = 'waiting';
    await link.swallow(message);
    link.cut();
  };

  const { result, events } = await runChange(db, change, {
    url: proxy.url,
    settings,
    onPoint: (point) => {
      if (point !== 'claimed') return;
      // Nothing was left to cut.
      if (state === 'watched') state = 'over';
      if (state === 'over') return;
      state = 'awaited';
      proxy.cutAll();
    },
  });

  expectSwapped(result);
  expect(state).toBe('over');
  // Settings, server, lock, number, alone, record; what joins the run comes on top.
  expect(story.length).toBeGreaterThan(7);
  expect(events.some(({ event }) => event === 'run:resumed')).toBe(true);
  await shop.expectMigrated(db);
});

test('a run that reconnects often leaves nothing behind each time', async () => {
  await using db = await shop.database();
  await using proxy = await Proxy.open(db.url);
  const warnings: string[] = [];
  const listener = (warning: Error): void => void warnings.push(warning.message);
  process.on('warning', listener);
  try {
    let cuts = 0;
    const { result } = await runChange(db, change, {
      url: proxy.url,
      settings,
      onPoint: (point) => {
        // The default of Node for a leak is ten.
        if (point === 'claimed' && (cuts += 1) <= 12) proxy.cutAll();
      },
    });
    expectSwapped(result);
    expect(cuts).toBe(13);
  } finally {
    process.off('warning', listener);
  }
  expect(warnings).toEqual([]);
});
