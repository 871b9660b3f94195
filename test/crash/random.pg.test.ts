/**
 * The promise of points.pg.test.ts, for the moments that have no name: a run is killed (SIGKILL) after a random time, again
 * and again until one comes to its end, while somebody goes on writing (invariants 1, 7, 11).
 *
 * PG_GHOST_RUNS: how many (4). PG_GHOST_SEED: of the first; a failure names its own.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Random } from '../../src/lab/random.js';
import { Runner } from './runner.js';
import { change, expectSwapped, runnerIsGone, settings, Shop, Writer } from './shop.js';

const runs = Number(process.env['PG_GHOST_RUNS'] ?? 4);
const firstSeed = Number(process.env['PG_GHOST_SEED'] ?? 40_000);
/** Each may end at once; so many of them in a row do not. */
const maxKills = 40;

let shop: Shop | undefined;
/** Of a run that nobody disturbs. */
let durationMs = 0;

beforeAll(async () => {
  shop = await Shop.open();
  await using db = await shop.database();
  await using _writer = new Writer(db, firstSeed);
  const started = performance.now();
  await using runner = new Runner({ url: db.url, change, settings });
  const { result } = await runner.ended();
  if (result === undefined) throw new Error('an undisturbed run did not come to its end');
  durationMs = performance.now() - started;
});
afterAll(async () => {
  await shop?.[Symbol.asyncDispose]();
});

describe('killed at random until it is through', () => {
  for (let seed = firstSeed; seed < firstSeed + runs; seed += 1) {
    test(`seed ${seed}`, { timeout: 120_000 }, async ({ onTestFailed }) => {
      if (shop === undefined) throw new Error('no database to migrate');
      await using db = await shop.database();
      await using writer = new Writer(db, seed);
      const random = new Random(seed);
      const story: string[] = [];
      onTestFailed(() => console.error(`PG_GHOST_SEED=${seed} PG_GHOST_RUNS=1: ${story.join('; ')}`));

      let result;
      while (result === undefined && story.length < maxKills) {
        await using runner = new Runner({ url: db.url, change, settings });
        // A little longer each time: the machine may be slower than it was when that was measured.
        const aliveMs = Math.round(random.next() * durationMs * (1 + story.length / 10));
        const killer = new AbortController();
        const kill = sleep(aliveMs, undefined, { signal: killer.signal }).then(
          () => runner.kill('SIGKILL'),
          () => undefined,
        );
        const ending = await runner.ended();
        killer.abort();
        await kill;
        const at = runner.lines.findLast((line) => line.point !== undefined)?.point ?? 'its start';
        story.push(`${aliveMs} ms: ${at}`);
        expect(ending.error).toBeUndefined();
        result = ending.result;
        await runnerIsGone(db);
      }
      if (result === undefined) throw new Error(`none of ${maxKills} runs came to its end`);
      expectSwapped(result);
      await writer.writes(20);
      await writer.stop();
      await shop.expectMigrated(db);
    });
  }
});
