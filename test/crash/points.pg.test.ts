/**
 * The promise: whenever the process dies, the same command goes on and ends as if nothing had happened (invariants 1, 7, 11).
 *
 * At each point between two durable steps a run is killed (SIGKILL) while somebody goes on writing. Then the same command
 * runs to its end: every write is there, the catalog is what the native ALTER leaves, nothing else is left, and no block
 * was copied twice or left out.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { migrationPoints, type RunPoint } from '../../src/run/points.js';
import { runChange } from '../support/migration.js';
import { dropSlotsStatement } from '../support/slot.js';
import { Runner } from './runner.js';
import {
  change,
  type Chunk,
  chunks,
  expectSwapped,
  muchWriting,
  overlaps,
  runnerIsGone,
  settings,
  Shop,
  Writer,
} from './shop.js';

interface Case {
  /** Of the times that a run is there; the first, when not given. */
  readonly nth?: number;
  /** What somebody does in the middle of the copy, or where it is said, without which a run would not get there. */
  readonly provokedBy?: string;
  readonly provokedAt?: RunPoint;
  /** The run goes on after that; otherwise it waits until it is killed. */
  readonly goesOn?: boolean;
  /** Where it is of one way to capture alone. */
  readonly capture?: 'logical';
  /** Where the copy stands: what is asked about chunks depends on it. */
  readonly copy: 'not begun' | 'under way' | 'begins anew' | 'done';
}

/** Another object, and what it was before. */
const anotherView = `drop view order_notes; create view order_notes as select code, note from orders where note is not null`;

/** What was written meanwhile is missing in the log. */
const lost = { capture: 'logical', provokedBy: dropSlotsStatement, goesOn: true } as const;

/** A new point needs a case: the compiler says so. One that no run reaches makes its test fail. */
const cases: Readonly<Record<RunPoint, Case>> = {
  recorded: { copy: 'not begun' },
  claimed: { copy: 'not begun' },
  'shadow-built': { copy: 'not begun' },
  'target-stored': { copy: 'not begun' },
  'capture-on': { copy: 'under way' },
  'chunk-read': { nth: 2, copy: 'under way' },
  'chunk-copied': { nth: 2, copy: 'under way' },
  'log-switched': { provokedBy: muchWriting, copy: 'under way' },
  'log-compacted': { provokedBy: muchWriting, copy: 'under way' },
  'copy-restarting': { provokedBy: 'vacuum full orders', goesOn: true, copy: 'begins anew' },
  'begun-anew': { ...lost, copy: 'begins anew' },
  'gap-recorded': { ...lost, provokedAt: 'settled', copy: 'done' },
  'slot-dropped': { ...lost, provokedAt: 'settled', copy: 'done' },
  'slot-renewed': { ...lost, provokedAt: 'settled', copy: 'done' },
  'rows-requeued': { ...lost, provokedAt: 'settled', copy: 'done' },
  'gap-closed': { ...lost, provokedAt: 'settled', copy: 'done' },
  following: { provokedBy: anotherView, goesOn: true, copy: 'under way' },
  followed: { provokedBy: anotherView, goesOn: true, copy: 'under way' },
  copied: { copy: 'done' },
  purged: { copy: 'done' },
  'purge-vacuumed': { copy: 'done' },
  'index-built': { copy: 'done' },
  'indexes-attached': { copy: 'done' },
  'batch-applied': { copy: 'done' },
  'caught-up': { copy: 'done' },
  settled: { copy: 'done' },
  'range-verified': { copy: 'done' },
  verified: { copy: 'done' },
  'cutover-ready': { copy: 'done' },
  'cutover-locked': { copy: 'done' },
  'cutover-drained': { copy: 'done' },
  swapped: { copy: 'done' },
  'leftovers-removed': { copy: 'done' },
  'window-settled': { copy: 'done' },
  validated: { copy: 'done' },
};

/** Where the state is about to be another one; with every version all of them. */
const shortly: readonly RunPoint[] = [
  'target-stored',
  'capture-on',
  'chunk-copied',
  'log-compacted',
  'copy-restarting',
  'slot-renewed',
  'followed',
  'purged',
  'indexes-attached',
  'batch-applied',
  'cutover-locked',
  'cutover-drained',
  'swapped',
  'leftovers-removed',
];
const chosen = (
  process.env['PG_GHOST_TEST_VERSIONS'] === undefined ? shortly : Object.keys(cases)
) as RunPoint[];

let shop: Shop;
beforeAll(async () => {
  shop = await Shop.open();
});
afterAll(async () => {
  await shop?.[Symbol.asyncDispose]();
});

test('each point has a case', () => {
  expect(Object.keys(cases)).toEqual(expect.arrayContaining([...migrationPoints]));
});

describe('killed, and the same command again', { timeout: 120_000 }, () => {
  for (const [index, point] of chosen.entries()) {
    const { nth = 1, provokedBy, provokedAt = 'chunk-copied', goesOn = false, capture, copy } = cases[point];
    test(`at ${point}`, async () => {
      await using db = await shop.database();
      const client = await db.connect();
      await using writer = new Writer(db, 30_000 + index);
      await writer.writes(20);

      await using first = new Runner({
        url: db.url,
        change,
        // A second worker would copy the rest while the first is held.
        settings: {
          ...settings,
          ...(provokedBy === undefined ? {} : { workers: 1 }),
          ...(capture === undefined ? {} : { capture }),
        },
        actions: [
          { point, nth, action: 'kill' },
          ...(provokedBy === undefined ? [] : [{ point: provokedAt, action: 'hold' } as const]),
        ],
      });
      if (provokedBy !== undefined) {
        await first.reached(provokedAt);
        await client.query(provokedBy);
        if (goesOn) first.release();
      }
      await first.reached(point, nth);
      expect((await first.ended()).signal).toBe('SIGKILL');

      const copiedBefore = await chunks(client);
      expect(overlaps(copiedBefore)).toEqual([]);
      if (copy !== 'under way') expect(copiedBefore.length > 0).toBe(copy === 'begins anew');
      if (copy === 'under way') expect(copiedBefore.length > 0).toBe(point !== 'capture-on');
      await writer.writes(20);
      await runnerIsGone(db);

      let copied: Chunk[] = [];
      let copiedNow = 0;
      const { result } = await runChange(db, change, {
        settings: { ...settings, ...(capture === undefined ? {} : { capture }) },
        onPoint: async (reached) => {
          if (reached === 'chunk-copied') {
            copiedNow += 1;
            copied = await chunks(client);
          }
          // Nothing but chunks has written to it: a block that was copied twice, or not, or not recorded would show.
          if (reached === 'copied' && copy !== 'done') {
            const { rows } = await client.query(
              `select rows_copied::int as recorded, (select count(*)::int from ghost_new_1.orders) as found, blocks_total::int as blocks
               from ghost.tables`,
            );
            const { recorded, found, blocks } = rows[0] as Record<string, number>;
            expect(found).toBe(recorded);
            expect(overlaps(copied)).toEqual([]);
            expect(copied.reduce((sum, chunk) => sum + chunk.to - chunk.from, 0)).toBe(blocks);
          }
        },
      });
      expectSwapped(result);
      if (copy === 'done') expect(copiedNow).toBe(0);
      else expect(copied.length).toBeGreaterThan(2);
      // The chunks that the killed run committed are those of the next one.
      if (copy === 'under way') expect(copied).toEqual(expect.arrayContaining(copiedBefore));
      if (copy === 'under way') expect(copiedNow).toBe(copied.length - copiedBefore.length);

      await writer.writes(20);
      await writer.stop();
      await shop.expectMigrated(db);
    });
  }
});
