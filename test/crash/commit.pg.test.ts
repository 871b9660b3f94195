/**
 * The promise of invariant 11: when the connection is lost around the swap's COMMIT, nobody guesses. The run connects again,
 * reads what became of it, and goes on from there; it swaps exactly once. When the server cannot be asked, the error says
 * that the outcome is unknown, and the same command finds out later.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { markSwappedStatement } from '../../src/swap/ready.js';
import type { MigrationEvent } from '../../src/index.js';
import { type TestDatabase, until } from '../support/database.js';
import { failure, runChange } from '../support/migration.js';
import { type Message, Proxy } from './proxy.js';
import { change, expectSwapped, settings, Shop, Writer } from './shop.js';

/** When the connection is cut: the server has not got the message, has committed, or may or may not have got it. */
type Moment = 'before it is sent' | 'after the server has committed' | 'at once after it is sent';
type Extent = 'all connections' | 'that connection alone';

let shop: Shop;
beforeAll(async () => {
  shop = await Shop.open();
});
afterAll(async () => {
  await shop[Symbol.asyncDispose]();
});
afterEach(() => {
  vi.restoreAllMocks();
});

function isSwap({ type, text }: Message): boolean {
  return type === 'Q' && text.includes(markSwappedStatement) && /commit;?\s*$/.test(text);
}

/** Cuts at the first swap, and gives how many swaps were on their way altogether. */
function cutAtSwap(
  proxy: Proxy,
  db: TestDatabase,
  moment: Moment,
  extent: Extent,
  onCut: () => void = () => {},
): { swaps: number } {
  const seen = { swaps: 0 };
  proxy.onMessage = async (message, link) => {
    if (!isSwap(message)) return;
    seen.swaps += 1;
    if (seen.swaps > 1) return;
    if (moment !== 'before it is sent') {
      link.silence();
      await link.forward(message);
    }
    if (moment === 'after the server has committed') await until(() => isSwapped(db), { what: 'the commit' });
    onCut();
    // The link too when it is one of all: what is forwarded already must not follow once more.
    link.cut();
    if (extent === 'all connections') proxy.cutAll();
  };
  return seen;
}

async function isSwapped(db: TestDatabase): Promise<boolean> {
  const { rows } = await db.query(`select from ghost.migrations where phase = 'swapped'`);
  return rows.length > 0;
}

function count(events: readonly MigrationEvent[], name: MigrationEvent['event']): number {
  return events.filter(({ event }) => event === name).length;
}

describe(
  'the connection is cut around the commit of the swap, and the run goes on by itself',
  { timeout: 120_000 },
  () => {
    const moments: Moment[] = [
      'before it is sent',
      'after the server has committed',
      'at once after it is sent',
    ];
    const extents: Extent[] = ['all connections', 'that connection alone'];
    for (const moment of moments) {
      for (const extent of extents) {
        test(`${moment}, ${extent}`, async () => {
          await using db = await shop.database();
          await using proxy = await Proxy.open(db.url);
          await using writer = new Writer(db, 50_000);
          await writer.writes(20);
          const seen = cutAtSwap(proxy, db, moment, extent);

          const { result, events } = await runChange(db, change, { url: proxy.url, settings });

          expectSwapped(result);
          expect(count(events, 'run:retrying')).toBe(1);
          expect(count(events, 'run:resumed')).toBe(1);
          // A swap that had happened is not made again; one that had not, is.
          if (moment === 'before it is sent') expect(seen.swaps).toBe(2);
          if (moment === 'after the server has committed') expect(seen.swaps).toBe(1);
          expect(count(events, 'cutover:done')).toBe(seen.swaps - 1);
          await writer.writes(20);
          await writer.stop();
          await shop.expectMigrated(db);
        });
      }
    }
  },
);

describe('the server cannot be asked what became of the commit', () => {
  for (const moment of ['before it is sent', 'after the server has committed'] as const) {
    test(`${moment}: exit 6, and the same command finds out`, async () => {
      await using db = await shop.database();
      await using proxy = await Proxy.open(db.url);
      await using writer = new Writer(db, 51_000);
      cutAtSwap(proxy, db, moment, 'all connections', () => (proxy.refusing = true));
      // Instead of waiting for a minute: time flies whenever somebody knocks in vain.
      const now = performance.now.bind(performance);
      let ahead = 0;
      vi.spyOn(performance, 'now').mockImplementation(() => now() + ahead);
      proxy.onRefused = () => (ahead += 13_000);

      const error = await failure(
        runChange(db, change, { url: proxy.url, settings: { ...settings, retryForMs: 0 } }),
      );
      expect(error).toMatchObject({ name: 'OutcomeUnknownError', code: 'outcome-unknown', exitCode: 6 });
      // Although nobody wanted retries it has asked for a minute, and it does not ask for ever.
      expect(proxy.refused).toBeGreaterThanOrEqual(5);
      expect(proxy.refused).toBeLessThan(10);
      expect(await isSwapped(db)).toBe(moment !== 'before it is sent');
      await writer.writes(20);

      vi.restoreAllMocks();
      proxy.refusing = false;
      const { result, events } = await runChange(db, change, { url: proxy.url, settings });
      expectSwapped(result);
      expect(count(events, 'cutover:done')).toBe(moment === 'before it is sent' ? 1 : 0);
      await writer.stop();
      await shop.expectMigrated(db);
    });
  }
});
